//! `channel create` and `update`: an accepted backup is still to be prepared. This waits for it, with a bar on a terminal.

use std::time::Duration;

use booth_proto::v1::watch_response::Message;
use booth_proto::v1::watch_service_client::WatchServiceClient;
use booth_proto::v1::{
    Channel, WatchMetersRequest, WatchMetersResponse, WatchRequest, WatchResponse, prepared,
    resource,
};
use tokio::time::{Instant, timeout_at};
use tonic::Streaming;

use crate::app::Ctx;
use crate::client::{Backoff, Client, LARGEST_ANSWER};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names::last_part;
use crate::progress::{self, Line};
use crate::render::text::scrub;

/// However long it takes, it gets on: without any progress for this long nobody works on it.
const STALLED: Duration = Duration::from_secs(120);

/// The channel once its loops are ready, and the revision of that.
pub async fn until_prepared(
    ctx: &Ctx,
    channel: &Channel,
    revision: u64,
) -> Outcome<(Channel, u64)> {
    if let Some(done) = verdict(channel)? {
        return Ok((done, revision));
    }
    let wanted = Wanted {
        name: &channel.name,
        revision,
    };
    let client = ctx.client().await?;
    let mut bar = Bar::new(ctx, &channel.name);
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let done = loop {
        match follow(client, &wanted, &mut bar).await {
            // Preparing goes on through a restart of the server, and so does waiting for it.
            Err(failure) if failure.lost => tokio::time::sleep(backoff.next()).await,
            done => break done,
        }
        if bar.stalled() {
            break Err(too_late(&wanted));
        }
    };
    bar.end();
    if let Ok((channel, _)) = &done
        && let Some(prepared) = &channel.prepared
        && !prepared.note.is_empty()
    {
        ctx.out.say(&format!("prepared: {}", prepared.note));
    }
    done
}

struct Wanted<'a> {
    name: &'a str,
    /// At which the settings were accepted; what is older says nothing about them.
    revision: u64,
}

async fn follow(client: &Client, wanted: &Wanted<'_>, bar: &mut Bar) -> Outcome<(Channel, u64)> {
    let subject = Subject::channel(wanted.name);
    let failed = |status: tonic::Status| Failure::from_status(&status, &subject);
    let mut service =
        WatchServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    // From the start: the snapshot tells if it is done already.
    let request = WatchRequest {
        since: 0,
        show: String::new(),
        heartbeat_s: 1,
    };
    let mut events = service.watch(request).await.map_err(failed)?.into_inner();
    let meters = service.watch_meters(WatchMetersRequest { rate: 4 }).await;
    // A bar that does not move is no reason to fail.
    let mut meters: Option<Streaming<WatchMetersResponse>> = meters.ok().map(|m| m.into_inner());
    let mut in_snapshot = false;
    loop {
        let deadline = bar.deadline();
        let event = async {
            tokio::select! {
                message = events.message() => Some(message),
                reading = reading(&mut meters) => {
                    bar.take(reading, wanted.name);
                    None
                }
            }
        };
        match timeout_at(deadline, event).await {
            Err(_) => return Err(too_late(wanted)),
            Ok(None) => {}
            Ok(Some(Ok(Some(message)))) => {
                if let Some(done) = look(message, wanted, &mut in_snapshot)? {
                    return Ok(done);
                }
            }
            Ok(Some(Ok(None))) => return Err(Failure::unreachable("the server ended the watch")),
            Ok(Some(Err(status))) => return Err(failed(status)),
        }
    }
}

/// The next reading; for ever silent once the stream has ended.
async fn reading(meters: &mut Option<Streaming<WatchMetersResponse>>) -> WatchMetersResponse {
    if let Some(stream) = meters {
        if let Ok(Some(reading)) = stream.message().await {
            return reading;
        }
        *meters = None;
    }
    std::future::pending().await
}

/// The channel if it is ready, nothing if not yet, an error if it never will be. A snapshot may come in parts:
/// `in_snapshot` says whether one of them had the channel.
fn look(
    message: WatchResponse,
    wanted: &Wanted<'_>,
    in_snapshot: &mut bool,
) -> Outcome<Option<(Channel, u64)>> {
    let revision = message.revision;
    if revision < wanted.revision {
        return Ok(None);
    }
    let gone = || {
        Failure::refused(format!("{} is gone", wanted.name))
            .reason("CHANNEL_NOT_FOUND")
            .next("booth channel list")
    };
    let channels: Vec<Channel> = match message.message {
        Some(Message::Snapshot(snapshot)) => {
            *in_snapshot |= snapshot.channels.iter().any(|c| c.name == wanted.name);
            if !*in_snapshot && !snapshot.more {
                return Err(gone());
            }
            snapshot.channels
        }
        Some(Message::Change(change)) => {
            let mut channels = Vec::new();
            for resource in change.resources {
                match resource.resource {
                    Some(resource::Resource::Channel(channel)) => channels.push(channel),
                    Some(resource::Resource::Deleted(name)) if name == wanted.name => {
                        return Err(gone());
                    }
                    _ => {}
                }
            }
            channels
        }
        Some(Message::Heartbeat(_)) | None => return Ok(None),
    };
    let channel = channels.into_iter().find(|c| c.name == wanted.name);
    match channel {
        Some(channel) => Ok(verdict(&channel)?.map(|channel| (channel, revision))),
        None => Ok(None),
    }
}

