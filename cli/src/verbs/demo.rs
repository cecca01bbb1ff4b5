//! Synthetic callers: an invite for them, then the server's program as their generator.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::system_service_client::SystemServiceClient;
use booth_proto::v1::*;

use crate::app::Ctx;
use crate::args::DemoArgs;
use crate::client::rpc;
use crate::errors::Outcome;
use crate::hints::Subject;
use crate::{names, sibling, token};

/// Time to start and to come back after a lost connection, on top of the asked one.
const INVITE_SLACK: Duration = Duration::from_secs(600);

pub async fn run(ctx: &Ctx, args: DemoArgs) -> Outcome {
    // Before an invite is made that nobody would use.
    let boothd = sibling::boothd()?;
    let parent = names::show(&args.show)?;
    let base = match args.base {
        Some(base) => base,
        None => {
            rpc!(
                ctx,
                Subject::default(),
                SystemServiceClient::get_status,
                GetStatusRequest {}
            )?
            .join_base_url
        }
    };
    let request = CreateInviteRequest {
        parent: parent.clone(),
        kind: caller::Kind::Caller as i32,
        display_name: String::new(),
        uses: args.callers,
        ttl: args
            .seconds
            .map(|seconds| (Duration::from_secs(u64::from(seconds)) + INVITE_SLACK).into()),
        request_id: ctx.request_id(),
    };
    let invite = rpc!(
        ctx,
        Subject::show(&parent),
        CallerServiceClient::create_invite,
        request
    )?;
    ctx.out
        .say(&format!("{} synthetic callers join {base}", args.callers));

    let mut command = Command::new(boothd);
    command.arg("demo").arg("--url").arg(&base);
    command.arg("--show").arg(names::last_part(&parent));
    command.arg("--callers").arg(args.callers.to_string());
    if let Some(seconds) = args.seconds {
        command.arg("--seconds").arg(seconds.to_string());
    }
    if base.starts_with("https:")
        && let Some(ca) = page_authority(ctx)
    {
        command.arg("--ca").arg(ca);
    }
    // The secret goes by the environment: arguments are readable by every user of the machine.
    command.env("BOOTH_INVITE", &invite.token);
    command.env_remove("BOOTH_TOKEN");
    Err(sibling::become_it(command))
}

/// Who may have signed the join page's certificate, beside those whom everybody trusts: whom we were told to trust, or the
/// server on this machine itself.
fn page_authority(ctx: &Ctx) -> Option<PathBuf> {
    let own = || Some(token::data_dir().join("tls/cert.pem")).filter(|path| path.is_file());
    ctx.global.ca.clone().or_else(own)
}
