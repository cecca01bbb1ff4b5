//! Keys while something stands in front of the view.

use crate::command::{Command, Effect};
use crate::key::{Code, Key};
use crate::model::line::Line;
use crate::model::modal::{Does, Modal, Write};
use crate::model::{Model, Tone};

use super::facts::changed;
use super::send::{Intent, arm, not_done, notice, seen, send, unseen};
use super::{bulk, palette};

pub fn key(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    // Whoever wants out of the program wants out of this first.
    let key = match key {
        Key {
            code: Code::Char('c'),
            ctrl: true,
            ..
        } => Key::plain(Code::Esc),
        key => key,
    };
    let Some(modal) = model.modal.take() else {
        return;
    };
    match modal {
        Modal::Help { offset } => help(model, key, offset),
        Modal::Palette { line, picked } => palette::key(model, key, line, picked, effects),
        Modal::Filter { mut line, before } => match key.code {
            Code::Esc => model.list_mut().filter = before,
            Code::Enter => {}
            Code::Up | Code::Down => {
                model
                    .list_mut()
                    .step(if key.code == Code::Up { -1 } else { 1 });
                model.modal = Some(Modal::Filter { line, before });
            }
            _ => {
                line.key(key);
                model.list_mut().filter = line.text.clone();
                model.modal = Some(Modal::Filter { line, before });
            }
        },
        Modal::Write {
            what,
            callers,
            marked,
            mut line,
        } => match key.code {
            Code::Esc => {}
            Code::Enter => written(model, what, callers, marked, line, effects),
            _ => {
                line.key(key);
                model.modal = Some(Modal::Write {
                    what,
                    callers,
                    marked,
                    line,
                });
            }
        },
        Modal::Confirm {
            command,
            sentence,
            names,
            seen,
            mut line,
        } => match key.code {
            Code::Esc => notice(model, Tone::Plain, "cancelled".into()),
            Code::Enter => {
                let intent = Intent::new(command, sentence);
                confirmed(model, intent, names, seen, line, effects);
            }
            _ => {
                line.key(key);
                model.modal = Some(Modal::Confirm {
                    command,
                    sentence,
                    names,
                    seen,
                    line,
                });
            }
        },
        Modal::Many {
            bulk,
            sentence,
            mut line,
        } => match key.code {
            Code::Esc => notice(model, Tone::Plain, "cancelled".into()),
            Code::Enter if means(&line, &bulk.name()) => bulk::start(model, bulk, effects),
            code => {
                match code {
                    Code::Enter => wrong_name(model),
                    _ => drop(line.key(key)),
                }
                model.modal = Some(Modal::Many {
                    bulk,
                    sentence,
                    line,
                });
            }
        },
        Modal::Choose { title, items } => {
            let picked = items
                .iter()
                .find(|item| key == Key::char(item.key))
                .cloned();
            match (picked, key.code) {
                (Some(item), _) => chosen(model, item.does, effects),
                (None, Code::Esc) => {}
                (None, _) => model.modal = Some(Modal::Choose { title, items }),
            }
        }
        Modal::Invite { url } => match key.code {
            Code::Esc | Code::Enter | Code::Char('q') => {}
            _ => model.modal = Some(Modal::Invite { url }),
        },
    }
}

pub fn chosen(model: &mut Model, does: Does, effects: &mut Vec<Effect>) {
    match does {
        Does::Command { command, sentence } => arm(model, Intent::new(command, sentence), effects),
        Does::Quit => effects.push(Effect::Quit),
        Does::Nothing => {}
    }
}

fn written(
    model: &mut Model,
    what: Write,
    callers: Vec<String>,
    marked: bool,
    line: Line,
    effects: &mut Vec<Effect>,
) {
    let text = line.text.trim().to_owned();
    if text.is_empty() {
        if what == Write::Reject {
            // It ends calls: an Enter too many is no reason. The line says what is.
            model.modal = Some(Modal::Write {
                what,
                callers,
                marked,
                line,
            });
        }
        return;
    }
    if marked {
        return bulk::ask_written(model, what, callers, &text);
    }
    let Some(caller) = callers.into_iter().next() else {
        return;
    };
    let who = model.who(&caller);
    let intent = match what {
        Write::Reject => {
            let named = model.names_of(&caller).iter().any(|n| means(&line, n));
            let reason = if named { String::new() } else { text };
            Intent::new(Command::Reject { caller, reason }, format!("reject {who}"))
        }
        Write::Chat => Intent::new(Command::Chat { caller, text }, format!("message to {who}")),
        Write::Note => Intent::new(Command::Note { caller, text }, format!("note on {who}")),
    };
    send_checked(model, intent, effects);
}

/// Whether a name was typed, in whatever case.
fn means(line: &Line, name: &str) -> bool {
    let typed = line.text.trim().to_lowercase();
    !typed.is_empty() && typed == name.trim().to_lowercase()
}

fn wrong_name(model: &mut Model) {
    let text = "that is not the name: nothing was done (Esc leaves)";
    notice(model, Tone::Bad, text.into());
}

fn confirmed(
    model: &mut Model,
    intent: Intent,
    names: Vec<String>,
    relied_on: String,
    line: Line,
    effects: &mut Vec<Effect>,
) {
    if seen(model, &intent.command) != relied_on {
        let why = changed(model, &intent.command);
        return not_done(model, &intent.sentence, &why);
    }
    if names.iter().any(|name| means(&line, name)) {
        return send_checked(model, intent, effects);
    }
    wrong_name(model);
    model.modal = Some(Modal::Confirm {
        command: intent.command,
        sentence: intent.sentence,
        names,
        seen: relied_on,
        line,
    });
}

/// A pop-up may have stood there while the link went.
fn send_checked(model: &mut Model, intent: Intent, effects: &mut Vec<Effect>) {
    if let Some(why) = unseen(model) {
        return not_done(model, &intent.sentence, why);
    }
    send(model, intent, effects);
}

fn help(model: &mut Model, key: Key, offset: usize) {
    let page = usize::from(model.height / 2);
    let offset = match key.code {
        Code::Esc | Code::Enter | Code::Char('q' | '?') => return,
        Code::Down | Code::Char('j') => offset + 1,
        Code::Up | Code::Char('k') => offset.saturating_sub(1),
        Code::PageDown | Code::Char(' ') => offset + page,
        Code::PageUp => offset.saturating_sub(page),
        Code::Home | Code::Char('g') => 0,
        Code::End | Code::Char('G') => usize::MAX,
        _ => offset,
    };
    let offset = offset.min(crate::view::help::last_offset(model));
    model.modal = Some(Modal::Help { offset });
}

/// Into whatever is being typed; elsewhere a paste is no row of keys.
pub fn paste(model: &mut Model, text: &str) {
    match &mut model.modal {
        Some(Modal::Palette { line, picked }) => {
            line.insert(text);
            *picked = 0;
        }
        Some(
            Modal::Write { line, .. } | Modal::Confirm { line, .. } | Modal::Many { line, .. },
        ) => line.insert(text),
        Some(Modal::Filter { line, .. }) => {
            line.insert(text);
            let filter = line.text.clone();
            model.list_mut().filter = filter;
        }
        _ => {}
    }
}
