//! The reference of all keys, for the page and for the terminal.

use super::{Config, Setting};

/// Every key with what holds when nobody sets it, those of entries of lists behind their list.
fn all() -> Vec<Setting> {
    let mut all = Vec::new();
    for mut setting in Config::default().settings() {
        let inside = std::mem::take(&mut setting.inside);
        all.push(setting);
        all.extend(inside);
    }
    all
}

/// The lines between the markers of `docs/settings.md`.
pub fn page() -> String {
    let mut page = "| key | default | takes | what it is |\n|---|---|---|---|\n".to_owned();
    for setting in all() {
        let default = match &setting.value {
            Some(value) => format!("`{value}`"),
            None => setting.unset.to_owned(),
        };
        page.push_str(&format!(
            "| `{}` | {default} | {} | {} |\n",
            setting.key,
            setting.allowed(),
            setting.help
        ));
    }
    page
}

/// The same for a terminal: what has `word` in its key or its explanation, or all.
pub fn text(word: &str) -> String {
    let word = word.to_lowercase();
    let mut text = String::new();
    for setting in all() {
        let about = format!("{} {}", setting.key, setting.help).to_lowercase();
        if !about.contains(&word) {
            continue;
        }
        let default = setting.value.as_deref().unwrap_or(setting.unset);
        text.push_str(&format!(
            "{}  ({}; default: {})\n    {}\n",
            setting.key,
            setting.allowed(),
            default.replace('`', ""),
            setting.help.replace('`', "")
        ));
        if !setting.key.contains("[]") {
            text.push_str(&format!("    {}\n", setting.variable()));
        }
    }
    text
}
