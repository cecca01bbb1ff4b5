//! One command, from the console's words to an RPC and back.

use std::time::Duration;

use booth_proto::v1::{
    self, caller_service_client::CallerServiceClient, channel_service_client::ChannelServiceClient,
    destination_service_client::DestinationServiceClient, show_service_client::ShowServiceClient,
    slot_service_client::SlotServiceClient,
};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::Service;
use crate::command::{Command, Force, Then};
use crate::msg::{Answer, Refusal};

/// Within which an answer is expected.
const DEADLINE: Duration = Duration::from_secs(8);
/// Shorter, so that what is stuck on the way is given up before it is forgotten.
const DEADLINE_ON_AIR: Duration = Duration::from_secs(4);
/// Until when a broken command is sent again, with the same request id. What goes on air is not sent late: the operator has
/// seen the failure by then, and may have done something else.
const AGAIN: Duration = Duration::from_secs(6);
const AGAIN_ON_AIR: Duration = Duration::from_millis(1_500);
const PAUSE: Duration = Duration::from_millis(250);

pub async fn call(
    service: Service,
    request_id: String,
    command: Command,
) -> Result<Answer, Refusal> {
    again(command.on_air(), || {
        once(service.clone(), &request_id, &command)
    })
    .await
}

/// Asks until there is an answer, as long as asking again may help and is not too late.
async fn again<F>(on_air: bool, mut once: impl FnMut() -> F) -> Result<Answer, Refusal>
where
    F: Future<Output = Result<Answer, Status>>,
{
    let began = Instant::now();
    let (deadline, again) = if on_air {
        (DEADLINE_ON_AIR, AGAIN_ON_AIR)
    } else {
        (DEADLINE, AGAIN)
    };
    loop {
        let tried = timeout_at(began + deadline, once()).await;
        let status = match tried {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer in time"),
        };
        let refusal = refusal(&status);
        if !refusal.lost || began.elapsed() + PAUSE > again {
            return Err(refusal);
        }
        sleep(PAUSE).await;
    }
}

