//! `booth doctor`: what is wrong, from here and from the server, and how to mend it. Each result is shown as it comes.

use std::time::Duration;

use booth_proto::checks::{CLIENT, SERVER};
use booth_proto::v1::check::Result as Verdict;
use booth_proto::v1::operator_service_client::OperatorServiceClient;
use booth_proto::v1::run_checks_response::Message;
use booth_proto::v1::system_service_client::SystemServiceClient;
use booth_proto::v1::{Check, GetStatusRequest, Role, RunChecksRequest, WhoAmIRequest};
use serde_json::json;
use tokio::time::timeout;

use crate::app::Ctx;
use crate::args::{DoctorArgs, Format};
use crate::client::{LARGEST_ANSWER, rpc};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names::last_part;
use crate::progress::Line;
use crate::render::table::Tone;
use crate::render::text::{enum_text, scrub};
use crate::token;

/// The server gives each check 20 s.
const SILENCE: Duration = Duration::from_secs(30);
/// Width of the name's column: the longest name.
const NAMES: usize = 14;

pub async fn run(ctx: &Ctx, args: DoctorArgs) -> Outcome {
    let mut report = Report {
        ctx,
        line: Line::new(ctx),
        checks: Vec::new(),
    };
    let wanted = |name: &str| args.checks.is_empty() || args.checks.iter().any(|c| c == name);
    if look_from_here(ctx, &mut report, wanted).await? {
        let of_server = SERVER.into_iter().filter(|name| wanted(name));
        let names: Vec<String> = of_server.map(str::to_owned).collect();
        if !names.is_empty() {
            ask_the_server(ctx, &mut report, names).await?;
        }
    }
    report.end()
}

/// Whether the server can be asked for more.
async fn look_from_here(
    ctx: &Ctx,
    report: &mut Report<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Outcome<bool> {
    let [server, token, version] = CLIENT;
    let address = &ctx.global.server;
    report.running(server);
    let who = rpc_who(ctx).await;
    match &who {
        Err(failure) if failure.exit == crate::errors::Exit::NotAllowed => {
            // Without a token it is not even asked; with a bad one it has answered.
            if wanted(server) && !is_missing(failure) {
                report.put(ok(server, format!("{address} answers")))?;
            }
            let mend = failure.next.clone().unwrap_or_default();
            report.put(failed(token, &failure.message, &mend))?;
            return Ok(false);
        }
        Err(failure) => {
            let mend = failure.next.as_deref().unwrap_or("see the server's log");
            report.put(failed(server, &failure.message, mend))?;
            return Ok(false);
        }
        Ok(_) if wanted(server) => report.put(ok(server, format!("{address} answers")))?,
        Ok(_) => {}
    }
    let who = who?;
    if wanted(token) {
        report.put(signed_in(ctx, token, &who))?;
    }
    if wanted(version) {
        report.running(version);
        let status = rpc!(
            ctx,
            Subject::default(),
            SystemServiceClient::get_status,
            GetStatusRequest {}
        )?;
        report.put(compared(version, &status.version))?;
    }
    Ok(true)
}

async fn rpc_who(ctx: &Ctx) -> Outcome<booth_proto::v1::Operator> {
    let answer = rpc!(
        ctx,
        Subject::default(),
        OperatorServiceClient::who_am_i,
        WhoAmIRequest {}
    )?;
    Ok(answer.operator.unwrap_or_default())
}

fn is_missing(failure: &Failure) -> bool {
    let reason = failure.reason.as_deref().unwrap_or_default();
    // TOKEN_MISSING of the command line itself: the server's has a code of its own, but is never met, since a token is sent.
    matches!(
        reason,
        "TOKEN_MISSING" | "TOKEN_UNREADABLE" | "TOKEN_MALFORMED"
    )
}

fn signed_in(ctx: &Ctx, name: &str, who: &booth_proto::v1::Operator) -> Check {
    let role = Role::try_from(who.role).ok().map(|role| role.as_str_name());
    let text = format!(
        "signed in as {} ({})",
        last_part(&who.name),
        enum_text(role, "ROLE_")
    );
    match token::open_to_others(&ctx.global) {
        Some(path) => warning(
            name,
            format!("{text}, by a token that other users of this machine can read"),
            &format!("chmod 600 {}", path.display()),
        ),
        None => ok(name, text),
    }
}

fn compared(name: &str, theirs: &str) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours {
        return ok(name, format!("server and command line are both {ours}"));
    }
    warning(
        name,
        format!("the server is {theirs}, this command line is {ours}"),
        "what both know works; install the same version of both for the rest",
    )
}

