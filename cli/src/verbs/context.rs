//! Contexts: which servers this user knows, and which one commands go to.

use std::path::{Path, PathBuf};

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
    let door = crate::client::door(&ctx.global, &server, ctx.given.ca.as_deref())?;
    if config::load()?.contexts.contains_key(&name) {
        return Err(
            Failure::refused(format!("there is a context {name} already"))
                .reason("CONTEXT_EXISTS")
                .next(format!("booth context remove {name}, or another name")),
        );
    }
    let context = Context {
        server: door.url().to_owned(),
        token_file: from_anywhere(ctx.given.token_file.as_deref())?,
        ca_file: from_anywhere(ctx.given.ca.as_deref())?,
    };
    config::put(&name, &context)?;
    ctx.out.say(&format!(
        "added; booth context use {name} makes commands go there"
    ));
    Ok(())
}

/// By reference, and from wherever commands are typed.
pub fn from_anywhere(path: Option<&Path>) -> Outcome<Option<PathBuf>> {
    let path = path.map(std::path::absolute).transpose();
    path.map_err(|error| Failure::error(error.to_string()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    server: &'a str,
    in_use: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
}

fn list<'a>(ctx: &Ctx, config: &'a Config) -> Outcome {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let one = |(name, context): (&'a String, &'a Context)| Shown {
        name,
        server: &context.server,
        in_use: config.context.as_ref() == Some(name),
        token_file: path(&context.token_file),
        ca_file: path(&context.ca_file),
    };
    let mut shown = config.contexts.iter().map(one);
    match ctx.out.format {
        Format::Json => ctx
            .out
            .json(&json!({ "contexts": shown.collect::<Vec<_>>() })),
        Format::Ndjson => shown.try_for_each(|one| ctx.out.json_line(&one)),
        Format::Name => shown.try_for_each(|one| ctx.out.line(one.name)),
        Format::Table => {
            let row = |one: Shown<'_>| {
                vec![
                    Cell::new(one.name),
                    Cell::new(one.server),
                    Cell::toned(if one.in_use { "in use" } else { "" }, Tone::Good),
                    Cell::new(one.token_file.as_deref().unwrap_or_default()),
                    Cell::new(one.ca_file.as_deref().unwrap_or_default()),
                ]
            };
            ctx.out.view(&View::Table(Table {
                headings: vec!["CONTEXT", "SERVER", "", "TOKEN FILE", "CA FILE"],
                rows: shown.map(row).collect(),
            }))
        }
    }
}
