//! Destinations: where a channel is restreamed to.

use booth_proto::v1::destination_service_client::DestinationServiceClient;
use booth_proto::v1::*;
use serde_json::json;

use super::air_wait::{self, Wanted};
use super::{figures, secret, stakes};
use crate::app::Ctx;
use crate::args::{DestinationCommand, DestinationSettingsArgs, PresetArg};
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names;
use crate::render::{View, destinations};

pub async fn run(ctx: &Ctx, command: DestinationCommand) -> Outcome {
    match command {
        DestinationCommand::List { channel } => list(ctx, names::channel(&channel)?).await,
        DestinationCommand::Get {
            channel,
            destination,
        } => get(ctx, names::destination(&channel, &destination)?).await,
        DestinationCommand::Add {
            channel,
            destination,
            settings,
            disabled,
        } => {
            ctx.expects_nothing()?;
            let parent = names::channel(&channel)?;
            let destination_id = names::new_id("destination", names::last_part(&destination))?;
            let subject = Subject::destination(&format!("{parent}/destinations/{destination_id}"));
            let request = CreateDestinationRequest {
                parent,
                destination_id,
                settings: Some(changed(&settings)?),
                disabled,
                request_id: ctx.request_id(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                DestinationServiceClient::create_destination,
                request
            )?)
        }
        DestinationCommand::Update {
            channel,
            destination,
            settings,
        } => {
            let name = names::destination(&channel, &destination)?;
            let settings = changed(&settings)?;
            if settings == DestinationSettings::default() {
                return Err(Failure::usage("nothing to change was named")
                    .next("booth destination update --help"));
            }
            let request = UpdateDestinationRequest {
                name: name.clone(),
                settings: Some(settings),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::destination(&name),
                DestinationServiceClient::update_destination,
                request
            )?)
        }
        DestinationCommand::Enable {
            channel,
            destination,
            wait,
        } => {
            let name = names::destination(&channel, &destination)?;
            let request = EnableDestinationRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            let mut answer = rpc!(
                ctx,
                Subject::destination(&name),
                DestinationServiceClient::enable_destination,
                request
            )?;
            if wait {
                let there = until(ctx, &name, destination::State::Live, answer.revision).await?;
                (answer.destination, answer.revision) = (Some(there.0), there.1);
            }
            ctx.out.answer(&answer)
        }
        DestinationCommand::Disable {
            channel,
            destination,
            wait,
        } => {
            let name = names::destination(&channel, &destination)?;
            let asked = stakes::of_disable(ctx, &name);
            let expected_revision = confirm(ctx, Act::DisableDestination, asked).await?;
            let request = DisableDestinationRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            let mut answer = rpc!(
                ctx,
                Subject::destination(&name),
                DestinationServiceClient::disable_destination,
                request
            )?;
            if wait {
                let there = until(ctx, &name, destination::State::Idle, answer.revision).await?;
                (answer.destination, answer.revision) = (Some(there.0), there.1);
            }
            ctx.out.answer(&answer)
        }
        DestinationCommand::Remove {
            channel,
            destination,
        } => {
            let name = names::destination(&channel, &destination)?;
            let asked = stakes::of_destination(ctx, &name);
            let expected_revision = confirm(ctx, Act::RemoveDestination, asked).await?;
            let request = DeleteDestinationRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::destination(&name),
                DestinationServiceClient::delete_destination,
                request
            )?)?;
            ctx.out.say(&format!("removed {name}"));
            Ok(())
        }
        DestinationCommand::Key {
            channel,
            destination,
            reveal: _,
        } => {
            let name = names::destination(&channel, &destination)?;
            let shown = rpc!(
                ctx,
                Subject::destination(&name),
                DestinationServiceClient::reveal_destination_key,
                RevealDestinationKeyRequest { name: name.clone() }
            )?;
            if ctx.out.is_json() {
                return ctx.out.json(&json!({ "key": shown.key }));
            }
            if shown.key.is_empty() {
                ctx.out.say("it has no key");
                return Ok(());
            }
            ctx.out.view(&View::line(&shown.key))
        }
    }
}

async fn until(
    ctx: &Ctx,
    name: &str,
    state: destination::State,
    revision: u64,
) -> Outcome<(Destination, u64)> {
    let parent = name.split("/destinations/").next().unwrap_or_default();
    let wanted = Wanted {
        name: parent,
        revision,
        within: ctx.global.timeout,
    };
    air_wait::until_destination(ctx, name, state, &wanted).await
}

async fn list(ctx: &Ctx, parent: String) -> Outcome {
    let list = rpc!(
        ctx,
        Subject::channel(&parent),
        DestinationServiceClient::list_destinations,
        ListDestinationsRequest {
            parent: parent.clone()
        }
    )?;
    if !ctx.out.is_table() || list.destinations.is_empty() {
        return ctx.out.answer(&list);
    }
    let figures = figures::now(ctx).await?;
    let meters = figures.iter().flat_map(|figures| &figures.channels);
    let meters = meters.into_iter().find(|meters| meters.name == parent);
    let table = destinations::table(&list.destinations, meters);
    ctx.out.view(&View::Table(table))
}

async fn get(ctx: &Ctx, name: String) -> Outcome {
    let found = rpc!(
        ctx,
        Subject::destination(&name),
        DestinationServiceClient::get_destination,
        GetDestinationRequest { name: name.clone() }
    )?;
    let Some(destination) = found.destination.as_ref().filter(|_| ctx.out.is_table()) else {
        return ctx.out.answer(&found);
    };
    let figures = figures::now(ctx).await?;
    let channels = figures.iter().flat_map(|figures| &figures.channels);
    let mut meters = channels.flat_map(|channel| &channel.destinations);
    let meters = meters.find(|meters| meters.name == name);
    let page = destinations::page(destination, meters);
    ctx.out.view(&View::Fields(page))
}

/// Only what was named; the rest stays as it is.
fn changed(args: &DestinationSettingsArgs) -> Outcome<DestinationSettings> {
    use destination_settings::Preset;
    let key = match (&args.key_file, args.no_key) {
        (Some(path), _) => Some(secret::key(path)?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    Ok(DestinationSettings {
        preset: args.preset.map(|preset| match preset {
            PresetArg::Custom => Preset::Custom as i32,
            PresetArg::Youtube => Preset::Youtube as i32,
            PresetArg::YoutubeBackup => Preset::YoutubeBackup as i32,
            PresetArg::Facebook => Preset::Facebook as i32,
            PresetArg::Twitch => Preset::Twitch as i32,
        }),
        url: args.url.clone(),
        key,
        has_key: None,
        session_max_s: args.session_max,
        latency_ms: args.latency,
        stream_id: args.stream_id.clone(),
    })
}
