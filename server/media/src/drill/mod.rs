//! The worker of a rehearsal: the channel's own program with its real policy and loops, a publisher made up here and a
//! receiver that measures. Nothing of it touches what is on air.

mod plan;
mod stage;

use std::time::Duration;

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::to_worker::Message as Heard;
use booth_proto::worker::{ChannelDesired, DrillReport, Hello, Pong};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::link::{self, LinkEvent, Sender};
use crate::worker::{WorkerArgs, exit};
use plan::{Step, bounds, judge};
use stage::Stage;

/// What is watched after each step, so that something late is seen too.
const AFTERMATH: Duration = Duration::from_secs(1);
/// From the start to the first picture.
const START: Duration = Duration::from_secs(10);

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    let events = link::dial(args.socket.clone());
    let Ok(terminate) = signal(SignalKind::terminate()) else {
        return exit::FAILED;
    };
    let mut drill = Drill {
        args,
        events,
        terminate,
        link: None,
    };
    let code = match drill.rehearse().await {
        Ok(()) => DrillReport {
            done: true,
            ..DrillReport::default()
        },
        Err(Stop::Ended(code)) => return code,
        Err(Stop::Failed(error)) => DrillReport {
            done: true,
            error,
            ..DrillReport::default()
        },
    };
    drill.say(code);
    // boothd ends it when it has heard that.
    loop {
        if let Err(Stop::Ended(code)) = drill.hear().await {
            return code;
        }
    }
}

/// Why it does not go on.
enum Stop {
    Ended(u8),
    Failed(String),
}

struct Drill {
    args: WorkerArgs,
    events: mpsc::Receiver<LinkEvent>,
    terminate: Signal,
    link: Option<Sender>,
}

impl Drill {
    async fn rehearse(&mut self) -> Result<(), Stop> {
        let desired = loop {
            if let Some(desired) = self.hear().await? {
                break desired;
            }
        };
        let settings = desired.settings.clone().unwrap_or_default();
        let mut stage = Stage::build(&desired).map_err(Stop::Failed)?;
        self.progress("the shadow starts");
        if !self.play(&mut stage, START, Stage::shows_anything).await? {
            return Err(Stop::Failed("the shadow shows nothing".to_owned()));
        }
        let gop_ms = stage.gop_ms();
        for step in Step::ALL {
            let bounds = bounds(step, &settings, gop_ms);
            let within = Duration::from_millis(bounds.reaction_ms.into());
            self.progress(&format!(
                "{} (within {:.1} s)",
                step.name(),
                within.as_secs_f64()
            ));
            let from = stage.begin(step);
            self.play(&mut stage, within, |stage| stage.reached(step))
                .await?;
            self.play(&mut stage, AFTERMATH, |_| false).await?;
            let step = judge(step, bounds, stage.measured(from));
            self.say(DrillReport {
                step: Some(step),
                ..DrillReport::default()
            });
        }
        Ok(())
    }

    /// Plays until `reached`, for `within` at most; whether it was.
    async fn play(
        &mut self,
        stage: &mut Stage,
        within: Duration,
        reached: impl Fn(&Stage) -> bool,
    ) -> Result<bool, Stop> {
        let deadline = Instant::now() + within;
        loop {
            stage.advance().map_err(Stop::Failed)?;
            if reached(stage) {
                return Ok(true);
            }
            tokio::select! {
                () = stage.wait() => {}
                heard = self.hear() => { heard?; }
                () = tokio::time::sleep_until(deadline) => return Ok(false),
            }
        }
    }

    /// The next thing from outside; the order if it is one.
    async fn hear(&mut self) -> Result<Option<ChannelDesired>, Stop> {
        let event = tokio::select! {
            event = self.events.recv() => event,
            _ = self.terminate.recv() => return Err(Stop::Ended(exit::SHUTDOWN)),
        };
        match event {
            None => Err(Stop::Ended(exit::FAILED)),
            Some(LinkEvent::Up(link)) => {
                link.send(Say::Hello(Hello {
                    unit: self.args.unit.clone(),
                    pid: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..Hello::default()
                }));
                self.link = Some(link);
                Ok(None)
            }
            // Nobody waits for it any more.
            Some(LinkEvent::Down) => Err(Stop::Ended(exit::ORPHANED)),
            Some(LinkEvent::Message(message)) => match message.message {
                Some(Heard::Shutdown(_)) => Err(Stop::Ended(exit::SHUTDOWN)),
                Some(Heard::Ping(ping)) => {
                    if let Some(link) = &self.link {
                        link.send(Say::Pong(Pong { nonce: ping.nonce }));
                    }
                    Ok(None)
                }
                Some(Heard::Drill(desired)) => Ok(desired.channel),
                _ => Ok(None),
            },
        }
    }

    fn progress(&self, text: &str) {
        tracing::info!(text, "rehearsal");
        self.say(DrillReport {
            progress: text.to_owned(),
            ..DrillReport::default()
        });
    }

    fn say(&self, report: DrillReport) {
        if let Some(link) = &self.link
            && !link.send(Say::Drill(report))
        {
            tracing::warn!("boothd is too slow to hear of the rehearsal");
        }
    }
}