#[allow(
    clippy::needless_update,
    reason = "some requests have fields beside those that the console sets, others have none"
)]
async fn once(service: Service, request_id: &str, command: &Command) -> Result<Answer, Status> {
    let request_id = request_id.to_owned();
    let mut callers = CallerServiceClient::new(service.clone());
    let mut slots = SlotServiceClient::new(service.clone());
    let mut channels = ChannelServiceClient::new(service.clone());
    let mut destinations = DestinationServiceClient::new(service.clone());
    let mut shows = ShowServiceClient::new(service);
    // All answers have a revision, and most nothing else that matters here.
    macro_rules! ask {
        ($client:ident . $method:ident ( $request:ident { $($field:ident $(: $value:expr)?),* $(,)? } )) => {{
            let request = v1::$request { $($field $(: $value)?,)* request_id, ..Default::default() };
            let answer = $client.$method(request).await?.into_inner();
            Ok(Answer { revision: answer.revision, url: String::new() })
        }};
    }
    match command.clone() {
        Command::Take {
            slot,
            caller,
            fade_ms,
            over,
            revision,
        } => ask!(slots.take_slot(TakeSlotRequest {
            name: slot,
            pick: Some(v1::take_slot_request::Pick::Caller(caller)),
            transition: fade(fade_ms),
            r#override: over,
            expected_revision: revision,
        })),
        Command::Release {
            slot,
            then,
            fade_ms,
            revision,
        } => ask!(slots.release_slot(ReleaseSlotRequest {
            name: slot,
            disposition: disposition(then) as i32,
            transition: fade(fade_ms),
            expected_revision: revision,
        })),
        Command::Approve { caller } => {
            ask!(callers.approve_caller(ApproveCallerRequest { name: caller }))
        }
        Command::Reject { caller, reason } => {
            ask!(callers.reject_caller(RejectCallerRequest {
                name: caller,
                reason
            }))
        }
        Command::Hold { caller } => ask!(callers.hold_caller(HoldCallerRequest { name: caller })),
        Command::Screen { caller } => {
            ask!(callers.screen_caller(ScreenCallerRequest { name: caller }))
        }
        Command::Move { caller, position } => {
            ask!(callers.move_caller(MoveCallerRequest {
                name: caller,
                position
            }))
        }
        Command::Note { caller, text } => {
            ask!(callers.note_caller(NoteCallerRequest { name: caller, text }))
        }
        Command::Chat { caller, text } => {
            ask!(callers.chat_caller(ChatCallerRequest { name: caller, text }))
        }
        Command::Mute {
            caller,
            muted: true,
            revision,
        } => {
            ask!(callers.mute_caller(MuteCallerRequest {
                name: caller,
                expected_revision: revision
            }))
        }
        Command::Mute {
            caller,
            muted: false,
            revision,
        } => {
            ask!(callers.unmute_caller(UnmuteCallerRequest {
                name: caller,
                expected_revision: revision
            }))
        }
        Command::Drop { caller, revision } => {
            ask!(callers.drop_caller(DropCallerRequest {
                name: caller,
                expected_revision: revision
            }))
        }
        Command::Invite { show } => {
            let request = v1::CreateInviteRequest {
                parent: show,
                kind: v1::caller::Kind::Caller as i32,
                request_id,
                ..Default::default()
            };
            let answer = callers.create_invite(request).await?.into_inner();
            Ok(Answer {
                revision: answer.revision,
                url: answer.url,
            })
        }
        Command::Force {
            channel,
            force,
            revision,
        } => ask!(channels.force_channel(ForceChannelRequest {
            name: channel,
            force: forced(force) as i32,
            expected_revision: revision,
        })),
        Command::Run {
            channel,
            run: true,
            revision,
        } => {
            ask!(channels.start_channel(StartChannelRequest {
                name: channel,
                expected_revision: revision
            }))
        }
        Command::Run {
            channel,
            run: false,
            revision,
        } => {
            ask!(channels.stop_channel(StopChannelRequest {
                name: channel,
                expected_revision: revision
            }))
        }
        Command::Destination {
            destination,
            enabled: true,
            revision,
        } => ask!(destinations.enable_destination(EnableDestinationRequest {
            name: destination,
            expected_revision: revision
        })),
        Command::Destination {
            destination,
            enabled: false,
            revision,
        } => ask!(destinations.disable_destination(DisableDestinationRequest {
            name: destination,
            expected_revision: revision
        })),
        Command::RunShow {
            show,
            run: true,
            revision,
        } => {
            ask!(shows.start_show(StartShowRequest {
                name: show,
                expected_revision: revision
            }))
        }
        Command::RunShow {
            show,
            run: false,
            revision,
        } => {
            ask!(shows.stop_show(StopShowRequest {
                name: show,
                expected_revision: revision
            }))
        }
        Command::OpenShow {
            show,
            open,
            revision,
        } => ask!(shows.update_show(UpdateShowRequest {
            name: show,
            settings: Some(v1::ShowSettings {
                open: Some(open),
                ..Default::default()
            }),
            expected_revision: revision,
        })),
    }
}

fn fade(fade_ms: u32) -> Option<v1::Transition> {
    (fade_ms > 0).then_some(v1::Transition { fade_ms })
}

fn disposition(then: Then) -> v1::release_slot_request::Disposition {
    use v1::release_slot_request::Disposition;
    match then {
        Then::Hold => Disposition::Hold,
        Then::Requeue => Disposition::Requeue,
        Then::Drop => Disposition::Drop,
    }
}

fn forced(force: Force) -> v1::channel::Force {
    match force {
        Force::Auto => v1::channel::Force::Auto,
        Force::Live => v1::channel::Force::Live,
        Force::Backup => v1::channel::Force::Backup,
    }
}

