//! What is asked and told: mostly sensible, sometimes not.

use booth_core::*;

use crate::world::*;

use super::{SLOTS, Sim};

impl Sim {
    pub(super) fn someone(&mut self) -> String {
        let known: Vec<&CallerId> = self.state.callers.keys().collect();
        if known.is_empty() || self.dice.one_in(40) {
            return "nobody".into();
        }
        // Mostly one whose call goes on.
        for _ in 0..12 {
            let id = *self.dice.pick(&known);
            if !self.state.callers[id].state.is_ended() {
                return id.to_string();
            }
        }
        self.dice.pick(&known).to_string()
    }

    pub(super) fn command(&mut self) -> Command {
        let id = self.someone();
        let on = *self.dice.pick(&SLOTS);
        let program = *self.dice.pick(&["main", "main", "main", "late"]);
        match self.dice.below(40) {
            0..=6 => {
                self.joined += 1;
                let id = format!("c{}", self.joined);
                join_by(
                    if self.dice.one_in(30) {
                        "wrong"
                    } else {
                        program
                    },
                    &id,
                )
            }
            7 => rejoin(&id),
            8 => leave(&id),
            9..=10 => screen(&id),
            11..=15 => approve(&id),
            16 => reject(&id),
            17..=18 => hold(&id),
            19..=20 => move_to(&id, u32::try_from(self.dice.below(9)).unwrap()),
            21 => Command::Note {
                id: caller(&id),
                text: text("note"),
            },
            22 => Command::Chat {
                id: caller(&id),
                text: text("hello"),
            },
            23 => drop_call(&id),
            24 => mute(&id, self.dice.one_in(2)),
            25..=27 => take(on, &id),
            28..=29 => overridden(take(on, &id)),
            30..=31 => take_next(on),
            32 => overridden(take_next(on)),
            33..=34 => {
                let how = [Disposition::Hold, Disposition::Requeue, Disposition::Drop];
                release(on, *self.dice.pick(&how))
            }
            35 => arm(on, (!self.dice.one_in(4)).then_some(id.as_str())),
            36 => {
                let port = 9_001 + u16::try_from(self.dice.below(5)).unwrap();
                let settings = SlotSettings::listening(port);
                Command::CreateSlot {
                    id: slot(on),
                    show: show(program),
                    settings,
                }
            }
            37 if self.dice.one_in(8) => Command::DeleteSlot { id: slot(on) },
            38 if self.dice.one_in(8) => Command::StopShow { id: show(program) },
            39 if self.dice.one_in(3) => {
                let settings = Some(ShowSettings {
                    grace_ms: *self.dice.pick(&[300_000, 300_000, 60_000, 5_000]),
                    on_air_grace_ms: *self.dice.pick(&[10_000, 10_000, 0, 5_000]),
                    max_callers: *self.dice.pick(&[500, 20, 10]),
                    open: !self.dice.one_in(8),
                });
                Command::UpdateShow {
                    id: show(program),
                    title: None,
                    settings,
                }
            }
            _ => Command::StartShow { id: show(program) },
        }
    }

    pub(super) fn fact(&mut self) -> Fact {
        let on = *self.dice.pick(&SLOTS);
        let on = slot(on);
        let id = caller(&self.someone());
        let showing = match self.dice.below(4) {
            0 => Showing::Idle,
            1 => Showing::Armed { caller: id.clone() },
            2 => Showing::Caller { caller: id.clone() },
            _ => Showing::Frozen { caller: id.clone() },
        };
        match self.dice.below(20) {
            0..=11 => {
                self.session += 1;
                // Late news of an older session now and then.
                let late = u64::try_from(self.dice.below(2) * self.dice.below(40)).unwrap();
                let session = SessionId(self.session.saturating_sub(late));
                Fact::MediaUp {
                    caller: id,
                    session,
                    audio: true,
                    video: self.dice.one_in(2),
                }
            }
            12..=14 => {
                let link = self.state.callers.get(&id).map(|caller| caller.link);
                let session = match link {
                    Some(Link::Up { session, .. }) if !self.dice.one_in(4) => session,
                    _ => SessionId(self.session),
                };
                Fact::MediaDown {
                    caller: id,
                    session,
                }
            }
            15 => Fact::WorkerDown { slot: on },
            16..=17 => Fact::WorkerUp { slot: on, showing },
            _ => Fact::SlotShowing { slot: on, showing },
        }
    }
}
