//! The one rule of what asks first, and the asking.
//!
//! What ends a call, takes a running output off air, or destroys what cannot be made again asks whoever sits at a
//! terminal, in a sentence that says what will happen to whom; `--yes` answers it. A script cannot be asked. It goes on
//! where it named one thing that can be begun anew (a call, a run, a key, a link), and has to say `--yes` where more is
//! gone for good.

use std::future::Future;
use std::io::{IsTerminal, Write};

use crate::app::Ctx;
use crate::errors::{Failure, Outcome};
use crate::render::text::scrub;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    DropCaller,
    DropAllCallers,
    RejectCaller,
    DeleteInvite,
    DeleteSlot,
    ReleaseAndDrop,
    DeleteShow,
    DeleteChannel,
    StopChannel,
    RotateKey,
    DisableDestination,
    RemoveDestination,
    RevokeOperator,
    RemoveContext,
    Restore,
}

/// What becomes of it where there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    GoesOn,
    NeedsYes,
}

impl Act {
    /// As it is typed.
    const fn typed(self) -> &'static str {
        self.rule().0
    }

    const fn rule(self) -> (&'static str, Script) {
        use Script::{GoesOn, NeedsYes};
        match self {
            Self::DropCaller => ("caller drop", GoesOn),
            Self::DropAllCallers => ("caller drop --all", NeedsYes),
            Self::RejectCaller => ("caller reject", GoesOn),
            Self::DeleteInvite => ("invite delete", GoesOn),
            Self::DeleteSlot => ("slot delete", NeedsYes),
            Self::ReleaseAndDrop => ("slot release --drop", GoesOn),
            Self::DeleteShow => ("show delete", NeedsYes),
            Self::DeleteChannel => ("channel delete", NeedsYes),
            Self::StopChannel => ("channel stop", GoesOn),
            Self::RotateKey => ("channel rotate-key", GoesOn),
            Self::DisableDestination => ("destination disable", GoesOn),
            Self::RemoveDestination => ("destination remove", NeedsYes),
            Self::RevokeOperator => ("operator revoke", NeedsYes),
            Self::RemoveContext => ("context remove", NeedsYes),
            Self::Restore => ("restore", NeedsYes),
        }
    }
}

pub struct Question {
    /// Whole sentences, the last of them the question.
    text: String,
    /// What has to be typed instead of `y`.
    word: Option<String>,
    /// Of what the answer is about; 0 where a change of it makes no difference.
    revision: u64,
}

impl Question {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            word: None,
            revision: 0,
        }
    }
    /// Many at once are asked for by their number.
    pub fn typed(self, word: String) -> Self {
        Self {
            word: Some(word),
            ..self
        }
    }
    /// What was agreed to holds for this state of it and no other: else the answer could meet somebody else.
    pub fn at(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    fn is_answered_by(&self, line: &str) -> bool {
        let line = line.trim();
        match &self.word {
            Some(word) => line == word,
            None => matches!(line.to_lowercase().as_str(), "y" | "yes"),
        }
    }
}