async fn ask_the_server(ctx: &Ctx, report: &mut Report<'_>, names: Vec<String>) -> Outcome {
    let client = ctx.client().await?;
    let mut service =
        SystemServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    let failed = |status: tonic::Status| Failure::from_status(&status, &Subject::default());
    let opened = timeout(SILENCE, service.run_checks(RunChecksRequest { names })).await;
    let opened = opened.map_err(|_| client.late())?.map_err(failed);
    let mut stream = match opened {
        Ok(stream) => stream.into_inner(),
        Err(failure) => {
            // Everything else still works: said as a result, not as the end.
            let check = match failure.code {
                "UNIMPLEMENTED" => warning(
                    "version",
                    "the server is older than this command line and cannot check itself",
                    "install the version of this command line on the server too",
                ),
                "PERMISSION_DENIED" => warning(
                    "token",
                    "the server checks itself for operators only",
                    "sign in with an operator's token: booth login, or --token-file FILE",
                ),
                _ => return Err(failure),
            };
            return report.put(check);
        }
    };
    loop {
        match timeout(SILENCE, stream.message()).await {
            Err(_) => {
                return Err(Failure::timed_out(
                    "nothing was heard of the checks for too long",
                ));
            }
            Ok(Err(status)) => return Err(failed(status)),
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(message))) => match message.message {
                Some(Message::Running(name)) => report.running(&name),
                Some(Message::Check(check)) => report.put(check)?,
                None => {}
            },
        }
    }
}

fn ok(name: &str, text: impl Into<String>) -> Check {
    found(name, Verdict::Ok, text.into(), "")
}
fn warning(name: &str, text: impl Into<String>, mend: &str) -> Check {
    found(name, Verdict::Warning, text.into(), mend)
}
fn failed(name: &str, text: &str, mend: &str) -> Check {
    found(name, Verdict::Failed, text.to_owned(), mend)
}
fn found(name: &str, result: Verdict, text: String, mend: &str) -> Check {
    Check {
        name: name.to_owned(),
        subject: String::new(),
        result: result as i32,
        text,
        mend: mend.to_owned(),
    }
}

struct Report<'a> {
    ctx: &'a Ctx,
    line: Line,
    checks: Vec<Check>,
}

impl Report<'_> {
    fn running(&mut self, name: &str) {
        self.line.show(&format!("checking {name} …"));
    }

    fn put(&mut self, check: Check) -> Outcome {
        self.line.clear();
        match self.ctx.out.format {
            Format::Table => self.print(&check)?,
            Format::Ndjson => self.ctx.out.json_line(&check)?,
            Format::Json | Format::Name => {}
        }
        self.checks.push(check);
        Ok(())
    }

    fn print(&self, check: &Check) -> Outcome {
        let (word, tone) = match Verdict::try_from(check.result) {
            Ok(Verdict::Ok) => ("ok  ", Tone::Good),
            Ok(Verdict::Warning) => ("warn", Tone::Warning),
            _ => ("FAIL", Tone::OnAir),
        };
        let word = self.ctx.out.paint(word, tone);
        let about = if check.subject.is_empty() {
            String::new()
        } else {
            format!("{}: ", scrub(&check.subject))
        };
        let name = scrub(&check.name);
        let text = scrub(&check.text);
        self.ctx
            .out
            .line(&format!("{word}  {name:NAMES$}  {about}{text}"))?;
        if check.mend.is_empty() {
            return Ok(());
        }
        let mend = scrub(&check.mend);
        self.ctx
            .out
            .line(&format!("{:6}{:NAMES$}  mend: {mend}", "", ""))
    }

    fn count(&self, verdict: Verdict) -> usize {
        let all = self.checks.iter();
        all.filter(|check| check.result == verdict as i32).count()
    }

    fn end(mut self) -> Outcome {
        self.line.clear();
        let (ok, warnings) = (self.count(Verdict::Ok), self.count(Verdict::Warning));
        let failed = self.checks.len() - ok - warnings;
        match self.ctx.out.format {
            Format::Json => self.ctx.out.json(&json!({
                "checks": self.checks, "ok": ok, "warnings": warnings, "failed": failed,
            }))?,
            // Those that somebody should look at, once each.
            Format::Name => {
                let bad = self
                    .checks
                    .iter()
                    .filter(|c| c.result != Verdict::Ok as i32);
                let mut names: Vec<String> = bad.map(|check| scrub(&check.name)).collect();
                names.dedup();
                names.iter().try_for_each(|name| self.ctx.out.line(name))?;
            }
            Format::Table => self
                .ctx
                .out
                .say(&format!("{ok} ok, {warnings} warnings, {failed} failed")),
            Format::Ndjson => {}
        }
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::error(format!("{failed} checks failed"))
            .reason("CHECKS_FAILED")
            .next("mend what is said above; docs/troubleshooting.md has more about each check"))
    }
}
