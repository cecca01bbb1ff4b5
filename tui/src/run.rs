//! The loop: inputs from the terminal, the link and the clock, one after the other; effects out; a frame when something changed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{
    Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process};
use tokio::process::{Child, Command as Process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::metadata::AsciiMetadataValue;

use crate::action::Action;
use crate::ask::{self, Late};
use crate::command::Effect;
use crate::door::Door;
use crate::key::{Code, Key};
use crate::link::{self, Ask, Server};
use crate::model::Model;
use crate::msg::{Input, LinkMsg, Msg, Practice, Refusal, Start};
use crate::pictures::Pictures;
use crate::record::Recorder;
use crate::settings::Settings;
use crate::terminal::{self, Screen};
use crate::update::update;
use crate::view::view;

/// Levels alone are drawn no oftener; a key is drawn at once.
const FRAME: Duration = Duration::from_millis(40);
/// Messages of the link that are taken in before a frame is drawn.
const BATCH: usize = 64;
/// How long synthetic callers have to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Makes the command that lets synthetic callers in: show and number in, a process to start out.
pub type Practise = Box<dyn Fn(&str, u32) -> Result<Process, String>>;

pub struct Options {
    pub door: Door,
    /// `Bearer …`.
    pub token: AsciiMetadataValue,
    /// `main`.
    pub show: String,
    pub settings: Settings,
    /// Whether the terminal may be asked what pictures it can show.
    pub ask_pictures: bool,
    pub version: String,
    pub record: Option<PathBuf>,
    pub practise: Option<Practise>,
    /// A join link that was made before, to be shown while nobody is there.
    pub join_url: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the console needs a terminal: stdin and stdout have to be one")]
    NoTerminal,
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    #[error("cannot write {path}: {error}")]
    Record { path: String, error: io::Error },
}

/// Runs until the operator leaves or the terminal hangs up.
pub async fn run(options: Options) -> Result<(), RunError> {
    if !terminal::is_there() {
        return Err(RunError::NoTerminal);
    }
    let recorder = match &options.record {
        None => None,
        Some(path) => Some(Recorder::create(path).map_err(|error| RunError::Record {
            path: path.display().to_string(),
            error,
        })?),
    };
    // Stopped, it could not be brought back, unless a shell's job control started it.
    let can_suspend = getpgrp() == getpid();
    let mut settings = options.settings;
    let screen = Screen::take(settings.mouse)?;
    // On the other screen, where nobody sees what a terminal makes of questions that it does not know.
    let told = match settings.pictures && settings.pictures_auto {
        true => too_far(ask::round_trip(), &settings),
        false => None,
    };
    settings.pictures &= told.is_none();
    let (pictures, late) = match settings.pictures && options.ask_pictures {
        true => Pictures::ask_terminal(),
        false => (Pictures::half_blocks(), Late::default()),
    };
    let (width, height) = terminal::size();
    let start = Start {
        settings,
        width,
        height,
        zone_s: zone(),
        server: options.door.url().to_owned(),
        show: options.show,
        version: options.version,
        nonce: format!("{:08x}", rand::random::<u32>()),
        can_practice: options.practise.is_some(),
        join_url: options.join_url,
        can_suspend,
    };
    let (ask_in, ask_out) = mpsc::channel(link::ASKS);
    let (msg_in, msg_out) = mpsc::channel(link::QUEUE);
    let server = Server {
        door: options.door,
        token: options.token,
    };
    let link = tokio::spawn(link::run(server, ask_out, msg_in));
    let mut app = App {
        began: Instant::now(),
        model: Model::new(start.clone()),
        screen,
        pictures,
        late,
        recorder,
        asks: ask_in,
        practise: options.practise,
        callers: None,
        drawn: Instant::now(),
        quit: false,
    };
    app.feed(Msg::Start(Box::new(start)))?;
    if let Some(told) = told {
        app.feed(Msg::Told(told))?;
    }
    let done = app.turn(msg_out).await;
    let _ = app.screen.say(&app.pictures.forget());
    app.screen.leave();
    link.abort();
    app.goodbye().await;
    done
}

/// Why there are no pictures over a link of this round trip, if it is too long.
fn too_far(round_trip: Option<Duration>, settings: &Settings) -> Option<String> {
    let why = match round_trip {
        Some(took) if took <= ask::FAR => return None,
        Some(took) => format!("the terminal is {} ms away", took.as_millis()),
        None => "the terminal does not answer".to_owned(),
    };
    let palette = settings.keymap.shown(Action::Palette);
    let name = Action::Pictures.spec().name;
    Some(format!(
        "pictures are off, for {why}: {palette} {name} switches them on"
    ))
}

struct App {
    began: Instant,
    model: Model,
    screen: Screen,
    pictures: Pictures,
    late: Late,
    recorder: Option<Recorder>,
    asks: mpsc::Sender<Ask>,
    practise: Option<Practise>,
    callers: Option<Callers>,
    drawn: Instant,
    quit: bool,
}

impl App {
    async fn turn(&mut self, mut link: mpsc::Receiver<LinkMsg>) -> Result<(), RunError> {
        let mut events = EventStream::new();
        let mut hangup = signal(SignalKind::hangup())?;
        // SIGCONT, which tokio has no name for.
        let mut resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        let mut zone_due = Instant::now();
        self.draw()?;
        while !self.quit {
            let tick = self.began + Duration::from_millis(self.model.next_tick());
            let frame = self.drawn + FRAME;
            let wake = if self.model.dirty {
                frame.min(tick)
            } else {
                tick
            };
            let mut urgent = false;
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        urgent = true;
                        self.event(event)?;
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => return Ok(()),
                },
                msg = link.recv() => {
                    let Some(msg) = msg else { return Ok(()) };
                    self.feed(Msg::Link(msg))?;
                    for _ in 0..BATCH {
                        let Ok(msg) = link.try_recv() else { break };
                        self.feed(Msg::Link(msg))?;
                    }
                }
                ended = ended(&mut self.callers) => {
                    self.callers = None;
                    self.feed(Msg::Practice(Practice::Ended { why: ended }))?;
                }
                _ = hangup.recv() => return Ok(()),
                _ = resumed.recv() => {
                    self.screen.enter()?;
                    self.resize()?;
                    urgent = true;
                }
                () = sleep_until(wake) => {
                    if Instant::now() >= tick {
                        self.feed(Msg::Tick)?;
                    }
                }
            }
            if Instant::now() >= zone_due {
                zone_due = Instant::now() + Duration::from_secs(60);
                if self.model.zone_s != zone() {
                    self.feed(Msg::Zone(zone()))?;
                }
            }
            if self.model.dirty && (urgent || Instant::now() >= self.drawn + FRAME) {
                self.draw()?;
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        self.drawn = Instant::now();
        self.model.dirty = false;
        self.pictures.prepare(&self.model);
        let (model, pictures) = (&self.model, &self.pictures);
        self.screen.draw(|frame| view(model, pictures, frame))
    }

    fn feed(&mut self, msg: Msg) -> io::Result<()> {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let input = Input { at_ms, msg };
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.write(&input)
        {
            // A full disk must not end a show.
            self.recorder = None;
            let _ = update(
                &mut self.model,
                Input {
                    at_ms,
                    msg: Msg::Trouble(format!("recording ended: {error}")),
                },
            );
        }
        for effect in update(&mut self.model, input) {
            self.effect(effect)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Call {
                request_id,
                command,
            } => {
                let ask = Ask::Call {
                    request_id: request_id.clone(),
                    command,
                };
                if self.asks.try_send(ask).is_err() {
                    let refusal = Refusal {
                        code: "RESOURCE_EXHAUSTED".into(),
                        reason: "CONSOLE_BUSY".into(),
                        text: "too many commands are on their way".into(),
                        lost: false,
                    };
                    self.feed(Msg::Link(LinkMsg::Answer {
                        request_id,
                        result: Err(refusal),
                    }))?;
                }
            }
            // The next second asks again.
            Effect::Picture { caller } => drop(self.asks.try_send(Ask::Picture { caller })),
            Effect::Practice { show, callers } => self.practice(&show, callers)?,
            Effect::StopPractice => {
                if let Some(callers) = &self.callers {
                    callers.signal(Signal::TERM);
                }
            }
            Effect::Suspend => {
                self.screen.leave();
                // Returns when the shell brings us back.
                let _ = kill_process(getpid(), Signal::STOP);
                self.screen.enter()?;
                self.resize()?;
            }
            Effect::Redraw => self.screen.redraw()?,
            Effect::Quit => self.quit = true,
        }
        Ok(())
    }

    fn practice(&mut self, show: &str, callers: u32) -> io::Result<()> {
        let Some(practise) = &self.practise else {
            return Ok(());
        };
        let started = practise(show, callers).and_then(|mut process| {
            process
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null());
            process
                .stderr(std::process::Stdio::piped())
                .kill_on_drop(true);
            process.spawn().map_err(|error| error.to_string())
        });
        match started {
            Ok(child) => {
                self.callers = Some(Callers::of(child));
                self.feed(Msg::Practice(Practice::Started { callers }))
            }
            Err(why) => self.feed(Msg::Trouble(format!("no synthetic callers: {why}"))),
        }
    }

    fn resize(&mut self) -> io::Result<()> {
        let (width, height) = terminal::size();
        self.screen.resize(width, height)?;
        self.feed(Msg::Resize { width, height })
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Key(event) if event.kind != KeyEventKind::Release => match key(event) {
                Some(key) if !self.late.swallows(&key, std::time::Instant::now()) => {
                    self.feed(Msg::Key(key))
                }
                _ => Ok(()),
            },
            Event::Paste(text) => self.feed(Msg::Paste(text)),
            Event::Resize(..) => self.resize(),
            Event::Mouse(event) => match event.kind {
                MouseEventKind::Down(MouseButton::Left) => self.feed(Msg::Click {
                    x: event.column,
                    y: event.row,
                }),
                MouseEventKind::ScrollDown => self.feed(Msg::Wheel {
                    x: event.column,
                    y: event.row,
                    down: true,
                }),
                MouseEventKind::ScrollUp => self.feed(Msg::Wheel {
                    x: event.column,
                    y: event.row,
                    down: false,
                }),
                _ => Ok(()),
            },
            Event::Key(_) | Event::FocusGained | Event::FocusLost => Ok(()),
        }
    }

    async fn goodbye(&mut self) {
        if let Some(callers) = self.callers.take() {
            callers.signal(Signal::TERM);
            let Callers { pid, ended } = callers;
            if timeout(GOODBYE, ended).await.is_err()
                && let Some(pid) = pid
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The process of the synthetic callers, for as long as it is there.
struct Callers {
    pid: Option<Pid>,
    ended: oneshot::Receiver<String>,
}

impl Callers {
    fn of(child: Child) -> Self {
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (tell, ended) = oneshot::channel();
        tokio::spawn(attend(child, tell));
        Self { pid, ended }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, signal);
        }
    }
}