/// Asks if there is somebody to ask, and gives the revision to expect. `question` is awaited only then; it gives none
/// when nothing is at stake, and then the server says what is the matter.
pub async fn confirm(
    ctx: &Ctx,
    act: Act,
    question: impl Future<Output = Outcome<Option<Question>>>,
) -> Outcome<u64> {
    let expected = ctx.expected_revision();
    if ctx.global.yes {
        return Ok(expected);
    }
    // A question that is not seen is not answered.
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return match act.rule().1 {
            Script::GoesOn => Ok(expected),
            Script::NeedsYes => Err(Failure::usage(format!(
                "booth {} asks before it does anything, and there is nobody to ask",
                act.typed()
            ))
            .reason("CONFIRMATION_NEEDED")
            .next("repeat with --yes")),
        };
    }
    let Some(question) = question.await? else {
        return Ok(expected);
    };
    let how = match &question.word {
        Some(word) => format!("Type {word} to go on: "),
        None => "[y/N] ".to_owned(),
    };
    // What was typed before the question was there is no answer to it.
    let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
    let mut stderr = std::io::stderr();
    // Names are others' words.
    let _ = write!(stderr, "{} {how}", scrub(&question.text));
    let _ = stderr.flush();
    // Off the main task, so that ctrl-c is heard while it waits.
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await;
    match answer {
        Ok(Ok(line)) if question.is_answered_by(&line) => Ok(if expected == 0 {
            question.revision
        } else {
            expected
        }),
        Ok(Ok(_)) => Err(Failure::error("nothing was done").reason("NOT_CONFIRMED")),
        _ => {
            Err(Failure::error("cannot read an answer from the terminal").next("repeat with --yes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    const ALL: &[Act] = &[
        Act::DropCaller,
        Act::DropAllCallers,
        Act::RejectCaller,
        Act::DeleteInvite,
        Act::DeleteSlot,
        Act::ReleaseAndDrop,
        Act::DeleteShow,
        Act::DeleteChannel,
        Act::StopChannel,
        Act::RotateKey,
        Act::DisableDestination,
        Act::RemoveDestination,
        Act::RevokeOperator,
        Act::RemoveContext,
        Act::Restore,
    ];

    /// These read, or what they change can be changed back, or goes on by itself.
    const QUIET: &[&str] = &[
        "status",
        "console",
        "watch",
        "invite create",
        "invite list",
        "caller list",
        "caller get",
        "caller screen",
        "caller approve",
        "caller hold",
        "caller move",
        "caller note",
        "caller mute",
        "caller unmute",
        "caller chat",
        "caller tile",
        "slot list",
        "slot create",
        "slot get",
        "slot update",
        "slot take",
        "slot arm",
        "slot url",
        "slot tile",
        "channel list",
        "channel create",
        "channel get",
        "channel update",
        "channel start",
        "channel force",
        "channel key",
        // The encoder comes back by itself, and the output goes on.
        "channel kick",
        "channel url",
        "channel check",
        "channel drill",
        "destination list",
        "destination add",
        "destination get",
        "destination update",
        "destination enable",
        "destination key",
        "show list",
        "show create",
        "show get",
        "show update",
        "show start",
        "show retry",
        // Nobody who is on the line leaves it.
        "show stop",
        "operator list",
        "operator add",
        "operator token",
        "operator link",
        "operator whoami",
        "context list",
        "context use",
        "context add",
        "login",
        "doctor",
        "backup",
        "demo",
        "completions",
        "man",
        "version",
    ];

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let mut parent = false;
        for one in command.get_subcommands() {
            if one.get_name() == "help" {
                continue;
            }
            parent = true;
            let path = format!("{path} {}", one.get_name());
            leaves(one, path.trim(), found);
        }
        if !parent {
            found.push(path.to_owned());
        }
    }

    #[test]
    fn every_command_of_the_tree_asks_or_is_known_not_to() {
        let mut typed = Vec::new();
        leaves(&tree::command(), "", &mut typed);
        let asking: Vec<&str> = ALL
            .iter()
            .map(|act| act.typed().split(" --").next().unwrap_or_default())
            .collect();
        let mut ruled: Vec<&str> = asking.iter().chain(QUIET).copied().collect();
        ruled.sort_unstable();
        ruled.dedup();
        typed.sort_unstable();
        assert_eq!(typed, ruled);
        for quiet in QUIET {
            assert!(!asking.contains(quiet), "{quiet} does both");
        }
    }

    #[test]
    fn a_script_says_yes_to_what_is_gone_for_good_and_to_nothing_else() {
        let needs = ALL.iter().filter(|act| act.rule().1 == Script::NeedsYes);
        let needs: Vec<&str> = needs.map(|act| act.typed()).collect();
        assert_eq!(
            needs,
            [
                "caller drop --all",
                "slot delete",
                "show delete",
                "channel delete",
                "destination remove",
                "operator revoke",
                "context remove",
                "restore",
            ]
        );
    }

    #[test]
    fn many_are_agreed_to_by_their_number_and_one_by_y() {
        let many = Question::new("All of them?").typed("12".to_owned());
        let one = Question::new("This one?");
        for (line, of_many, of_one) in [
            ("12\n", true, false),
            ("y\n", false, true),
            ("YES\n", false, true),
            ("\n", false, false),
            ("", false, false),
            ("n\n", false, false),
            ("1\n", false, false),
        ] {
            assert_eq!(many.is_answered_by(line), of_many, "{line:?}");
            assert_eq!(one.is_answered_by(line), of_one, "{line:?}");
        }
    }
}
