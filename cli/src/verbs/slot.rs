//! Slots: outputs, and who is on them.

use std::time::Duration;

use booth_proto::v1::slot_service_client::SlotServiceClient;
use booth_proto::v1::*;

use super::air_wait::{self, Wanted};
use super::server_path::seen_by_server;
use super::{secret, slot_address, stakes, take_wait, tile};
use crate::app::Ctx;
use crate::args::{EncoderArg, IdleKind, SlotCommand, SlotSettingsArgs, TransitionArgs};
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::{names, resolve};

pub async fn run(ctx: &Ctx, command: SlotCommand) -> Outcome {
    match command {
        SlotCommand::List => ctx.out.answer(&rpc!(
            ctx,
            Subject::default(),
            SlotServiceClient::list_slots,
            ListSlotsRequest {}
        )?),
        SlotCommand::Get { slot } => {
            let name = names::slot(&slot)?;
            let subject = Subject::slot(&name);
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                SlotServiceClient::get_slot,
                GetSlotRequest { name }
            )?)
        }
        SlotCommand::Create {
            slot,
            show,
            settings,
        } => {
            ctx.expects_nothing()?;
            let slot_id = names::new_id("slot", names::last_part(&slot))?;
            let subject = Subject::slot(&slot_id);
            let request = CreateSlotRequest {
                slot_id,
                show: names::show(&show)?,
                settings: Some(changed(ctx, &settings)?),
                request_id: ctx.request_id(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                SlotServiceClient::create_slot,
                request
            )?)
        }
        SlotCommand::Update { slot, settings } => {
            let name = names::slot(&slot)?;
            let subject = Subject::slot(&name);
            let settings = changed(ctx, &settings)?;
            if settings == SlotSettings::default() {
                return Err(
                    Failure::usage("nothing to change was named").next("booth slot update --help")
                );
            }
            let request = UpdateSlotRequest {
                name,
                settings: Some(settings),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                SlotServiceClient::update_slot,
                request
            )?)
        }
        SlotCommand::Delete { slot } => {
            let name = names::slot(&slot)?;
            let asked = stakes::of_slot(ctx, &name);
            let expected_revision = confirm(ctx, Act::DeleteSlot, asked).await?;
            let request = DeleteSlotRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::slot(&name),
                SlotServiceClient::delete_slot,
                request
            )?)?;
            ctx.out.say(&format!("deleted {name}"));
            Ok(())
        }
        SlotCommand::Take {
            slot,
            caller,
            next: _,
            transition,
            force,
            wait,
        } => take(ctx, &slot, caller.as_deref(), &transition, force, wait).await,
        SlotCommand::Release {
            slot,
            requeue,
            drop,
            transition,
            wait,
        } => {
            use release_slot_request::Disposition;
            let name = names::slot(&slot)?;
            let disposition = match (requeue, drop) {
                (true, _) => Disposition::Requeue,
                (false, true) => Disposition::Drop,
                (false, false) => Disposition::Hold,
            };
            let expected_revision = match disposition {
                Disposition::Drop => {
                    let asked = stakes::of_release_and_drop(ctx, &name);
                    confirm(ctx, Act::ReleaseAndDrop, asked).await?
                }
                _ => ctx.expected_revision(),
            };
            let subject = Subject::slot(&name);
            let request = ReleaseSlotRequest {
                name,
                disposition: disposition as i32,
                transition: fade(&transition),
                request_id: ctx.request_id(),
                expected_revision,
            };
            let mut answer = rpc!(ctx, subject, SlotServiceClient::release_slot, request)?;
            if let Some(slot) = answer.slot.take_if(|_| wait) {
                let name = slot.name.clone();
                let wanted = wanted(ctx, &name, answer.revision, &transition);
                let released = air_wait::until_released(ctx, slot, &wanted).await?;
                (answer.slot, answer.revision) = (Some(released.0), released.1);
            }
            ctx.out.answer(&answer)
        }
        SlotCommand::Arm {
            slot,
            caller,
            auto: _,
            wait,
        } => {
            let name = names::slot(&slot)?;
            let caller = match caller {
                Some(text) => resolve::caller(ctx, &text).await?,
                None => String::new(),
            };
            let subject = Subject::slot(&name)
                .and_caller(Some(caller.as_str()).filter(|caller| !caller.is_empty()));
            let request = ArmSlotRequest {
                name,
                caller,
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            let caller = request.caller.clone();
            let mut answer = rpc!(ctx, subject, SlotServiceClient::arm_slot, request)?;
            if let Some(slot) = answer.slot.take_if(|_| wait) {
                let wanted = wanted(ctx, &slot.name, answer.revision, &TransitionArgs::CUT);
                let armed = air_wait::until_armed(ctx, &caller, &wanted).await?;
                (answer.slot, answer.revision) = (Some(armed.0), armed.1);
            }
            ctx.out.answer(&answer)
        }
        SlotCommand::Url { slot, tool, host } => {
            let name = names::slot(&slot)?;
            let subject = Subject::slot(&name);
            let address = rpc!(
                ctx,
                subject,
                SlotServiceClient::get_slot_address,
                GetSlotAddressRequest { name }
            )?;
            slot_address::print(ctx, &address, tool, host.as_deref())
        }
        SlotCommand::Tile { slot, out } => {
            let name = names::slot(&slot)?;
            let subject = Subject::slot(&name);
            let answer = rpc!(
                ctx,
                subject,
                SlotServiceClient::get_slot_tile,
                GetSlotTileRequest { name: name.clone() }
            )?;
            tile::save(ctx, &name, &answer, answer.tile.as_ref(), out.as_deref())
        }
    }
}

