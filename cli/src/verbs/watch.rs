//! Follows what happens. The first connection must work; after that it comes back by itself and goes on where it was.

use std::time::Duration;

use booth_proto::v1::watch_response::Message;
use booth_proto::v1::watch_service_client::WatchServiceClient;
use booth_proto::v1::{WatchMetersRequest, WatchMetersResponse, WatchRequest, WatchResponse};
use tokio::time::{timeout, timeout_at};
use tonic::Streaming;

use super::watch_text;
use crate::app::{Ctx, eprintln_quietly};
use crate::args::{Format, WatchArgs};
use crate::client::{Backoff, Client, LARGEST_ANSWER};
use crate::errors::{Exit, Failure, Outcome};
use crate::hints::Subject;
use crate::names;

const HEARTBEAT_S: u32 = 5;
/// Three missed heartbeats: the connection is dead, whatever TCP believes.
const SILENCE: Duration = Duration::from_secs(3 * HEARTBEAT_S as u64);

pub async fn run(ctx: &Ctx, args: WatchArgs) -> Outcome {
    let show = args
        .show
        .as_deref()
        .map_or(Ok(String::new()), names::show)?;
    let client = ctx.client().await?;
    if args.meters {
        let rate = args.rate;
        return keep_following(async |seen| {
            let request = WatchMetersRequest { rate };
            let stream = open(client, async |mut service| {
                service.watch_meters(request).await
            })
            .await?;
            read(stream, seen, |reading| meters(ctx, &reading)).await
        })
        .await;
    }
    let mut since = args.since;
    keep_following(async |seen| {
        let request = WatchRequest {
            since,
            show: show.clone(),
            heartbeat_s: HEARTBEAT_S,
        };
        let stream = open(client, async |mut service| service.watch(request).await).await?;
        read(stream, seen, |message| {
            // Half a snapshot is nothing to go on from.
            if !watch_text::is_partial(&message) {
                since = message.revision;
            }
            event(ctx, &message)
        })
        .await
    })
    .await
}

type Service = WatchServiceClient<crate::client::Svc>;

async fn open<T>(
    client: &Client,
    call: impl AsyncFnOnce(Service) -> Result<tonic::Response<Streaming<T>>, tonic::Status>,
) -> Outcome<Streaming<T>> {
    let service =
        WatchServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    match timeout_at(client.deadline(), call(service)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => {
            let failure = Failure::from_status(&status, &Subject::default());
            Err(client.explained(failure).await)
        }
        Err(_) => Err(client.late()),
    }
}

/// What the reader has got so far over all connections.
#[derive(Default)]
struct Seen {
    ever: bool,
    /// Since the connection broke last.
    again: bool,
}

/// Reads until the stream breaks; only a broken stream, a refusal or a closed stdout ends it.
async fn read<T>(
    mut stream: Streaming<T>,
    seen: &mut Seen,
    mut print: impl FnMut(T) -> Outcome,
) -> Outcome {
    loop {
        let message = match timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return Err(Failure::unreachable("the server ended the watch")),
            Ok(Err(status)) => return Err(Failure::from_status(&status, &Subject::default())),
            Err(_) => {
                return Err(Failure::unreachable(
                    "nothing was heard from the server for too long",
                ));
            }
        };
        if seen.ever && !seen.again {
            eprintln_quietly("watch: connected again");
        }
        (seen.ever, seen.again) = (true, true);
        print(message)?;
    }
}

/// Connects again and again, ever slower up to 5 s, while trying can help.
async fn keep_following(mut follow: impl AsyncFnMut(&mut Seen) -> Outcome) -> Outcome {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut seen = Seen::default();
    loop {
        let Err(failure) = follow(&mut seen).await else {
            return Ok(());
        };
        if failure.closed_pipe || !seen.ever || !may_pass(&failure) {
            return Err(failure);
        }
        if seen.again {
            eprintln_quietly(&format!("watch: {}; connecting again", failure.message));
            backoff.reset();
            seen.again = false;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// A token taken back or a wrong argument stays wrong; everything else may be a server on its way up or down.
fn may_pass(failure: &Failure) -> bool {
    failure.lost
        || match failure.exit {
            Exit::Unreachable | Exit::TimedOut => true,
            Exit::Error => failure.code != "UNIMPLEMENTED",
            Exit::Refused => matches!(failure.code, "ABORTED" | "RESOURCE_EXHAUSTED"),
            Exit::Usage | Exit::NotFound | Exit::NotAllowed => false,
        }
}

fn event(ctx: &Ctx, message: &WatchResponse) -> Outcome {
    match ctx.out.format {
        Format::Json | Format::Ndjson => ctx.out.json_line(message),
        _ if matches!(message.message, Some(Message::Heartbeat(_))) => still_read(ctx),
        Format::Table => watch_text::lines(&ctx.out, message)
            .iter()
            .try_for_each(|line| ctx.out.line(line)),
        Format::Name => watch_text::names(message)
            .iter()
            .try_for_each(|name| ctx.out.line(name)),
    }
}

/// Nothing is printed for a heartbeat, so a closed pipe would not be noticed.
fn still_read(ctx: &Ctx) -> Outcome {
    if ctx.out.reader_is_gone() {
        Err(Failure::stdout(&std::io::ErrorKind::BrokenPipe.into()))
    } else {
        Ok(())
    }
}

fn meters(ctx: &Ctx, reading: &WatchMetersResponse) -> Outcome {
    match ctx.out.format {
        Format::Json | Format::Ndjson => ctx.out.json_line(reading),
        Format::Name => {
            let names = reading
                .slots
                .iter()
                .map(|slot| &slot.name)
                .chain(reading.callers.iter().map(|caller| &caller.name))
                .chain(reading.channels.iter().map(|channel| &channel.name));
            names
                .map(|name| crate::render::text::scrub(name))
                .try_for_each(|name| ctx.out.line(&name))
        }
        Format::Table => watch_text::meter_lines(&ctx.out, reading)
            .iter()
            .try_for_each(|line| ctx.out.line(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(may_pass(&Failure::unreachable("x")));
        assert!(may_pass(&Failure::timed_out("x")));
        assert!(may_pass(&Failure::error("x")));
        assert!(!may_pass(&Failure::not_allowed("x")));
        assert!(!may_pass(&Failure::usage("x")));
        assert!(!may_pass(&Failure {
            code: "UNIMPLEMENTED",
            ..Failure::error("x")
        }));
        assert!(!may_pass(&Failure::refused("x")));
    }
}
