//! Completion of ids: the shell's script (`booth completions`) starts this program with BOOTH_COMPLETE set, and the server
//! says what there is. It answers within a moment or is silent: nobody waits for a Tab.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::time::Duration;

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::destination_service_client::DestinationServiceClient;
use booth_proto::v1::operator_service_client::OperatorServiceClient;
use booth_proto::v1::show_service_client::ShowServiceClient;
use booth_proto::v1::slot_service_client::SlotServiceClient;
use booth_proto::v1::*;
use clap::{ArgMatches, FromArgMatches};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::args::Global;
use crate::client::{Client, LARGEST_ANSWER, Svc};
use crate::names::last_part;
use crate::render::text::{scrub, truncate};
use crate::{config, names, tree};

pub const VARIABLE: &str = "BOOTH_COMPLETE";
/// Connecting included, unless [`TIMEOUT`] says otherwise.
const BUDGET: Duration = Duration::from_millis(300);
/// For servers far away: `1s`.
const TIMEOUT: &str = "BOOTH_COMPLETE_TIMEOUT";
/// More would not help anybody who looks at them.
const MOST: usize = 200;
const HELP_COLUMNS: usize = 60;

/// Answers a shell and ends the process, if a shell asks.
pub fn answer() {
    CompleteEnv::with_factory(tree::for_completion)
        .var(VARIABLE)
        .bin("booth")
        .complete();
}

pub fn callers(current: &OsStr) -> Vec<CompletionCandidate> {
    let list = ask(async |service| {
        let query = ListCallersRequest::default();
        CallerServiceClient::new(service)
            .max_decoding_message_size(LARGEST_ANSWER)
            .list_callers(query)
            .await
    });
    let list = list.map(|list| list.callers).unwrap_or_default();
    candidates(
        current,
        list.iter()
            .map(|c| (c.name.as_str(), c.display_name.as_str())),
    )
}

pub fn slots(current: &OsStr) -> Vec<CompletionCandidate> {
    let list = ask(async |service| {
        let query = ListSlotsRequest {};
        SlotServiceClient::new(service).list_slots(query).await
    });
    let list = list.map(|list| list.slots).unwrap_or_default();
    let title = |slot: &Slot| slot.settings.as_ref().and_then(|s| s.title.clone());
    let list: Vec<_> = list
        .iter()
        .map(|s| (s.name.clone(), title(s).unwrap_or_default()))
        .collect();
    candidates(
        current,
        list.iter()
            .map(|(name, title)| (name.as_str(), title.as_str())),
    )
}

pub fn shows(current: &OsStr) -> Vec<CompletionCandidate> {
    let list = ask(async |service| {
        let query = ListShowsRequest {};
        ShowServiceClient::new(service).list_shows(query).await
    });
    let list = list.map(|list| list.shows).unwrap_or_default();
    candidates(
        current,
        list.iter().map(|s| (s.name.as_str(), s.title.as_str())),
    )
}

pub fn channels(current: &OsStr) -> Vec<CompletionCandidate> {
    let list = ask(async |service| {
        let query = ListChannelsRequest {};
        ChannelServiceClient::new(service)
            .max_decoding_message_size(LARGEST_ANSWER)
            .list_channels(query)
            .await
    });
    let list = list.map(|list| list.channels).unwrap_or_default();
    let title = |channel: &Channel| channel.settings.as_ref().and_then(|s| s.title.clone());
    let list: Vec<_> = list
        .iter()
        .map(|c| (c.name.clone(), title(c).unwrap_or_default()))
        .collect();
    candidates(
        current,
        list.iter()
            .map(|(name, title)| (name.as_str(), title.as_str())),
    )
}

/// Of the channel that was typed before.
pub fn destinations(current: &OsStr) -> Vec<CompletionCandidate> {
    let channel = typed().and_then(|matches| innermost(&matches, "channel"));
    let Some(Ok(parent)) = channel.map(|channel| names::channel(&channel)) else {
        return Vec::new();
    };
    let list = ask(async |service| {
        let query = ListDestinationsRequest { parent };
        DestinationServiceClient::new(service)
            .list_destinations(query)
            .await
    });
    let list = list.map(|list| list.destinations).unwrap_or_default();
    let url = |to: &Destination| to.settings.as_ref().and_then(|s| s.url.clone());
    let list: Vec<_> = list
        .iter()
        .map(|d| (d.name.clone(), url(d).unwrap_or_default()))
        .collect();
    candidates(
        current,
        list.iter().map(|(name, url)| (name.as_str(), url.as_str())),
    )
}