/// A server names its reasons; a failure without one came from the way there.
pub fn refusal(status: &Status) -> Refusal {
    let reason = status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default();
    let broken = matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Internal
    );
    let lost =
        broken && (reason.is_empty() || reason == "TIMED_OUT" || reason == "SERVER_STOPPING");
    let text = match status.message() {
        "" => status.code().to_string(),
        text => text.to_owned(),
    };
    let code = format!("{:?}", status.code());
    Refusal {
        code: screaming(&code),
        reason,
        text,
        lost,
    }
}

/// `FailedPrecondition` as `FAILED_PRECONDITION`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        if c.is_uppercase() && n > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Code; 16] = [
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// How often it is asked when every answer is this, and what comes of it after how long.
    async fn asked(on_air: bool, status: Status) -> (u32, Refusal, Duration) {
        let mut asked = 0;
        let began = Instant::now();
        let result = again(on_air, || {
            asked += 1;
            std::future::ready(Err(status.clone()))
        });
        let refusal = result.await.unwrap_err();
        (asked, refusal, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_not_have_been_heard_is_asked_again() {
        for on_air in [true, false] {
            let mut again = Vec::new();
            for code in ALL {
                let (asked, refusal, _) = asked(on_air, Status::new(code, "x")).await;
                assert_eq!(asked > 1, refusal.lost, "{code:?}");
                if asked > 1 {
                    again.push(code);
                }
            }
            let broken = [
                Code::Cancelled,
                Code::Unknown,
                Code::DeadlineExceeded,
                Code::Internal,
                Code::Unavailable,
            ];
            assert_eq!(again, broken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_air_is_not_sent_late() {
        let gone = || Status::unavailable("broken pipe");
        let (times, refusal, took) = asked(true, gone()).await;
        assert!(refusal.lost && took <= AGAIN_ON_AIR, "{took:?}");
        assert_eq!(times, 7, "at once, and every quarter of a second");
        let (_, _, took) = asked(false, gone()).await;
        assert!(took > AGAIN_ON_AIR && took <= AGAIN, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_asked_once_and_given_up() {
        for (on_air, limit) in [(true, DEADLINE_ON_AIR), (false, DEADLINE)] {
            let (mut asked, began) = (0, Instant::now());
            let result = again(on_air, || {
                asked += 1;
                std::future::pending()
            });
            let refusal = result.await.unwrap_err();
            assert_eq!((asked, began.elapsed()), (1, limit));
            assert!(refusal.lost && refusal.text == "no answer in time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_to_a_repeat_is_the_answer() {
        let mut asked = 0;
        let result = again(true, || {
            asked += 1;
            let first = asked == 1;
            std::future::ready(match first {
                true => Err(Status::unavailable("broken pipe")),
                false => Ok(Answer {
                    revision: 9,
                    ..Answer::default()
                }),
            })
        });
        assert_eq!(result.await.unwrap().revision, 9);
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_refusal_with_a_reason_was_heard_and_a_broken_pipe_was_not() {
        let details = tonic_types::ErrorDetails::with_error_info(
            "SLOT_OCCUPIED",
            "booth",
            [("k".to_owned(), "v".to_owned())],
        );
        let status = Status::with_error_details(Code::FailedPrecondition, "slot 1 shows", details);
        let heard = refusal(&status);
        assert_eq!(
            (heard.code.as_str(), heard.reason.as_str(), heard.lost),
            ("FAILED_PRECONDITION", "SLOT_OCCUPIED", false)
        );
        assert!(refusal(&Status::unavailable("tcp connect error")).lost);
        let details = tonic_types::ErrorDetails::with_error_info(
            "LEDGER_READ_ONLY",
            "booth",
            [("k".to_owned(), "v".to_owned())],
        );
        assert!(
            !refusal(&Status::with_error_details(
                Code::Unavailable,
                "no",
                details
            ))
            .lost
        );
    }
}
