//! Invites: links that let callers in.

use booth_proto::v1::caller::Kind;
use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::*;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::stakes;
use crate::app::{Ctx, eprintln_quietly};
use crate::args::{InviteCommand, KindArg};
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names;
use crate::render::text;

pub async fn run(ctx: &Ctx, command: InviteCommand) -> Outcome {
    match command {
        InviteCommand::Create {
            show,
            role,
            name,
            uses,
            ttl,
            qr,
        } => {
            ctx.expects_nothing()?;
            let parent = names::show(&show)?;
            let subject = Subject::show(&parent);
            let kind = match role {
                KindArg::Caller => Kind::Caller,
                KindArg::Host => Kind::Host,
            };
            let request = CreateInviteRequest {
                parent,
                kind: kind as i32,
                display_name: name,
                uses,
                ttl: ttl.map(Into::into),
                request_id: ctx.request_id(),
            };
            let answer = rpc!(ctx, subject, CallerServiceClient::create_invite, request)?;
            ctx.out.answer(&answer)?;
            if let Some(invite) = &answer.invite {
                ctx.out.say(&spoken(invite));
            }
            if qr {
                draw(&answer.url)?;
            }
            Ok(())
        }
        InviteCommand::List { show } => {
            let parent = names::show(&show)?;
            let subject = Subject::show(&parent);
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::list_invites,
                ListInvitesRequest { parent }
            )?)
        }
        InviteCommand::Delete { invite, show } => {
            let name = names::invite(&invite, &show)?;
            let asked = stakes::of_invite(ctx, &name);
            let expected_revision = confirm(ctx, Act::DeleteInvite, asked).await?;
            let request = DeleteInviteRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            let answer = rpc!(
                ctx,
                Subject::show(names::show_part(&name)),
                CallerServiceClient::delete_invite,
                request
            )?;
            ctx.out.answer(&answer)?;
            ctx.out.say(&format!("deleted {name}"));
            Ok(())
        }
    }
}

fn spoken(invite: &Invite) -> String {
    let uses = match (invite.unlimited, invite.uses_left) {
        (true, _) => "any number of people".to_owned(),
        (false, 1) => "one person".to_owned(),
        (false, uses) => format!("{uses} people"),
    };
    format!(
        "invite {} for {uses}, until {}",
        names::last_part(&invite.name),
        text::time(invite.expire_time.as_ref())
    )
}

/// On stderr, so that stdout stays the link alone.
fn draw(url: &str) -> Outcome {
    let code = QrCode::new(url)
        .map_err(|error| Failure::error(format!("the link does not fit a QR code: {error}")))?;
    // Dark on light whatever the terminal's colours are, as scanners expect.
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    eprintln_quietly(&picture);
    Ok(())
}
