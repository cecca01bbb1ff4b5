//! `channel drill`: the steps as they come on stderr, and what was measured as a table at the end.

use std::time::Duration;

use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::drill_channel_response::Message;
use booth_proto::v1::{DrillChannelRequest, DrillChannelResponse, DrillStep, DrillSummary};
use serde_json::json;
use tokio::time::timeout;

use crate::app::Ctx;
use crate::args::Format;
use crate::client::LARGEST_ANSWER;
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names::last_part;
use crate::render::{View, drills, text};

/// No step takes as long: the longest waits for a live input to be stable.
const SILENCE: Duration = Duration::from_secs(12 * 60);

pub async fn run(ctx: &Ctx, name: String) -> Outcome {
    let subject = Subject::channel(&name);
    let failed = |status: tonic::Status| Failure::from_status(&status, &subject);
    let client = ctx.client().await?;
    let mut service =
        ChannelServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    let request = DrillChannelRequest { name: name.clone() };
    let opened = timeout(SILENCE, service.drill_channel(request)).await;
    let mut stream = opened
        .map_err(|_| client.late())?
        .map_err(failed)?
        .into_inner();
    let mut steps: Vec<DrillStep> = Vec::new();
    let summary = loop {
        let message = match timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => {
                return Err(Failure::unreachable("the drill ended without a summary"));
            }
            Ok(Err(status)) => return Err(failed(status)),
            Err(_) => {
                return Err(Failure::timed_out(
                    "nothing was heard of the drill for too long",
                ));
            }
        };
        if ctx.out.format == Format::Ndjson {
            ctx.out.json_line(&message)?;
        }
        match told(ctx, message) {
            Some(Told::Step(step)) => steps.push(step),
            Some(Told::End(summary)) => break summary,
            None => {}
        }
    };
    match ctx.out.format {
        Format::Table => ctx.out.view(&View::Table(drills::table(&steps)))?,
        Format::Json => ctx
            .out
            .json(&json!({ "steps": steps, "summary": summary }))?,
        Format::Name => {
            let steps = steps.iter().map(|step| text::scrub(&step.step));
            steps.into_iter().try_for_each(|step| ctx.out.line(&step))?;
        }
        Format::Ndjson => {}
    }
    if summary.passed {
        ctx.out.say(&format!("all {} steps passed", summary.steps));
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} of {} steps of the drill failed",
        summary.failed, summary.steps
    ))
    .reason("DRILL_NOT_PASSED")
    .next(format!(
        "booth channel get {} shows the policy: --delay above --lost hides a loss",
        last_part(&name)
    )))
}

enum Told {
    Step(DrillStep),
    End(DrillSummary),
}

fn told(ctx: &Ctx, message: DrillChannelResponse) -> Option<Told> {
    match message.message? {
        Message::Progress(text) => {
            ctx.out.say(&text);
            None
        }
        Message::Step(step) => {
            let result = if step.passed { "ok" } else { "FAILED" };
            let text = if step.text.is_empty() {
                String::new()
            } else {
                format!(": {}", step.text)
            };
            ctx.out.say(&format!(
                "{result}  {}  reaction {} ms, freeze {} ms{text}",
                step.step, step.reaction_ms, step.freeze_ms
            ));
            Some(Told::Step(step))
        }
        Message::Summary(summary) => Some(Told::End(summary)),
    }
}
