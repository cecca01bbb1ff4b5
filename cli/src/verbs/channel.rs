//! Channels: 24x7 outputs, who feeds them and what they show.

use booth_proto::v1::channel::Showing;
use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::*;
use serde_json::json;

use super::air_wait::{self, Wanted};
use super::{channel_address, channel_drill, channel_settings, channel_wait, figures, stakes};
use crate::app::Ctx;
use crate::args::{ChannelCommand, ChannelSettingsArgs, ForceArg};
use crate::client::{fresh_request_id, rpc};
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names;
use crate::progress::Line;
use crate::render::{View, channels, destinations, text};

pub async fn run(ctx: &Ctx, command: ChannelCommand) -> Outcome {
    match command {
        ChannelCommand::List => list(ctx).await,
        ChannelCommand::Get { channel } => get(ctx, names::channel(&channel)?).await,
        ChannelCommand::Create {
            channel,
            settings,
            start,
            no_wait,
        } => create(ctx, &channel, &settings, start, no_wait).await,
        ChannelCommand::Update {
            channel,
            settings,
            no_wait,
        } => update(ctx, names::channel(&channel)?, &settings, no_wait).await,
        ChannelCommand::Delete { channel } => {
            let name = names::channel(&channel)?;
            let asked = stakes::of_channel(ctx, &name);
            let expected_revision = confirm(ctx, Act::DeleteChannel, asked).await?;
            let request = DeleteChannelRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::channel(&name),
                ChannelServiceClient::delete_channel,
                request
            )?)?;
            ctx.out.say(&format!("deleted {name}"));
            Ok(())
        }
        ChannelCommand::Start { channel, wait } => {
            let name = names::channel(&channel)?;
            let mut answer = start_channel(ctx, name.clone(), ctx.request_id()).await?;
            if wait {
                let shows = [Showing::Live, Showing::Backup, Showing::Slate];
                let there = until_showing(ctx, &name, &shows, answer.revision).await?;
                (answer.channel, answer.revision) = (Some(there.0), there.1);
            }
            ctx.out.answer(&answer)
        }
        ChannelCommand::Stop { channel, wait } => {
            let name = names::channel(&channel)?;
            let asked = stakes::of_stop(ctx, &name);
            let expected_revision = confirm(ctx, Act::StopChannel, asked).await?;
            let request = StopChannelRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            let mut answer = rpc!(
                ctx,
                Subject::channel(&name),
                ChannelServiceClient::stop_channel,
                request
            )?;
            if wait {
                let there = until_showing(ctx, &name, &[Showing::Off], answer.revision).await?;
                (answer.channel, answer.revision) = (Some(there.0), there.1);
            }
            ctx.out.answer(&answer)
        }
        ChannelCommand::Force { channel, to, wait } => {
            let name = names::channel(&channel)?;
            let force = match to {
                ForceArg::Live => channel::Force::Live,
                ForceArg::Backup => channel::Force::Backup,
                ForceArg::Auto => channel::Force::Auto,
            };
            let request = ForceChannelRequest {
                name: name.clone(),
                force: force as i32,
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            let mut answer = rpc!(
                ctx,
                Subject::channel(&name),
                ChannelServiceClient::force_channel,
                request
            )?;
            let shows: &[Showing] = match to {
                ForceArg::Live => &[Showing::Live],
                // Without a backup it is the slate that stands in for it.
                ForceArg::Backup => &[Showing::Backup, Showing::Slate],
                ForceArg::Auto => &[],
            };
            if wait && !shows.is_empty() {
                let there = until_showing(ctx, &name, shows, answer.revision).await?;
                (answer.channel, answer.revision) = (Some(there.0), there.1);
            }
            ctx.out.answer(&answer)
        }
        ChannelCommand::RotateKey { channel } => {
            let name = names::channel(&channel)?;
            let asked = stakes::of_key(ctx, &name);
            let expected_revision = confirm(ctx, Act::RotateKey, asked).await?;
            let request = RotateChannelKeyRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::channel(&name),
                ChannelServiceClient::rotate_channel_key,
                request
            )?)?;
            ctx.out
                .say("the old key is not valid any more; whoever publishes has to enter this one");
            Ok(())
        }
        ChannelCommand::Key { channel, reveal } => {
            let address = address(ctx, names::channel(&channel)?, reveal).await?;
            if ctx.out.is_json() {
                return ctx.out.json(&json!({ "key": address.key }));
            }
            ctx.out.view(&View::line(&address.key))
        }
        ChannelCommand::Kick { channel } => {
            let name = names::channel(&channel)?;
            let request = KickChannelPublisherRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::channel(&name),
                ChannelServiceClient::kick_channel_publisher,
                request
            )?)
        }
        ChannelCommand::Url {
            channel,
            tool,
            host,
            reveal,
        } => {
            let address = address(ctx, names::channel(&channel)?, reveal).await?;
            channel_address::print(ctx, &address, tool, host.as_deref(), reveal)
        }
        ChannelCommand::Check { files, channel } => check(ctx, files, channel.as_deref()).await,
        ChannelCommand::Drill { channel } => {
            channel_drill::run(ctx, names::channel(&channel)?).await
        }
    }
}

async fn list(ctx: &Ctx) -> Outcome {
    let list = rpc!(
        ctx,
        Subject::default(),
        ChannelServiceClient::list_channels,
        ListChannelsRequest {}
    )?;
    if !ctx.out.is_table() || list.channels.is_empty() {
        return ctx.out.answer(&list);
    }
    let figures = figures::now(ctx).await?;
    let now = figures.map(|figures| figures.at_ms);
    ctx.out
        .view(&View::Table(channels::table(&list.channels, now)))
}

