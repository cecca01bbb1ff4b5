//! A key press, as people write it: `t`, `J`, `ctrl-z`, `space`, `pgdn`, `f5`. Own types, so that recordings and key
//! scripts do not depend on the terminal library.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// As typed: upper case is `Char('J')`, never shift and `Char('j')`.
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub code: Code,
    pub ctrl: bool,
    pub alt: bool,
}

impl Key {
    pub const fn plain(code: Code) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
        }
    }

    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }
}

const NAMED: &[(&str, Code)] = &[
    ("space", Code::Char(' ')),
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("shift-tab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("del", Code::Delete),
    ("ins", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pgup", Code::PageUp),
    ("pgdn", Code::PageDown),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "f{n}"),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no key: write one character (t, J, /), or space, enter, esc, tab, shift-tab, backspace, del, ins, up, down, left, right, home, end, pgup, pgdn, f1 to f12, each also after ctrl- or alt-"
)]
pub struct BadKey(pub String);

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut rest = text;
        let (mut ctrl, mut alt) = (false, false);
        loop {
            // `ctrl--` is ctrl and minus.
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|a| !a.is_empty()) {
                (ctrl, rest) = (true, after);
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|a| !a.is_empty()) {
                (alt, rest) = (true, after);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => Some(Code::Char(c)),
            (Some('f'), Some('1'..='9')) => rest
                .get(1..)
                .and_then(|n| n.parse().ok())
                .filter(|n| (1..=12).contains(n))
                .map(Code::F),
            _ => NAMED
                .iter()
                .find(|(name, _)| *name == rest)
                .map(|(_, code)| *code),
        };
        let code = code.ok_or_else(|| BadKey(text.chars().take(24).collect()))?;
        Ok(Self { code, ctrl, alt })
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Keys one after the other: `g q`.
pub fn sequence(text: &str) -> Result<Vec<Key>, BadKey> {
    let keys: Vec<Key> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if keys.is_empty() || keys.len() > 3 {
        return Err(BadKey(text.chars().take(24).collect()));
    }
    Ok(keys)
}

pub fn show_sequence(keys: &[Key]) -> String {
    let keys: Vec<String> = keys.iter().map(Key::to_string).collect();
    keys.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_shown() {
        for text in [
            "t",
            "J",
            "/",
            "-",
            "ctrl-z",
            "ctrl--",
            "alt-x",
            "space",
            "shift-tab",
            "pgdn",
            "f1",
            "f12",
            "f",
            "é",
            "ctrl-alt-del",
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_says_what_is() {
        for text in ["", " ", "ctrl-", "f13", "f0", "tt", "\u{1b}", "strg-x"] {
            let error = text.parse::<Key>().unwrap_err().to_string();
            assert!(
                error.contains("ctrl-") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
    }
}
