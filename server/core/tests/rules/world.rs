//! A small world that speaks the field's terms: decides, folds, journals, and checks the invariants after every step.

use booth_core::*;

pub const NOW: Timestamp = Timestamp(1_000_000);

pub fn show(s: &str) -> ShowId {
    ShowId::new(s).unwrap()
}
pub fn caller(s: &str) -> CallerId {
    CallerId::new(s).unwrap()
}
pub fn slot(s: &str) -> SlotId {
    SlotId::new(s).unwrap()
}
pub fn invite(s: &str) -> InviteId {
    InviteId::new(s).unwrap()
}
pub fn operator(s: &str) -> OperatorId {
    OperatorId::new(s).unwrap()
}
pub fn text(s: &str) -> Text {
    Text::scrub(s, 2_000)
}

/// The hash of somebody's secret; the same name, the same secret.
pub fn token(of: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash[..of.len()].copy_from_slice(of.as_bytes());
    TokenHash(hash)
}

pub fn meta() -> Meta {
    Meta {
        actor: Actor::Operator(operator("anna")),
        request_id: None,
        expected_revision: None,
    }
}

pub fn requested(id: &str) -> Meta {
    Meta {
        request_id: Some(RequestId::new(id).unwrap()),
        ..meta()
    }
}

pub fn expecting(revision: u64) -> Meta {
    Meta {
        expected_revision: Some(revision),
        ..meta()
    }
}

pub struct World {
    pub state: State,
    pub now: Timestamp,
    pub journal: Vec<Record>,
    /// Of the last accepted input.
    pub effects: Vec<Effect>,
}

