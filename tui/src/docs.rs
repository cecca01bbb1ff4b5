//! The parts of `docs/console.md` that come from the program: every key, and every name that `config.toml` takes.

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
