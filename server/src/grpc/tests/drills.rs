use booth_core::{Command, Role};
use booth_proto::v1::{self, drill_channel_response::Message};
use booth_proto::worker::{DrillReport, DrillStep};
use tonic::{Code, Streaming};

use super::{ADMIN, Booth, admin, assert_refused, bearing, reason};

fn drill() -> v1::DrillChannelRequest {
    v1::DrillChannelRequest {
        name: "channels/radio".into(),
    }
}

async fn started(booth: &Booth, token: &str) -> Streaming<v1::DrillChannelResponse> {
    let stream = booth
        .channels()
        .drill_channel(bearing(token, drill()))
        .await;
    stream.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<v1::DrillChannelResponse>) -> Message {
    stream.message().await.unwrap().unwrap().message.unwrap()
}

fn step(name: &str, passed: bool) -> DrillReport {
    DrillReport {
        step: Some(DrillStep {
            step: name.into(),
            reaction_ms: 310,
            freeze_ms: 40,
            passed,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn done() -> DrillReport {
    DrillReport {
        done: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_rehearsal_is_told_step_by_step_and_summed_up() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    for (second_passes, passed, failed) in [(true, true, 0), (false, false, 1)] {
        let mut stream = started(&booth, ADMIN).await;
        let reports = booth.drills.take("radio");
        let progress = DrillReport {
            progress: "a synthetic publisher connects".into(),
            ..Default::default()
        };
        for report in [
            progress,
            step("publisher killed", true),
            step("back to live", second_passes),
            done(),
        ] {
            reports.send(report).await.unwrap();
        }
        assert!(
            matches!(next(&mut stream).await, Message::Progress(text) if text.contains("connects"))
        );
        let Message::Step(told) = next(&mut stream).await else {
            panic!("no step");
        };
        assert_eq!(
            (told.step.as_str(), told.reaction_ms, told.freeze_ms),
            ("publisher killed", 310, 40)
        );
        next(&mut stream).await;
        let summary = v1::DrillSummary {
            passed,
            steps: 2,
            failed,
        };
        assert_eq!(next(&mut stream).await, Message::Summary(summary));
        assert_eq!(stream.message().await.unwrap(), None);
    }
}

#[tokio::test]
async fn one_rehearsal_of_a_channel_runs_at_a_time_and_hanging_up_ends_it() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let first = started(&booth, ADMIN).await;
    assert_refused(
        booth.channels().drill_channel(admin(drill())).await,
        Code::FailedPrecondition,
        "DRILL_RUNNING",
    );
    let reports = booth.drills.reports("radio");
    assert!(!reports.is_closed());
    drop(first);
    reports.closed().await;
    started(&booth, ADMIN).await;
}

#[tokio::test]
async fn a_rehearsal_that_fails_ends_early_or_rehearses_nothing_has_not_passed() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let mut stream = started(&booth, ADMIN).await;
    let failed = DrillReport {
        error: "no backup is ready".into(),
        done: true,
        ..Default::default()
    };
    booth.drills.take("radio").send(failed).await.unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        (reason(&status).as_str(), status.message()),
        ("DRILL_FAILED", "no backup is ready")
    );

    let mut stream = started(&booth, ADMIN).await;
    drop(booth.drills.take("radio"));
    let status = stream.message().await.unwrap_err();
    assert_eq!(reason(&status), "DRILL_FAILED");

    let mut stream = started(&booth, ADMIN).await;
    booth.drills.take("radio").send(done()).await.unwrap();
    assert_eq!(
        next(&mut stream).await,
        Message::Summary(v1::DrillSummary::default())
    );
    let nope = v1::DrillChannelRequest {
        name: "channels/nope".into(),
    };
    assert_refused(
        booth.channels().drill_channel(admin(nope)).await,
        Code::NotFound,
        "CHANNEL_NOT_FOUND",
    );
}

#[tokio::test]
async fn a_rehearsal_ends_with_the_server_and_with_its_operator_s_token() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    booth.operator("otto", Role::Operator, "otto").await;
    let mut stream = started(&booth, "otto").await;
    booth
        .order(Command::RevokeOperator {
            id: "otto".parse().unwrap(),
        })
        .await;
    let status = stream.message().await.unwrap_err();
    assert_eq!(reason(&status), "TOKEN_REVOKED");
    booth.drills.take("radio").closed().await;

    let mut stream = started(&booth, ADMIN).await;
    booth.stop.cancel();
    let status = stream.message().await.unwrap_err();
    assert_eq!(reason(&status), "SERVER_STOPPING");
}
