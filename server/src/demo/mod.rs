//! `boothd demo`: synthetic callers, or a channel's live input, that are real WebRTC publishers over the same WHIP door as
//! everybody.
//!
//! Picture and sound come from [`booth_media::demo`], encoded once for each caller and sent in a loop by one pacing
//! task. It uses nothing of the server but what every client may.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: data on stdout, talk on stderr"
)]

mod caller;
mod feed;
mod media;
mod pacer;
pub mod publisher;
pub mod web;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::caller::Caller;
use self::feed::Feed;
use self::media::Media;
use self::pacer::{Lane, Pacer};
use self::web::Web;

/// Ids have six bits in the picture.
const IDS: u32 = 64;
/// Joins are spread, as they are in life; a second of 50 callers is enough.
const SPREAD: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VideoCodec {
    Vp8,
    H264,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the callers' page is
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Show to join
    #[arg(long, default_value = "main")]
    pub show: String,
    /// Be this channel's live input by WHIP, instead of callers; its key is in the environment variable BOOTH_STREAM_KEY
    #[arg(long, value_name = "ID", conflicts_with_all = ["callers", "audio_only", "codec"])]
    pub channel: Option<String>,
    /// How many callers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub callers: u32,
    /// Number of the first one; it is in the picture and in the name
    #[arg(long, default_value_t = 1)]
    pub first_id: u32,
    #[arg(long, value_enum, default_value = "vp8")]
    pub codec: VideoCodec,
    #[arg(long, default_value_t = 640)]
    pub width: u32,
    #[arg(long, default_value_t = 360)]
    pub height: u32,
    #[arg(long, default_value_t = 30)]
    pub fps: u32,
    #[arg(long, default_value_t = 600)]
    pub video_kbps: u32,
    /// Length of the loop of picture and sound, in seconds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=60))]
    pub loop_seconds: u32,
    /// Hang up after this many seconds; default: stay until stopped
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Callers without a camera
    #[arg(long)]
    pub audio_only: bool,
    /// Prints a JSON line whenever a caller's loop begins to run to a new clock: when its counter was 0
    #[arg(long)]
    pub mouth_log: bool,
    /// File with the invite's token or link; default: the environment variable BOOTH_INVITE
    #[arg(long, value_name = "FILE")]
    pub invite_file: Option<PathBuf>,
    /// Certificates to trust beside the system's, for an https address
    #[arg(long, value_name = "PEM")]
    pub ca: Option<PathBuf>,
    /// Local address to send from; may be given several times
    #[arg(long, value_name = "IP")]
    pub bind: Vec<IpAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(
        "no invite: set BOOTH_INVITE or name a file with --invite-file (see `booth invite create`)"
    )]
    NoInvite,
    #[error("no stream key: set BOOTH_STREAM_KEY (see `booth channel url ID --reveal`)")]
    NoKey,
    #[error("{path}: {source}", path = path.display())]
    Invite {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Web(#[from] web::WebError),
    #[error("picture and sound could not be made: {0}")]
    Media(String),
    #[error("{0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs until all calls have ended, `--seconds` are over, or Ctrl-C.
pub fn run(args: Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(publish(args)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(ended) if ended.refused == 0 => ExitCode::SUCCESS,
        Ok(ended) => {
            eprintln!("boothd demo: {} of the callers were refused", ended.refused);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("boothd demo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Ended {
    refused: u32,
}

async fn publish(mut args: Args) -> Result<Ended, DemoError> {
    if args.channel.is_some() {
        (args.callers, args.codec) = (1, VideoCodec::H264);
    }
    let secret: Arc<str> = match args.channel {
        Some(_) => std::env::var("BOOTH_STREAM_KEY").map_err(|_| DemoError::NoKey)?,
        None => invite(&args)?,
    }
    .into();
    let web = Web::new(&args.url, args.ca.as_deref())?;
    let stop = CancellationToken::new();
    let bind: Arc<[IpAddr]> = if args.bind.is_empty() {
        own_addresses().into()
    } else {
        args.bind.clone().into()
    };
    let (mut pacer, mut callers) = (Pacer::new(args.mouth_log), JoinSet::new());
    eprintln!("encoding {} callers", args.callers);
    for media in encode(&args).await? {
        let name = format!("caller {}", media.number);
        let lane = Arc::new(Lane::new(media));
        pacer.add(Arc::clone(&lane));
        let (web, bind, stop) = (web.clone(), Arc::clone(&bind), stop.clone());
        if let Some(channel) = &args.channel {
            let feed = Feed {
                channel: channel.clone(),
                key: secret.to_string(),
                web,
                bind,
                lane,
                stop,
            };
            callers.spawn(feed.publish());
            continue;
        }
        let caller = Caller {
            name,
            show: args.show.clone(),
            invite: Arc::clone(&secret),
            web,
            bind,
            lane,
            stop,
        };
        let wait = SPREAD * u32::try_from(callers.len()).unwrap_or(0);
        callers.spawn(async move {
            tokio::time::sleep(wait).await;
            caller.call().await
        });
    }
    let pacing = tokio::spawn(pacer.run(stop.clone()));
    let mut ended = Ended::default();
    let limit = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut limit = std::pin::pin!(limit);
    loop {
        tokio::select! {
            joined = callers.join_next() => match joined {
                Some(Ok(true)) => {}
                Some(_) => ended.refused += 1,
                None => break,
            },
            () = limit.as_mut(), if !stop.is_cancelled() => stop.cancel(),
            _ = tokio::signal::ctrl_c(), if !stop.is_cancelled() => stop.cancel(),
        }
    }
    stop.cancel();
    let _ = pacing.await;
    Ok(ended)
}

/// The token, from a whole link too.
fn invite(args: &Args) -> Result<String, DemoError> {
    let text = match &args.invite_file {
        Some(path) => std::fs::read_to_string(path).map_err(|source| DemoError::Invite {
            path: path.clone(),
            source,
        })?,
        None => std::env::var("BOOTH_INVITE").map_err(|_| DemoError::NoInvite)?,
    };
    let token = text.trim();
    let token = token
        .rsplit_once('#')
        .map_or(token, |(_, fragment)| fragment);
    if token.is_empty() {
        Err(DemoError::NoInvite)
    } else {
        Ok(token.to_owned())
    }
}

/// The machine's first address, and loopback for a server that listens only there.
fn own_addresses() -> Vec<IpAddr> {
    let mut all: Vec<_> = crate::rtc::ports::addresses(None)
        .into_iter()
        .filter(IpAddr::is_ipv4)
        .take(1)
        .collect();
    let loopback = IpAddr::from([127, 0, 0, 1]);
    if !all.contains(&loopback) {
        all.push(loopback);
    }
    all
}

/// Two at a time: encoding is all CPU.
async fn encode(args: &Args) -> Result<Vec<Media>, DemoError> {
    let mut made = Vec::new();
    let mut work = JoinSet::new();
    let mut next = 0;
    while made.len() < usize::try_from(args.callers).unwrap_or(0) {
        while next < args.callers && work.len() < 2 {
            let (args, number) = (args.clone(), args.first_id + next);
            next += 1;
            work.spawn_blocking(move || {
                Media::encode(number, u8::try_from(number % IDS).unwrap_or(0), &args)
            });
        }
        match work.join_next().await {
            Some(Ok(media)) => made.push(media?),
            Some(Err(error)) => return Err(DemoError::Media(error.to_string())),
            None => break,
        }
    }
    made.sort_by_key(|media| media.number);
    Ok(made)
}