async fn ended(callers: &mut Option<Callers>) -> String {
    match callers {
        Some(callers) => (&mut callers.ended).await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// Waits for the end of the synthetic callers, and says why they ended when they failed.
async fn attend(mut child: Child, ended: oneshot::Sender<String>) {
    use tokio::io::AsyncReadExt;
    /// The end of a complaint is enough.
    const SAID: usize = 4_096;
    let mut said = Vec::new();
    if let Some(stderr) = &mut child.stderr {
        let mut chunk = [0; 1_024];
        // Read to the end, so that the pipe never fills.
        while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
            said.extend_from_slice(&chunk[..n]);
            let surplus = said.len().saturating_sub(SAID);
            said.drain(..surplus);
        }
    }
    let why = match child.wait().await {
        Ok(status) if status.success() || !status_failed(status) => String::new(),
        _ => {
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            last.unwrap_or("without a word").to_owned()
        }
    };
    let _ = ended.send(why);
}

/// Ended by us is no failure.
fn status_failed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal().is_none() && !matches!(status.code(), Some(130 | 143))
}

/// Seconds east of Greenwich, by the machine's rules for today.
fn zone() -> i32 {
    chrono::Local::now().offset().local_minus_utc()
}

fn key(event: KeyEvent) -> Option<Key> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    let code = match event.code {
        // Terminals with the newer protocol send shift beside the letter.
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::SHIFT) && c.is_lowercase() => {
            Code::Char(c.to_uppercase().next().unwrap_or(c))
        }
        KeyCode::Char(c) => Code::Char(c),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(n) => Code::F(n),
        _ => return None,
    };
    Some(Key { code, ctrl, alt })
}
