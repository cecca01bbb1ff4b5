//! `--wait`: an accepted command is a promise; this waits for the fact that it has its effect on air.

use std::time::Duration;

use booth_proto::v1::watch_response::Message;
use booth_proto::v1::watch_service_client::WatchServiceClient;
use booth_proto::v1::{
    Channel, Destination, Slot, WatchRequest, WatchResponse, channel, destination, resource, slot,
};
use tokio::time::{Instant, timeout_at};

use crate::app::Ctx;
use crate::client::{Backoff, Client, LARGEST_ANSWER};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names::last_part;
use crate::render::text::scrub;

/// What is waited for.
pub struct Wanted<'a> {
    /// `slots/1` or `channels/radio`.
    pub name: &'a str,
    /// At which the command was accepted; what is older says nothing about it.
    pub revision: u64,
    pub within: Duration,
}

/// A resource that the watch stream carries whole.
pub trait Watched: Clone {
    fn name(&self) -> &str;
    /// Those of a part of a snapshot.
    fn of_snapshot(snapshot: booth_proto::v1::Snapshot) -> Vec<Self>;
    fn of_change(resource: resource::Resource) -> Option<Self>;
    /// The word for it, and where to look when it is gone.
    const NOUN: &'static str;
}

impl Watched for Slot {
    fn name(&self) -> &str {
        &self.name
    }
    fn of_snapshot(snapshot: booth_proto::v1::Snapshot) -> Vec<Self> {
        snapshot.slots
    }
    fn of_change(resource: resource::Resource) -> Option<Self> {
        match resource {
            resource::Resource::Slot(slot) => Some(slot),
            _ => None,
        }
    }
    const NOUN: &'static str = "slot";
}

impl Watched for Channel {
    fn name(&self) -> &str {
        &self.name
    }
    fn of_snapshot(snapshot: booth_proto::v1::Snapshot) -> Vec<Self> {
        snapshot.channels
    }
    fn of_change(resource: resource::Resource) -> Option<Self> {
        match resource {
            resource::Resource::Channel(channel) => Some(channel),
            _ => None,
        }
    }
    const NOUN: &'static str = "channel";
}

/// The resource as it is once `judge` is content, and the revision of that. `judge` gives an error for what never will be.
pub async fn until<R: Watched>(
    ctx: &Ctx,
    wanted: &Wanted<'_>,
    late: impl FnOnce(Option<&R>) -> Failure,
    mut judge: impl FnMut(&R) -> Outcome<bool>,
) -> Outcome<(R, u64)> {
    // As it was seen last: where it is stuck, if it is.
    let mut last = None;
    let mut judge = |one: &R| {
        last = Some(one.clone());
        judge(one)
    };
    let deadline = Instant::now() + wanted.within;
    let client = ctx.client().await?;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let waiting = async {
        loop {
            match follow(client, wanted, &mut judge).await {
                // What was accepted survives a restart of the server, and so does waiting for it.
                Err(failure) if failure.lost => tokio::time::sleep(backoff.next()).await,
                done => return done,
            }
        }
    };
    let waited = timeout_at(deadline, waiting).await;
    waited.unwrap_or_else(|_| Err(late(last.as_ref())))
}

async fn follow<R: Watched>(
    client: &Client,
    wanted: &Wanted<'_>,
    judge: &mut impl FnMut(&R) -> Outcome<bool>,
) -> Outcome<(R, u64)> {
    let failed = |status: tonic::Status| Failure::from_status(&status, &Subject::default());
    let mut service =
        WatchServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    // From the start: the snapshot tells if it is so already.
    let request = WatchRequest {
        since: 0,
        show: String::new(),
        heartbeat_s: 1,
    };
    let mut stream = service.watch(request).await.map_err(failed)?.into_inner();
    let mut in_snapshot = false;
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                if let Some(done) = look(message, wanted, &mut in_snapshot, judge)? {
                    return Ok(done);
                }
            }
            Ok(None) => return Err(Failure::unreachable("the server ended the watch")),
            Err(status) => return Err(failed(status)),
        }
    }
}

/// The resource if it is as wanted, nothing if not yet, an error if it never will be. A snapshot may come in parts:
/// `in_snapshot` says whether one of them had the resource.
pub fn look<R: Watched>(
    message: WatchResponse,
    wanted: &Wanted<'_>,
    in_snapshot: &mut bool,
    judge: &mut impl FnMut(&R) -> Outcome<bool>,
) -> Outcome<Option<(R, u64)>> {
    let revision = message.revision;
    if revision < wanted.revision {
        return Ok(None);
    }
    let gone = || {
        Failure::refused(format!(
            "{} {} is gone",
            R::NOUN,
            scrub(last_part(wanted.name))
        ))
        .reason(&format!("{}_NOT_FOUND", R::NOUN.to_uppercase()))
        .next(format!("booth {} list", R::NOUN))
    };
    let found: Vec<R> = match message.message {
        Some(Message::Snapshot(snapshot)) => {
            let more = snapshot.more;
            let all = R::of_snapshot(snapshot);
            *in_snapshot |= all.iter().any(|one| one.name() == wanted.name);
            if !*in_snapshot && !more {
                return Err(gone());
            }
            all
        }
        Some(Message::Change(change)) => {
            let mut found = Vec::new();
            for resource in change.resources {
                match resource.resource {
                    Some(resource::Resource::Deleted(name)) if name == wanted.name => {
                        return Err(gone());
                    }
                    Some(resource) => found.extend(R::of_change(resource)),
                    None => {}
                }
            }
            found
        }
        Some(Message::Heartbeat(_)) | None => return Ok(None),
    };
    match found.into_iter().find(|one| one.name() == wanted.name) {
        Some(one) if judge(&one)? => Ok(Some((one, revision))),
        _ => Ok(None),
    }
}

