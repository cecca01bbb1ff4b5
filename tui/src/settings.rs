//! What an operator can set, as the console uses it. Read from `config.toml` by `config.rs`.

use serde::{Deserialize, Serialize};

use crate::keymap::Keymap;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// On-air keys act at once instead of arming first.
    pub immediate: bool,
    /// How long Enter works after an on-air key.
    pub arm_ms: u64,
    pub fade_ms: u32,
    pub read_only: bool,
    pub pictures: bool,
    /// Pictures were left to the console: it measures how far the terminal is.
    #[serde(default)]
    pub pictures_auto: bool,
    pub light: bool,
    pub colors: Colors,
    pub ascii: bool,
    pub mouse: bool,
    pub keymap: Keymap,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            immediate: false,
            arm_ms: 3_000,
            fade_ms: 500,
            read_only: false,
            pictures: true,
            pictures_auto: true,
            light: false,
            colors: Colors::True,
            ascii: false,
            mouse: true,
            keymap: Keymap::default(),
        }
    }
}

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colors {
    True,
    Indexed,
    Ansi,
    Mono,
}
