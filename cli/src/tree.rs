//! The command tree as it is parsed and documented: what the derive makes of `args`, with examples, and with ids that are
//! completed by the server.

mod examples;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::ArgValueCompleter;

use crate::args::Cli;
use crate::complete;

pub fn command() -> Command {
    dress(Cli::command(), "")
}

/// The same with its flags hidden: what is hidden is offered only where nothing else fits, so that an empty word brings ids
/// and not twenty flags, and a `-` brings the flags.
pub fn for_completion() -> Command {
    behind(command())
}

fn behind(command: Command) -> Command {
    command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_args(|arg| match arg.is_positional() {
            true => arg,
            false => arg.hide(true),
        })
        .mut_subcommands(behind)
}

/// `path` is what was typed before, without `booth`: `slot take`.
fn dress(mut command: Command, path: &str) -> Command {
    // A command that has more to say at its end says it itself.
    let own = command.get_after_help().is_some();
    if let Some(examples) = examples::of(path).filter(|_| !own) {
        command = command.after_help(format!("Examples:\n{examples}"));
    }
    // All at once: to change one alone moves it behind the others.
    command
        .mut_args(|arg| match completer(path, &arg) {
            Some(completer) => arg.add(completer),
            None => arg,
        })
        .mut_subcommands(|sub| {
            let below = match path {
                "" => sub.get_name().to_owned(),
                _ => format!("{path} {}", sub.get_name()),
            };
            dress(sub, &below)
        })
}

/// What an argument names is told by its place-holder, and for NAME by the noun.
fn completer(path: &str, arg: &Arg) -> Option<ArgValueCompleter> {
    let (noun, verb) = path.split_once(' ').unwrap_or((path, ""));
    let id = arg.get_id().as_str();
    // A new one has no name yet.
    let new = matches!(
        (noun, id),
        ("slot", "slot") | ("show", "show") | ("channel", "channel")
    ) && verb == "create"
        || matches!((noun, verb), ("destination", "add") | ("operator", "add")) && id != "channel"
        || (noun, verb) == ("context", "add") && id != "token_file";
    let value = arg.get_value_names()?.first()?.as_str();
    if new {
        return None;
    }
    Some(match value {
        "CALLER" => ArgValueCompleter::new(complete::callers),
        "SLOT" => ArgValueCompleter::new(complete::slots),
        "SHOW" => ArgValueCompleter::new(complete::shows),
        "CHANNEL" => ArgValueCompleter::new(complete::channels),
        "CONTEXT" => ArgValueCompleter::new(complete::contexts),
        "INVITE" => ArgValueCompleter::new(complete::invites),
        "NAME" if noun == "destination" => ArgValueCompleter::new(complete::destinations),
        "NAME" if noun == "operator" => ArgValueCompleter::new(complete::operators),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_can_be_typed() {
        fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
            let mut below = command.get_subcommands().peekable();
            if below.peek().is_none() {
                all.push(path.to_owned());
            }
            for sub in below {
                let path = format!("{path} {}", sub.get_name());
                leaves(sub, path.trim(), all);
            }
        }
        let mut all = Vec::new();
        leaves(&command(), "", &mut all);
        assert!(all.len() > 50, "{all:?}");
        for path in &all {
            let examples = examples::of(path).unwrap_or_else(|| panic!("{path} has no example"));
            let mut own = false;
            for line in examples.lines().filter(|line| !line.trim().is_empty()) {
                let typed = line.split("  #").next().unwrap_or_default().trim();
                // What the shell would keep for itself.
                let typed = typed
                    .split([';', '|', '>'])
                    .next()
                    .unwrap_or_default()
                    .trim();
                let typed = typed
                    .split("$(")
                    .last()
                    .unwrap_or_default()
                    .trim_end_matches(')');
                let words = words(typed);
                let words = words.iter().skip_while(|word| *word != "booth");
                let parsed = command().try_get_matches_from(words);
                let help = |e: &clap::Error| e.exit_code() == 0;
                assert!(
                    parsed.as_ref().err().is_none_or(help),
                    "{path}: {typed}: {:?}",
                    parsed.err().map(|e| e.to_string())
                );
                own |= typed.contains(&format!("booth {path}"));
            }
            assert!(own, "no example of {path} is about it");
        }
    }

    /// Words of a shell line; quotes keep blanks.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' | '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn ids_are_completed_where_they_name_what_is_there_and_nowhere_else() {
        let completed = |path: &[&str], id: &str| {
            let mut command = command();
            for name in path {
                command = command.find_subcommand(name).unwrap().clone();
            }
            let mut all = command.get_arguments();
            let arg = all.find(|arg| arg.get_id() == id).unwrap();
            arg.get::<ArgValueCompleter>().is_some()
        };
        assert!(completed(&["slot", "take"], "slot"));
        assert!(completed(&["slot", "take"], "caller"));
        assert!(completed(&["slot", "create"], "show"));
        assert!(completed(&["destination", "add"], "channel"));
        assert!(completed(&["destination", "enable"], "destination"));
        assert!(completed(&["operator", "token"], "operator"));
        assert!(completed(&["channel", "check"], "channel"));
        assert!(!completed(&["slot", "create"], "slot"));
        assert!(!completed(&["destination", "add"], "destination"));
        assert!(!completed(&["operator", "add"], "operator"));
    }
}