/// Not there in time; the command stands all the same.
fn late(what: String, reason: &str, next: String) -> Failure {
    Failure::timed_out(format!("{what}; the command stands"))
        .reason(reason)
        .next(next)
}

/// A slot that shows nobody, or somebody else, after a release.
pub async fn until_released(ctx: &Ctx, slot: Slot, wanted: &Wanted<'_>) -> Outcome<(Slot, u64)> {
    let released = slot.showing_caller.clone();
    let late = |_: Option<&Slot>| {
        let id = last_part(wanted.name);
        late(
            format!("slot {id} still shows {}", last_part(&released)),
            "RELEASE_NOT_SHOWN",
            format!("booth slot get {id}"),
        )
    };
    until(ctx, wanted, late, |slot: &Slot| {
        let on_air = slot.showing == slot::Showing::Caller as i32
            || slot.showing == slot::Showing::Frozen as i32;
        Ok(!on_air || slot.showing_caller != released)
    })
    .await
}

/// A slot that has the caller decoded and ready.
pub async fn until_armed(ctx: &Ctx, caller: &str, wanted: &Wanted<'_>) -> Outcome<(Slot, u64)> {
    let late = |_: Option<&Slot>| {
        let id = last_part(wanted.name);
        late(
            format!("{} is not ready on slot {id}", last_part(caller)),
            "ARM_NOT_SHOWN",
            format!("booth caller get {}", last_part(caller)),
        )
    };
    until(ctx, wanted, late, |slot: &Slot| {
        if slot.armed_caller != caller {
            return Err(Failure::refused(format!(
                "{} is not armed any more: somebody armed another or took them",
                last_part(caller)
            ))
            .reason("ARM_UNDONE")
            .next("booth slot list"));
        }
        // Behind a caller on air nobody sees whether the next one is decoded.
        let behind = slot.showing == slot::Showing::Caller as i32;
        let armed = slot.showing == slot::Showing::Armed as i32 && slot.showing_caller == caller;
        Ok(armed || behind)
    })
    .await
}

/// A channel that shows one of these.
pub async fn until_showing(
    ctx: &Ctx,
    shows: &[channel::Showing],
    wanted: &Wanted<'_>,
) -> Outcome<(Channel, u64)> {
    let id = last_part(wanted.name);
    let word = |showing: channel::Showing| showing.as_str_name().trim_start_matches("SHOWING_");
    let late = |last: Option<&Channel>| {
        let names: Vec<&str> = shows.iter().map(|s| word(*s)).collect();
        let now = last.and_then(|channel| channel::Showing::try_from(channel.showing).ok());
        let now = now.map_or(String::new(), |now| format!(", it shows {}", word(now)));
        late(
            format!("channel {id} does not show {} yet{now}", names.join(" or ")),
            "CHANNEL_NOT_SHOWN",
            format!("booth channel get {id}"),
        )
    };
    until(ctx, wanted, late, |channel: &Channel| {
        Ok(shows.iter().any(|s| *s as i32 == channel.showing))
    })
    .await
}

/// A destination in this state; one that has failed for good is not waited for.
pub async fn until_destination(
    ctx: &Ctx,
    name: &str,
    state: destination::State,
    wanted: &Wanted<'_>,
) -> Outcome<(Destination, u64)> {
    let of = |channel: &Channel| {
        let mut all = channel.destinations.iter();
        all.find(|to| to.name == name).cloned()
    };
    let id = last_part(name);
    let parent = last_part(wanted.name);
    let word = |state: destination::State| state.as_str_name().trim_start_matches("STATE_");
    let late = |last: Option<&Channel>| {
        let to = last.and_then(of);
        let now = to.map_or(String::new(), |to| {
            let state = destination::State::try_from(to.state).map_or("?", word);
            let why = match to.last_error.as_str() {
                "" => String::new(),
                why => format!(" ({})", scrub(why)),
            };
            format!(", it is {state}{why}")
        });
        late(
            format!("destination {id} is not {} yet{now}", word(state)),
            "DESTINATION_NOT_THERE",
            format!("booth destination get {parent} {id}"),
        )
    };
    let (channel, revision) = until(ctx, wanted, late, |channel: &Channel| {
        let Some(to) = of(channel) else {
            return Err(Failure::refused(format!("destination {id} is gone"))
                .reason("DESTINATION_NOT_FOUND")
                .next(format!("booth destination list {parent}")));
        };
        let failed = destination::State::Failed as i32;
        if to.state == failed && state == destination::State::Live {
            return Err(
                Failure::refused(format!("it has given up: {}", scrub(&to.last_error)))
                    .reason("DESTINATION_FAILED")
                    .next(format!(
                        "booth destination update {parent} {id} --key-file FILE"
                    )),
            );
        }
        if to.enabled != (state == destination::State::Live) {
            return Err(Failure::refused("somebody changed it meanwhile")
                .reason("DESTINATION_CHANGED")
                .next(format!("booth destination get {parent} {id}")));
        }
        Ok(to.state == state as i32)
    })
    .await?;
    Ok((of(&channel).unwrap_or_default(), revision))
}
