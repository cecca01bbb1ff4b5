//! `booth-judge`: judges a stream from the command line.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is this program's output"
)]

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use booth_judge::{DefectClass, Judge, JudgeInput, Options, Report, SrtInput, text};
use clap::Parser;

/// Judge an MPEG transport stream: srt://host:port?latency=120&streamid=…&passphrase=…&pbkeylen=16 (times in
/// milliseconds), a file, or - for standard input.
///
/// Exit status: 0 fine, 1 a defect of --fail-on was found or what --until waits for did not come, 2 wrong usage,
/// 3 no stream.
#[derive(Parser)]
#[command(name = "booth-judge", version)]
struct Arguments {
    /// srt://…, a file, or -
    input: String,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Stop after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// Stop when the picture shows this synthetic caller
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(..64))]
    until_id: Option<u8>,
    /// Stop when this synthetic caller is heard
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(..64))]
    until_tone: Option<u8>,
    /// Stop when the picture shows no caller
    #[arg(long, conflicts_with = "until_id")]
    until_idle: bool,
    /// How long an --until may take, in seconds (when there is no --duration)
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    timeout: f64,
    /// Fail when one of these is found; "all" for every class
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',')]
    fail_on: Vec<String>,
    /// Only what the packets tell: cheap
    #[arg(long)]
    no_decode: bool,
    /// Arrival times count, for a pipe fed in real time
    #[arg(long)]
    live: bool,
    /// Do not connect again when an SRT connection is lost
    #[arg(long)]
    no_reconnect: bool,
    /// File with the SRT passphrase, to keep it out of the process list
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Longest time between arrivals, in milliseconds
    #[arg(long, value_name = "MS")]
    max_gap: Option<f64>,
    /// Longest step of video PTS, in milliseconds (default: 1.8 usual steps)
    #[arg(long, value_name = "MS")]
    max_step: Option<f64>,
    /// Largest A/V skew, in milliseconds
    #[arg(long, value_name = "MS")]
    max_skew: Option<f64>,
    /// Longest time between key frames, in milliseconds
    #[arg(long, value_name = "MS")]
    max_key_interval: Option<f64>,
    /// A picture that stands so long is frozen, in milliseconds
    #[arg(long, value_name = "MS")]
    frozen_after: Option<f64>,
    /// Black for so long is a stretch, in milliseconds
    #[arg(long, value_name = "MS")]
    black_after: Option<f64>,
    /// Silence for so long is a stretch, in milliseconds
    #[arg(long, value_name = "MS")]
    silent_after: Option<f64>,
    /// Silence is below this level
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    silent_below: Option<f64>,
}

impl Arguments {
    fn options(&self) -> Options {
        let d = Options::default();
        Options {
            decode: !self.no_decode,
            live: self.live.then_some(true),
            max_arrival_gap_ms: self.max_gap.unwrap_or(d.max_arrival_gap_ms),
            max_video_step_ms: self.max_step,
            max_av_skew_ms: self.max_skew.unwrap_or(d.max_av_skew_ms),
            max_key_interval_ms: self.max_key_interval.unwrap_or(d.max_key_interval_ms),
            frozen_after_ms: self.frozen_after.unwrap_or(d.frozen_after_ms),
            black_after_ms: self.black_after.unwrap_or(d.black_after_ms),
            silent_after_ms: self.silent_after.unwrap_or(d.silent_after_ms),
            silent_below_dbfs: self.silent_below.unwrap_or(d.silent_below_dbfs),
            ..d
        }
    }

    fn input(&self) -> Result<JudgeInput, String> {
        if self.input == "-" {
            return Ok(JudgeInput::Stdin);
        }
        if !self.input.contains("://") {
            return Ok(JudgeInput::File(PathBuf::from(&self.input)));
        }
        let mut srt = SrtInput::parse(&self.input)?;
        srt.reconnect = !self.no_reconnect;
        if let Some(path) = &self.passphrase_file {
            let text =
                std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            srt.passphrase = Some(text.trim_end().to_owned());
        }
        Ok(JudgeInput::Srt(srt))
    }

    fn fail_classes(&self) -> Result<Vec<DefectClass>, String> {
        if self.fail_on.iter().any(|c| c == "all") {
            return Ok(DefectClass::ALL.to_vec());
        }
        self.fail_on.iter().map(|name| name.parse()).collect()
    }

    fn waits(&self) -> bool {
        self.until_id.is_some() || self.until_tone.is_some() || self.until_idle
    }

    fn reached(&self, report: &Report) -> bool {
        self.waits()
            && self
                .until_id
                .is_none_or(|id| report.picture_id() == Some(id))
            && self
                .until_tone
                .is_none_or(|id| report.sound_id() == Some(id))
            && (!self.until_idle || report.is_idle())
    }

    fn patience(&self) -> Result<Duration, String> {
        let seconds = self.duration.or(self.waits().then_some(self.timeout));
        // Without a limit the judge runs until its input ends: a year is no limit.
        let seconds = seconds.unwrap_or(365.0 * 86_400.0);
        Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} s is no time"))
    }
}

/// Ctrl-C was pressed: what was seen until then is still reported.
static STOPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_signal: libc::c_int) {
    STOPPED.store(true, Ordering::Relaxed);
}

/// The first signal ends the judgement, a second one the process.
fn report_on_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only stores to an atomic; a zeroed sigaction is a valid one.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = stop as *const () as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

fn usage(message: &str) -> ExitCode {
    eprintln!("booth-judge: {message}");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (input, classes, patience) = match (
        arguments.input(),
        arguments.fail_classes(),
        arguments.patience(),
    ) {
        (Ok(input), Ok(classes), Ok(patience)) => (input, classes, patience),
        (Err(e), ..) | (_, Err(e), _) | (.., Err(e)) => return usage(&e),
    };
    if arguments.no_decode && arguments.waits() {
        return usage("--until-… needs decoding; take --no-decode away");
    }
    let judge = match Judge::spawn(input, arguments.options()) {
        Ok(judge) => judge,
        Err(error) => {
            eprintln!("booth-judge: {error}");
            return ExitCode::from(3);
        }
    };
    report_on_signals();
    let stopped = || STOPPED.load(Ordering::Relaxed);
    let reached = judge
        .wait_for(|report| arguments.reached(report) || stopped(), patience)
        .is_ok_and(|report| arguments.reached(&report));
    let report = judge.finish();
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(error) => return usage(&error.to_string()),
        }
    } else {
        print!("{}", text::render(&report));
    }
    verdict(
        &report,
        &classes,
        arguments.waits() && !reached && !arguments.reached(&report),
    )
}

fn verdict(report: &Report, classes: &[DefectClass], missed: bool) -> ExitCode {
    if report.transport.packets == 0 {
        eprintln!(
            "booth-judge: no stream: {}",
            report
                .last_connect_error
                .as_deref()
                .unwrap_or("no transport packets")
        );
        return ExitCode::from(3);
    }
    let found = report.found(classes);
    if !found.is_empty() {
        let names: Vec<&str> = found.iter().map(|c| c.name()).collect();
        eprintln!("booth-judge: found: {}", names.join(", "));
    }
    if missed {
        eprintln!("booth-judge: what --until waits for did not come");
    }
    ExitCode::from(u8::from(missed || !found.is_empty()))
}