impl World {
    pub fn empty() -> Self {
        Self {
            state: State::default(),
            now: NOW,
            journal: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Show `main` LIVE with slots `1` and `2`, both workers up, an open invite, and admin `admin`.
    pub fn new() -> Self {
        let mut world = Self::empty();
        for command in State::initial(Some(token("admin")), &[9001, 9002]) {
            world.ok(command);
        }
        world.ok(open_invite("main"));
        for slot in ["1", "2"] {
            world.worker_up(slot);
        }
        world
    }

    pub fn input(&mut self, input: &Input) -> Result<Option<Answer>, Denied> {
        let (record, result) = match decide(&self.state, self.now, input) {
            Ok(decision) => {
                self.effects = decision.effects;
                (decision.record, Ok(decision.answer))
            }
            Err(refusal) => (refusal.record, Err(refusal.denied)),
        };
        if let Some(record) = record {
            assert_eq!(record.revision, self.state.revision + 1);
            assert_eq!(record.at, self.now);
            self.state.fold(&record);
            self.journal.push(record);
        }
        if let Err(broken) = self.state.invariants() {
            panic!("after {input:?}: {broken}");
        }
        result
    }

    pub fn ask_as(&mut self, meta: Meta, command: Command) -> Result<Answer, Denied> {
        let answer = self.input(&Input::Command(meta, command))?;
        Ok(answer.expect("a command has an answer"))
    }

    pub fn ask(&mut self, command: Command) -> Result<Answer, Denied> {
        self.ask_as(meta(), command)
    }

    #[track_caller]
    pub fn ok(&mut self, command: Command) -> Answer {
        let asked = format!("{command:?}");
        match self.ask(command) {
            Ok(answer) => answer,
            Err(denied) => panic!("{asked} is refused: {denied}"),
        }
    }

    #[track_caller]
    pub fn denied(&mut self, command: Command) -> Denied {
        let (asked, before) = (format!("{command:?}"), self.state.clone());
        match self.ask(command) {
            Ok(_) => panic!("{asked} is accepted"),
            Err(denied) => {
                assert!(self.state == before, "a refusal changed the state");
                denied
            }
        }
    }

    /// Accepted, and nothing changes.
    #[track_caller]
    pub fn no_change(&mut self, command: Command) {
        let before = self.state.clone();
        self.ok(command);
        assert!(self.state == before, "the state changed");
        assert_eq!(self.effects, [], "orders without a change");
    }

    pub fn fact(&mut self, fact: Fact) {
        assert_eq!(self.input(&Input::Fact(fact)), Ok(None));
    }

    /// Lets time pass, with a tick at every moment that one is due.
    pub fn pass(&mut self, ms: i64) {
        let end = Timestamp(self.now.0 + ms);
        while let Some((at, _)) = self.state.poll_timeout()
            && at <= end
        {
            self.now = at.max(self.now);
            self.tick();
        }
        self.now = end;
    }

    pub fn tick(&mut self) {
        assert_eq!(self.input(&Input::Tick), Ok(None));
        if let Some((at, due)) = self.state.poll_timeout() {
            assert!(at > self.now, "{due:?} is still due after a tick");
        }
    }

    pub fn caller(&self, id: &str) -> &Caller {
        &self.state.callers[&caller(id)]
    }
    pub fn slot(&self, id: &str) -> &Slot {
        &self.state.slots[&slot(id)]
    }
    pub fn state_of(&self, id: &str) -> CallerState {
        self.caller(id).state
    }
    pub fn queue(&self) -> Vec<&str> {
        let queue = &self.state.shows[&show("main")].queue;
        queue.iter().map(CallerId::as_str).collect()
    }
    pub fn on(&self, id: &str) -> Option<&str> {
        let assigned = self.slot(id).assigned.as_ref();
        assigned.map(|assigned| assigned.caller.as_str())
    }

    pub fn join(&mut self, id: &str) {
        self.ok(join(id));
    }
    /// Session 1 of this caller.
    pub fn connect(&mut self, id: &str) {
        self.media_up(id, 1);
    }
    pub fn waiting(&mut self, id: &str) {
        self.join(id);
        self.connect(id);
    }
    pub fn ready(&mut self, id: &str) {
        self.waiting(id);
        self.ok(approve(id));
    }
    pub fn on_air(&mut self, id: &str, slot: &str) {
        self.ready(id);
        self.ok(take(slot, id));
    }
    pub fn ended(&mut self, id: &str) {
        self.join(id);
        self.ok(Command::Drop { id: caller(id) });
    }

    pub fn media_up(&mut self, id: &str, session: u64) {
        self.fact(Fact::MediaUp {
            caller: caller(id),
            session: SessionId(session),
            audio: true,
            video: true,
        });
    }
    pub fn media_down(&mut self, id: &str, session: u64) {
        self.fact(Fact::MediaDown {
            caller: caller(id),
            session: SessionId(session),
        });
    }
    pub fn worker_up(&mut self, id: &str) {
        self.fact(Fact::WorkerUp {
            slot: slot(id),
            showing: Showing::Idle,
        });
    }
}

pub fn open_invite(to: &str) -> Command {
    Command::Invite {
        id: invite(to),
        show: show(to),
        role: CallerRole::Caller,
        name: Text::default(),
        token: token(to),
        uses: None,
        expires_at: None,
    }
}

pub fn join(id: &str) -> Command {
    join_by("main", id)
}

/// The rejoin secret goes by the caller's id.
pub fn join_by(invite: &str, id: &str) -> Command {
    Command::Join {
        id: caller(id),
        invite: token(invite),
        rejoin: token(id),
        name: Text::name(id),
        topic: text("the weather"),
    }
}

pub fn rejoin(id: &str) -> Command {
    Command::Rejoin {
        rejoin: token(id),
        name: None,
        topic: None,
    }
}

pub fn screen(id: &str) -> Command {
    Command::Screen { id: caller(id) }
}
pub fn approve(id: &str) -> Command {
    Command::Approve { id: caller(id) }
}
pub fn hold(id: &str) -> Command {
    Command::Hold { id: caller(id) }
}
pub fn reject(id: &str) -> Command {
    Command::Reject {
        id: caller(id),
        reason: text("off topic"),
    }
}
pub fn drop_call(id: &str) -> Command {
    Command::Drop { id: caller(id) }
}
pub fn leave(id: &str) -> Command {
    Command::Leave { id: caller(id) }
}
pub fn move_to(id: &str, to: u32) -> Command {
    Command::Move { id: caller(id), to }
}
pub fn mute(id: &str, muted: bool) -> Command {
    Command::SetMuted {
        id: caller(id),
        muted,
    }
}

pub fn take(on: &str, id: &str) -> Command {
    Command::Take {
        slot: slot(on),
        pick: Pick::Caller(caller(id)),
        transition: Transition::Cut,
        override_checks: false,
    }
}

pub fn take_next(on: &str) -> Command {
    Command::Take {
        slot: slot(on),
        pick: Pick::Next,
        transition: Transition::Cut,
        override_checks: false,
    }
}

pub fn overridden(mut command: Command) -> Command {
    match &mut command {
        Command::Take {
            override_checks, ..
        } => *override_checks = true,
        other => panic!("{other:?} has no override"),
    }
    command
}

pub fn release(on: &str, disposition: Disposition) -> Command {
    Command::Release {
        slot: slot(on),
        disposition,
        transition: Transition::Cut,
    }
}

pub fn arm(on: &str, id: Option<&str>) -> Command {
    Command::Arm {
        slot: slot(on),
        caller: id.map(caller),
    }
}

pub fn create_slot(id: &str, port: u16) -> Command {
    Command::CreateSlot {
        id: slot(id),
        show: show("main"),
        settings: SlotSettings::listening(port),
    }
}