pub fn operators(current: &OsStr) -> Vec<CompletionCandidate> {
    let list = ask(async |service| {
        let query = ListOperatorsRequest {};
        OperatorServiceClient::new(service)
            .list_operators(query)
            .await
    });
    let list = list.map(|list| list.operators).unwrap_or_default();
    candidates(
        current,
        list.iter()
            .map(|o| (o.name.as_str(), o.display_name.as_str())),
    )
}

pub fn invites(current: &OsStr) -> Vec<CompletionCandidate> {
    let show = typed().and_then(|matches| innermost(&matches, "show"));
    let Ok(parent) = names::show(show.as_deref().unwrap_or("main")) else {
        return Vec::new();
    };
    let list = ask(async |service| {
        let query = ListInvitesRequest { parent };
        CallerServiceClient::new(service).list_invites(query).await
    });
    let list = list.map(|list| list.invites).unwrap_or_default();
    candidates(
        current,
        list.iter()
            .map(|i| (i.name.as_str(), i.display_name.as_str())),
    )
}

/// From the configuration; no server is asked.
pub fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    let config = config::load().unwrap_or_default();
    let list = config.contexts.iter();
    candidates(
        current,
        list.map(|(name, context)| (name.as_str(), context.server.as_str())),
    )
}

/// Those that begin with what is typed. Only plain ids reach the shell's line; names that people chose are its comments.
fn candidates<'a>(
    current: &OsStr,
    list: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    list.map(|(name, comment)| (last_part(name), comment))
        .filter(|(id, _)| names::is_id(id) && id.starts_with(current.as_ref()))
        .take(MOST)
        .map(|(id, comment)| {
            let comment = truncate(scrub(comment).trim(), HELP_COLUMNS);
            let comment = (!comment.is_empty()).then(|| comment.into());
            CompletionCandidate::new(id).help(comment)
        })
        .collect()
}

/// One call to the server that the words typed so far would go to.
fn ask<R, Fut>(call: impl FnOnce(Svc) -> Fut) -> Option<R>
where
    Fut: Future<Output = Result<tonic::Response<R>, tonic::Status>>,
{
    let global = global()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = async {
        let client = Client::connect(&global).await.ok()?;
        Some(call(client.streams()).await.ok()?.into_inner())
    };
    let answer = runtime.block_on(async { tokio::time::timeout(global.timeout, asked).await });
    // A name look-up that hangs is not waited for.
    runtime.shutdown_background();
    answer.ok().flatten()
}

fn global() -> Option<Global> {
    let matches = typed()?;
    let mut global = Global::from_arg_matches(&matches).ok()?;
    let longer = std::env::var(TIMEOUT).ok();
    let longer = longer.and_then(|text| crate::args::duration(&text).ok());
    global.timeout = longer.unwrap_or(BUDGET);
    config::apply(&matches, &mut global).ok()?;
    Some(global)
}

/// What the words that were typed so far mean, as far as they mean anything.
fn typed() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect();
    let command = tree::command().ignore_errors(true);
    command.try_get_matches_from(words).ok()
}

fn innermost(matches: &ArgMatches, id: &str) -> Option<String> {
    let below = matches
        .subcommand()
        .and_then(|(_, below)| innermost(below, id));
    below.or_else(|| matches.try_get_one::<String>(id).ok().flatten().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(current: &str, list: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        candidates(OsStr::new(current), list.iter().copied())
            .into_iter()
            .map(|c| {
                let value = c.get_value().to_string_lossy().into_owned();
                (value, c.get_help().map(ToString::to_string))
            })
            .collect()
    }

    #[test]
    fn only_ids_that_begin_as_typed_are_offered() {
        let list = [
            ("shows/main/callers/c7k2", "Anna"),
            ("shows/main/callers/d4", ""),
        ];
        assert_eq!(
            values("c7", &list),
            [("c7k2".to_owned(), Some("Anna".to_owned()))]
        );
        assert_eq!(values("", &list).len(), 2);
        assert_eq!(values("x", &list), []);
    }

    #[test]
    fn a_hostile_server_puts_nothing_on_the_line_but_ids() {
        let list = [
            ("slots/$(rm -rf ~)", ""),
            ("slots/a b", ""),
            ("slots/1", "a\nb\u{1b}[2J\u{202e}"),
        ];
        assert_eq!(
            values("", &list),
            [("1".to_owned(), Some("a b [2J".to_owned()))]
        );
    }
}