async fn get(ctx: &Ctx, name: String) -> Outcome {
    let found = rpc!(
        ctx,
        Subject::channel(&name),
        ChannelServiceClient::get_channel,
        GetChannelRequest { name: name.clone() }
    )?;
    let Some(channel) = found.channel.as_ref().filter(|_| ctx.out.is_table()) else {
        return ctx.out.answer(&found);
    };
    let figures = figures::now(ctx).await?;
    let meters = figures.iter().flat_map(|figures| &figures.channels);
    let meters = meters.into_iter().find(|meters| meters.name == name);
    let now = figures.as_ref().map(|figures| figures.at_ms);
    let page = channels::page(channel, meters, now);
    ctx.out.view(&View::Fields(page))?;
    if channel.destinations.is_empty() {
        return Ok(());
    }
    ctx.out.line("")?;
    let table = destinations::table(&channel.destinations, meters);
    ctx.out.view(&View::Table(table))
}

/// Made, prepared and, if asked for, started: the answer is the channel as it is then, with its live key.
async fn create(
    ctx: &Ctx,
    channel: &str,
    args: &ChannelSettingsArgs,
    start: bool,
    no_wait: bool,
) -> Outcome {
    ctx.expects_nothing()?;
    let channel_id = names::new_id("channel", names::last_part(channel))?;
    let request = CreateChannelRequest {
        channel_id: channel_id.clone(),
        settings: Some(channel_settings::changed(ctx, args)?),
        request_id: ctx.request_id(),
    };
    let mut created = rpc!(
        ctx,
        Subject::channel(&channel_id),
        ChannelServiceClient::create_channel,
        request
    )?;
    if let Some(channel) = created.channel.as_ref().filter(|_| !no_wait) {
        let ready = channel_wait::until_prepared(ctx, channel, created.revision).await?;
        (created.channel, created.revision) = (Some(ready.0), ready.1);
    }
    if start {
        // A named attempt is two here, each with its own name.
        let request_id = ctx.global.request_id.as_ref();
        let request_id = request_id.map_or_else(fresh_request_id, |id| {
            format!("{}.start", id.chars().take(122).collect::<String>())
        });
        let started = start_channel(ctx, names::channel(&channel_id)?, request_id).await?;
        (created.channel, created.revision) = (started.channel, started.revision);
    }
    ctx.out.answer(&created)?;
    ctx.out.say(&format!(
        "how to publish: booth channel url {channel_id} --reveal"
    ));
    Ok(())
}

async fn update(ctx: &Ctx, name: String, args: &ChannelSettingsArgs, no_wait: bool) -> Outcome {
    let settings = channel_settings::changed(ctx, args)?;
    if settings == ChannelSettings::default() {
        return Err(
            Failure::usage("nothing to change was named").next("booth channel update --help")
        );
    }
    let request = UpdateChannelRequest {
        name: name.clone(),
        settings: Some(settings),
        request_id: ctx.request_id(),
        expected_revision: ctx.expected_revision(),
    };
    let mut updated = rpc!(
        ctx,
        Subject::channel(&name),
        ChannelServiceClient::update_channel,
        request
    )?;
    if let Some(channel) = updated.channel.as_ref().filter(|_| !no_wait) {
        let ready = channel_wait::until_prepared(ctx, channel, updated.revision).await?;
        (updated.channel, updated.revision) = (Some(ready.0), ready.1);
    }
    ctx.out.answer(&updated)
}

async fn until_showing(
    ctx: &Ctx,
    name: &str,
    shows: &[Showing],
    revision: u64,
) -> Outcome<(Channel, u64)> {
    let wanted = Wanted {
        name,
        revision,
        within: ctx.global.timeout,
    };
    air_wait::until_showing(ctx, shows, &wanted).await
}

async fn start_channel(
    ctx: &Ctx,
    name: String,
    request_id: String,
) -> Outcome<StartChannelResponse> {
    let request = StartChannelRequest {
        name: name.clone(),
        request_id,
        expected_revision: ctx.expected_revision(),
    };
    rpc!(
        ctx,
        Subject::channel(&name),
        ChannelServiceClient::start_channel,
        request
    )
}

async fn address(ctx: &Ctx, name: String, reveal: bool) -> Outcome<GetChannelAddressResponse> {
    rpc!(
        ctx,
        Subject::channel(&name),
        ChannelServiceClient::get_channel_address,
        GetChannelAddressRequest {
            name: name.clone(),
            reveal
        }
    )
}

async fn check(ctx: &Ctx, files: Vec<String>, channel: Option<&str>) -> Outcome {
    let channel = channel.map_or(Ok(String::new()), names::channel)?;
    let files = files.iter();
    let files = files.map(|file| super::server_path::seen_by_server(ctx, file));
    let request = CheckBackupRequest {
        files: files.collect(),
        channel: channel.clone(),
    };
    let mut line = Line::new(ctx);
    line.show(&format!("looking into {} files", request.files.len()));
    let checked = rpc!(
        ctx,
        Subject::channel(&channel),
        ChannelServiceClient::check_backup,
        request
    )?;
    line.clear();
    ctx.out.answer(&checked)?;
    ctx.out
        .say(&format!("{} in all", text::length(checked.duration_s)));
    Ok(())
}
