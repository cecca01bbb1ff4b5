//! Contexts: which servers this user knows, and which one commands go to.

use serde::Serialize;
use serde_json::json;

use crate::app::Ctx;
use crate::args::{ContextCommand, Format};
use crate::config::{self, Config, Context};
use crate::confirm::{Act, Question, confirm};
use crate::errors::{Failure, Outcome};
use crate::render::View;
use crate::render::table::{Cell, Table, Tone};

pub async fn run(ctx: &Ctx, command: ContextCommand) -> Outcome {
    match command {
        ContextCommand::List => list(ctx, &config::load()?),
        ContextCommand::Use { context } => {
            let name = config::context_name(&context)?;
            let server = config::load()?.context(&name)?.server.clone();
            config::use_context(&name)?;
            ctx.out.say(&format!("commands go to {server} from now on"));
            Ok(())
        }
        ContextCommand::Add { context } => add(ctx, &context),
        ContextCommand::Remove { context } => {
            let name = config::context_name(&context)?;
            let server = config::load()?.context(&name)?.server.clone();
            let asked = async {
                let text = format!("Forget context {name} ({server}) and its stored token?");
                Ok(Some(Question::new(text)))
            };
            confirm(ctx, Act::RemoveContext, asked).await?;
            config::forget(&name)?;
            ctx.out.say(&format!("forgot {name}"));
            Ok(())
        }
    }
}

fn add(ctx: &Ctx, text: &str) -> Outcome {
    let name = config::context_name(text)?;
    let Some(server) = ctx.given.server.clone() else {
        return Err(Failure::usage("a context needs a server").next(format!(
            "booth context add {name} --server http://HOST:7400"
        )));
    };
    let server = crate::client::server_url(&server)?;
    if config::load()?.contexts.contains_key(&name) {
        return Err(
            Failure::refused(format!("there is a context {name} already"))
                .reason("CONTEXT_EXISTS")
                .next(format!("booth context remove {name}, or another name")),
        );
    }
    let token_file = match &ctx.given.token_file {
        // By reference, and from wherever commands are typed.
        Some(path) => Some(std::path::absolute(path).map_err(|e| Failure::error(e.to_string()))?),
        None => None,
    };
    config::put(&name, &Context { server, token_file })?;
    ctx.out.say(&format!(
        "added; booth context use {name} makes commands go there"
    ));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    server: &'a str,
    in_use: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<String>,
}

fn list(ctx: &Ctx, config: &Config) -> Outcome {
    let one =
        |(name, context): (&'_ String, &'_ Context)| -> (String, String, bool, Option<String>) {
            let token = context
                .token_file
                .as_ref()
                .map(|path| path.display().to_string());
            let in_use = config.context.as_ref() == Some(name);
            (name.clone(), context.server.clone(), in_use, token)
        };
    let all: Vec<_> = config.contexts.iter().map(one).collect();
    let shown = all.iter().map(|(name, server, in_use, token)| Shown {
        name,
        server,
        in_use: *in_use,
        token_file: token.clone(),
    });
    match ctx.out.format {
        Format::Json => ctx
            .out
            .json(&json!({ "contexts": shown.collect::<Vec<_>>() })),
        Format::Ndjson => shown
            .into_iter()
            .try_for_each(|one| ctx.out.json_line(&one)),
        Format::Name => all.iter().try_for_each(|(name, ..)| ctx.out.line(name)),
        Format::Table => {
            let row = |(name, server, in_use, token): &(String, String, bool, Option<String>)| {
                vec![
                    Cell::new(name),
                    Cell::new(server),
                    Cell::toned(if *in_use { "in use" } else { "" }, Tone::Good),
                    Cell::new(token.as_deref().unwrap_or_default()),
                ]
            };
            ctx.out.view(&View::Table(Table {
                headings: vec!["CONTEXT", "SERVER", "", "TOKEN FILE"],
                rows: all.iter().map(row).collect(),
            }))
        }
    }
}
