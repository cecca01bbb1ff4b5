//! The parts of `docs/console.md` and `docs/settings.md` that come from the program: every key of the keyboard, every name that
//! `config.toml` takes, and every key of its table `console`.

use crate::action::{ACTIONS, Group, Right};
use crate::keymap::Keymap;

/// A table per group. The lines between the page's two markers.
pub fn keys() -> String {
    let keymap = Keymap::default();
    let mut page = String::new();
    for group in Group::ALL {
        page.push_str(&format!(
            "### {}\n\n| keys | name | what it does | role |\n|---|---|---|---|\n",
            group.name()
        ));
        for spec in ACTIONS.iter().filter(|spec| spec.group == group) {
            let keys = keymap.all(spec.action);
            let keys = match keys.is_empty() {
                true => "palette".to_owned(),
                false => keys
                    .iter()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            let role = match spec.right {
                Right::Viewer => "",
                Right::Screener => "screener",
                Right::Operator => "operator",
            };
            let air = if spec.on_air { " **On air.**" } else { "" };
            page.push_str(&format!(
                "| {keys} | `{}` | {}.{air} | {role} |\n",
                spec.name, spec.help
            ));
        }
        page.push('\n');
    }
    page
}

/// The keys of `[console]`: default as TOML, what it takes, what it is.
pub const SETTINGS: [[&str; 4]; 8] = [
    [
        "immediate",
        "false",
        "true or false",
        "On-air keys act at once, without Enter.",
    ],
    [
        "arm_seconds",
        "3.0",
        "seconds, from 1 to 30",
        "How long Enter works after an on-air key.",
    ],
    [
        "fade_ms",
        "500",
        "ms, from 0 to 10000",
        "Length of the fade key's fade.",
    ],
    [
        "pictures",
        "\"auto\"",
        "auto, on or off",
        "Callers' pictures; auto: off over SSH and slow links.",
    ],
    [
        "theme",
        "\"dark\"",
        "dark or light",
        "The colours' background.",
    ],
    [
        "colors",
        "\"auto\"",
        "auto, truecolor, 256, 16 or mono",
        "What the terminal can show; `NO_COLOR` means mono.",
    ],
    [
        "borders",
        "\"auto\"",
        "auto, unicode or ascii",
        "auto: by the locale.",
    ],
    [
        "mouse",
        "true",
        "true or false",
        "Rows can be clicked and lists scrolled.",
    ],
];

/// One row per key. The lines between the markers of `docs/settings.md`.
pub fn settings() -> String {
    let mut page = "| key | default | takes | what it is |\n|---|---|---|---|\n".to_owned();
    for [key, default, takes, help] in SETTINGS {
        page.push_str(&format!(
            "| `console.{key}` | `{default}` | {takes} | {help} |\n"
        ));
    }
    page.push_str(
        "| `console.keys.NAME` | see [the console](console.md) | key, or list of keys | Keys of the action; `[]` for none. |\n",
    );
    page
}