async fn take(
    ctx: &Ctx,
    slot: &str,
    caller: Option<&str>,
    transition: &TransitionArgs,
    force: bool,
    wait: bool,
) -> Outcome {
    let name = names::slot(slot)?;
    let pick = match caller {
        Some(text) => take_slot_request::Pick::Caller(resolve::caller(ctx, text).await?),
        None => take_slot_request::Pick::Next(true),
    };
    let named = match &pick {
        take_slot_request::Pick::Caller(name) => Some(name.as_str()),
        take_slot_request::Pick::Next(_) => None,
    };
    let subject = Subject::slot(&name).and_caller(named);
    let request = TakeSlotRequest {
        name,
        pick: Some(pick),
        transition: fade(transition),
        r#override: force,
        request_id: ctx.request_id(),
        expected_revision: ctx.expected_revision(),
    };
    let accepted = rpc!(ctx, subject, SlotServiceClient::take_slot, request)?;
    if wait {
        let within = within(ctx, transition);
        let shown = take_wait::until_shown(ctx, &accepted, within).await?;
        return ctx.out.answer(&shown);
    }
    ctx.out.answer(&accepted)
}

fn wanted<'a>(ctx: &Ctx, name: &'a str, revision: u64, transition: &TransitionArgs) -> Wanted<'a> {
    Wanted {
        name,
        revision,
        within: within(ctx, transition),
    }
}

/// The fade itself takes time that is nobody's delay.
fn within(ctx: &Ctx, transition: &TransitionArgs) -> Duration {
    ctx.global.timeout + Duration::from_millis(u64::from(transition.fade.unwrap_or(0)))
}

fn fade(args: &TransitionArgs) -> Option<Transition> {
    args.fade
        .filter(|ms| *ms > 0 && !args.cut)
        .map(|fade_ms| Transition { fade_ms })
}

/// Only what was named; the rest stays as it is.
fn changed(ctx: &Ctx, args: &SlotSettingsArgs) -> Outcome<SlotSettings> {
    let passphrase = match (&args.passphrase_file, args.no_passphrase) {
        (Some(path), _) => Some(secret::passphrase(path, "--no-passphrase")?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let output = match (args.port, &args.push) {
        (Some(port), _) => Some(slot_settings::Output::Port(u32::from(port))),
        (None, Some(url)) => Some(slot_settings::Output::PushUrl(url.clone())),
        (None, None) => None,
    };
    let idle = args.idle.as_ref().map(|idle| {
        let kind = match idle.kind {
            IdleKind::Black => idle_source::Kind::Black,
            IdleKind::TestPattern => idle_source::Kind::TestPattern,
            IdleKind::Image => idle_source::Kind::Image,
            IdleKind::Video => idle_source::Kind::Video,
        };
        let path = seen_by_server(ctx, &idle.path);
        IdleSource {
            kind: kind as i32,
            path,
        }
    });
    Ok(SlotSettings {
        title: args.title.clone(),
        output,
        stream_id: args.stream_id.clone(),
        passphrase,
        has_passphrase: None,
        latency_ms: args.latency,
        idle,
        audio_only: args.audio_only,
        width: args.size.map(|size| size.width),
        height: args.size.map(|size| size.height),
        fps: args.fps,
        video_bitrate_kbps: args.video_bitrate,
        audio_bitrate_kbps: args.audio_bitrate,
        encoder: args.encoder.map(|encoder| match encoder {
            EncoderArg::X264 => VideoEncoder::X264 as i32,
            EncoderArg::Openh264 => VideoEncoder::Openh264 as i32,
        }),
        preset: args.preset.clone(),
        vmix: vmix(args),
    })
}

/// `None` when nothing of it was named.
fn vmix(args: &SlotSettingsArgs) -> Option<VmixSettings> {
    if args.no_vmix {
        return Some(VmixSettings {
            address: Some(String::new()),
            ..VmixSettings::default()
        });
    }
    // Names of inputs may hold a slash, those of fields do not: the last one parts them.
    let title = args.vmix_title.as_deref();
    let title = title.map(|title| title.rsplit_once('/').unwrap_or((title, "")));
    let vmix = VmixSettings {
        address: args.vmix.clone(),
        input: args.vmix_input.clone(),
        title_input: title.map(|(input, _)| input.to_owned()),
        title_field: title.map(|(_, field)| field.to_owned()),
    };
    Some(vmix).filter(|vmix| *vmix != VmixSettings::default())
}
