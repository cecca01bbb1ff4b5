//! `booth login`: tries a token at a server, and remembers both under a name.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use booth_proto::v1::operator_service_client::OperatorServiceClient;
use booth_proto::v1::{Role, WhoAmIRequest};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::context;
use crate::app::Ctx;
use crate::args::LoginArgs;
use crate::client::{self, Client, LARGEST_ANSWER};
use crate::config::{self, Context};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::render::text;
use crate::token::Token;

/// The context of whoever names none.
const FIRST: &str = "default";

pub async fn run(ctx: &Ctx, args: LoginArgs) -> Outcome {
    let config = config::load()?;
    let name = args.context.or_else(|| config.context.clone());
    let name = config::context_name(name.as_deref().unwrap_or(FIRST))?;
    let known = config.contexts.get(&name);
    let server = match (&ctx.given.server, known) {
        (Some(given), _) => given.clone(),
        (None, Some(known)) => known.server.clone(),
        (None, None) => ctx.global.server.clone(),
    };
    // The CA of a context belongs to the server that it names.
    let known_ca = match (known, &ctx.given.server) {
        (Some(known), None) => known.ca_file.clone(),
        _ => None,
    };
    let ca = match (&ctx.given.ca, known_ca, &ctx.global.ca) {
        (Some(given), ..) => context::from_anywhere(Some(given))?,
        (None, Some(known), _) => Some(config::dir()?.join(known)),
        (None, None, environment) => context::from_anywhere(environment.as_deref())?,
    };
    let door = client::door(&ctx.global, &server, ca.as_deref())?;
    let server = door.url().to_owned();
    let token = match &ctx.given.token_file {
        Some(path) => from_file(path)?,
        None => asked_for(&server).await?,
    };
    let token = Token::of(&token, "what was entered")?;
    ctx.warn_if_open(&door);
    let client = Client::with_token(&ctx.global, door, &token).await?;
    let answer = client
        .unary(
            &Subject::default(),
            WhoAmIRequest {},
            |service, query| async move {
                OperatorServiceClient::new(service)
                    .max_decoding_message_size(LARGEST_ANSWER)
                    .who_am_i(query)
                    .await
            },
        )
        .await?;
    // Only what works is kept.
    let token_file = config::store_token(&name, token.secret())?;
    let context = Context {
        server: server.clone(),
        token_file: Some(token_file),
        ca_file: ca.filter(|_| server.starts_with("https")),
    };
    config::put(&name, &context)?;
    config::use_context(&name)?;
    ctx.out.answer(&answer)?;
    let who = answer.operator.unwrap_or_default();
    let role = Role::try_from(who.role).ok().map(|role| role.as_str_name());
    ctx.out.say(&format!(
        "signed in at {server} as {} ({}); commands go there from now on (context {name})",
        crate::names::last_part(&who.name),
        text::enum_text(role, "ROLE_")
    ));
    Ok(())
}

fn from_file(path: &Path) -> Outcome<String> {
    if path.as_os_str() == "-" {
        return line();
    }
    std::fs::read_to_string(path).map_err(|error| {
        Failure::not_allowed(format!(
            "cannot read the token in {}: {error}",
            path.display()
        ))
        .reason("TOKEN_UNREADABLE")
    })
}

/// From a person, who does not see it, or from a pipe.
async fn asked_for(server: &str) -> Outcome<String> {
    let prompt = format!("Token for {server} (not shown): ");
    // Taken here: this task is dropped when ctrl-c ends the wait, and the terminal shows again what is typed.
    let _hidden = Hidden::begin();
    // Off the main task, so that ctrl-c is heard while it waits.
    let read = tokio::task::spawn_blocking(move || {
        if !std::io::stdin().is_terminal() {
            return line();
        }
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{prompt}");
        let _ = stderr.flush();
        let read = line();
        let _ = writeln!(stderr);
        read
    });
    read.await
        .map_err(|error| Failure::error(error.to_string()))?
}

fn line() -> Outcome<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::usage("no token came")
            .next("type it at the prompt, pipe it in, or give --token-file FILE")),
        Ok(_) => Ok(line),
        Err(error) => Err(Failure::error(format!("cannot read a token: {error}"))),
    }
}

/// The terminal does not show what is typed.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    /// Nothing to do where stdin is no terminal.
    fn begin() -> Self {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(mut modes) = before.clone() {
            modes.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(&stdin, OptionalActions::Flush, &modes);
        }
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