fn verdict(channel: &Channel) -> Outcome<Option<Channel>> {
    let prepared = channel.prepared.clone().unwrap_or_default();
    match prepared::State::try_from(prepared.state) {
        Ok(prepared::State::Preparing) => Ok(None),
        Ok(prepared::State::Failed) => {
            let id = last_part(&channel.name);
            Err(Failure::refused(format!(
                "the backup of {id} cannot be prepared: {}",
                scrub(&prepared.note)
            ))
            .reason("PREPARE_FAILED")
            .next(format!(
                "booth channel check FILE, then booth channel update {id} --backup FILE"
            )))
        }
        // Ready; or a server that prepares nothing.
        _ => Ok(Some(channel.clone())),
    }
}

fn too_late(wanted: &Wanted<'_>) -> Failure {
    let id = last_part(wanted.name);
    Failure::timed_out(format!(
        "{id} is accepted, but its backup has not come on for {STALLED:?}"
    ))
    .reason("PREPARE_STALLED")
    .next(format!("booth status; booth channel get {id}"))
}

/// How far it is, on stderr.
struct Bar {
    what: String,
    line: Line,
    percent: f64,
    moved: Instant,
}

impl Bar {
    fn new(ctx: &Ctx, name: &str) -> Self {
        let id = last_part(name);
        let mut bar = Self {
            what: format!("preparing {id}"),
            line: Line::new(ctx),
            percent: 0.0,
            moved: Instant::now(),
        };
        if bar.line.is_seen() {
            bar.draw();
        } else {
            ctx.out.say(&format!("preparing the backup of {id}"));
        }
        bar
    }

    fn take(&mut self, reading: WatchMetersResponse, name: &str) {
        let meters = reading.channels.iter().find(|meters| meters.name == name);
        if let Some(meters) = meters
            && meters.prepared_percent > self.percent
        {
            self.percent = meters.prepared_percent;
            self.moved = Instant::now();
            self.draw();
        }
    }

    fn deadline(&self) -> Instant {
        self.moved + STALLED
    }

    fn stalled(&self) -> bool {
        Instant::now() >= self.deadline()
    }

    fn draw(&mut self) {
        self.line.show(&progress::bar(&self.what, self.percent));
    }

    fn end(&mut self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use booth_proto::v1::{Change, Prepared, Resource, Snapshot};

    const WANTED: Wanted<'_> = Wanted {
        name: "channels/radio",
        revision: 7,
    };

    fn radio(state: prepared::State) -> Channel {
        Channel {
            name: "channels/radio".to_owned(),
            prepared: Some(Prepared {
                state: state as i32,
                note: "no video\u{1b}[2J".to_owned(),
                ..Prepared::default()
            }),
            ..Channel::default()
        }
    }

    fn change(revision: u64, resource: resource::Resource) -> WatchResponse {
        let resources = vec![Resource {
            resource: Some(resource),
        }];
        WatchResponse {
            revision,
            message: Some(Message::Change(Change {
                resources,
                ..Change::default()
            })),
        }
    }

    fn seen(message: WatchResponse) -> Outcome<Option<(Channel, u64)>> {
        look(message, &WANTED, &mut false)
    }

    #[test]
    fn only_the_channel_itself_ends_the_wait() {
        use resource::Resource::{Channel, Deleted};
        let preparing = radio(prepared::State::Preparing);
        assert_eq!(seen(change(8, Channel(preparing))).unwrap(), None);
        let ready = radio(prepared::State::Ready);
        assert_eq!(seen(change(6, Channel(ready.clone()))).unwrap(), None);
        let other = booth_proto::v1::Channel {
            name: "channels/tv".to_owned(),
            ..ready.clone()
        };
        assert_eq!(seen(change(8, Channel(other))).unwrap(), None);
        let done = seen(change(8, Channel(ready.clone()))).unwrap();
        assert_eq!(done, Some((ready, 8)));
        let gone = seen(change(9, Deleted("channels/radio".to_owned())));
        assert_eq!(gone.unwrap_err().exit_code(), 5);
    }

    #[test]
    fn a_failure_names_its_reason_without_steering_the_terminal() {
        let failed = resource::Resource::Channel(radio(prepared::State::Failed));
        let failure = seen(change(8, failed)).unwrap_err();
        assert_eq!(failure.exit_code(), 5);
        assert_eq!(failure.reason.as_deref(), Some("PREPARE_FAILED"));
        assert!(failure.message.ends_with("no video [2J"), "{failure:?}");
    }

    #[test]
    fn a_channel_missing_in_one_part_of_a_snapshot_may_be_in_another() {
        let part = |channels, more| WatchResponse {
            revision: 8,
            message: Some(Message::Snapshot(Snapshot {
                channels,
                more,
                ..Snapshot::default()
            })),
        };
        let mut in_snapshot = false;
        let mut look = |message| look(message, &WANTED, &mut in_snapshot);
        assert_eq!(look(part(Vec::new(), true)).unwrap(), None);
        let preparing = vec![radio(prepared::State::Preparing)];
        assert_eq!(look(part(preparing, true)).unwrap(), None);
        assert_eq!(look(part(Vec::new(), false)).unwrap(), None);
        let gone = super::look(part(Vec::new(), false), &WANTED, &mut false);
        assert_eq!(gone.unwrap_err().exit_code(), 5);
    }
}
