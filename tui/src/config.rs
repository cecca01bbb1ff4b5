//! `[console]` of `config.toml`. What is wrong in it is told with file, line, key and what is allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::action::{ACTIONS, Action};
use crate::detect;
use crate::key::sequence;
use crate::keymap::Keymap;
use crate::settings::{Colors, Settings};

/// Other tables belong to the rest of the command line; one that nobody knows would be ignored by everybody.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    console: Console,
    #[serde(default, rename = "context")]
    _context: IgnoredAny,
    #[serde(default, rename = "contexts")]
    _contexts: IgnoredAny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Console {
    immediate: Option<bool>,
    arm_seconds: Option<Spanned<f64>>,
    fade_ms: Option<Spanned<u32>>,
    pictures: Option<Spanned<String>>,
    theme: Option<Spanned<String>>,
    colors: Option<Spanned<String>>,
    borders: Option<Spanned<String>>,
    mouse: Option<bool>,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, Spanned<Keys>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {why}")]
    Read { path: String, why: String },
    /// Where, which key, and what is allowed.
    #[error("{path}:{line}: {why}")]
    At {
        path: String,
        line: usize,
        why: String,
    },
}

/// `$XDG_CONFIG_HOME/booth/config.toml`, or below `~/.config`.
pub fn default_path(get: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").filter(|p| p.is_absolute());
    let base = base.or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(base.join("booth").join("config.toml"))
}

/// What the environment tells, and what the file says otherwise. A file that is not there says nothing, unless it was asked
/// for by name.
pub fn load(
    path: Option<&Path>,
    asked: bool,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, ConfigError> {
    let text = match path.map(std::fs::read_to_string) {
        None => String::new(),
        Some(Ok(text)) => text,
        Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound && !asked => String::new(),
        Some(Err(error)) => {
            let path = path.map(|p| p.display().to_string()).unwrap_or_default();
            return Err(ConfigError::Read {
                path,
                why: error.to_string(),
            });
        }
    };
    let path = path.map(|p| p.display().to_string()).unwrap_or_default();
    parse(&path, &text, get)
}

pub fn parse(
    path: &str,
    text: &str,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, ConfigError> {
    let at = |span: std::ops::Range<usize>, why: String| ConfigError::At {
        path: path.to_owned(),
        line: text
            .get(..span.start)
            .map_or(1, |before| before.matches('\n').count() + 1),
        why,
    };
    let file: File = toml::from_str(text).map_err(|e| {
        let message = e.message();
        // Of the file itself: those of the console's own tables are others.
        let why = match message.ends_with("expected one of `console`, `context`, `contexts`") {
            true => format!(
                "{message}; the console's settings stand in [console], its keys in [console.keys]"
            ),
            false => message.to_owned(),
        };
        at(e.span().unwrap_or(0..0), why)
    })?;
    let console = file.console;
    let mut settings = Settings {
        colors: detect::colors(get),
        ascii: detect::ascii(get),
        pictures: detect::pictures(get),
        ..Settings::default()
    };
    settings.immediate = console.immediate.unwrap_or(settings.immediate);
    settings.mouse = console.mouse.unwrap_or(settings.mouse);
    if let Some(seconds) = console.arm_seconds {
        if !(1.0..=30.0).contains(seconds.get_ref()) {
            return Err(at(
                seconds.span(),
                "console.arm_seconds: 1 to 30 is allowed".into(),
            ));
        }
        settings.arm_ms = (seconds.get_ref() * 1_000.0) as u64;
    }
    if let Some(fade) = console.fade_ms {
        if *fade.get_ref() > 10_000 {
            return Err(at(
                fade.span(),
                "console.fade_ms: 0 to 10000 is allowed".into(),
            ));
        }
        settings.fade_ms = *fade.get_ref();
    }
    let word = |key: &str, value: &Option<Spanned<String>>, allowed: &[&str]| match value {
        None => Ok(None),
        Some(value) => match allowed.iter().position(|a| a == value.get_ref()) {
            Some(n) => Ok(Some(n)),
            None => Err(at(
                value.span(),
                format!(
                    "console.{key}: {:?} is not one of {}",
                    value.get_ref(),
                    allowed.join(", ")
                ),
            )),
        },
    };
    let pictures = word("pictures", &console.pictures, &["auto", "on", "off"])?;
    settings.pictures_auto = !matches!(pictures, Some(1 | 2));
    if !settings.pictures_auto {
        settings.pictures = pictures == Some(1);
    }
    settings.light = word("theme", &console.theme, &["dark", "light"])? == Some(1);
    let no_color = get("NO_COLOR").is_some_and(|v| !v.is_empty());
    let colors = word(
        "colors",
        &console.colors,
        &["auto", "truecolor", "256", "16", "mono"],
    )?;
    // NO_COLOR is the stronger wish: it is set for the session.
    match colors.filter(|_| !no_color) {
        Some(1) => settings.colors = Colors::True,
        Some(2) => settings.colors = Colors::Indexed,
        Some(3) => settings.colors = Colors::Ansi,
        Some(4) => settings.colors = Colors::Mono,
        _ => {}
    }
    match word("borders", &console.borders, &["auto", "unicode", "ascii"])? {
        Some(1) => settings.ascii = false,
        Some(2) => settings.ascii = true,
        _ => {}
    }
    let mut changes = BTreeMap::new();
    for (name, keys) in &console.keys {
        let action = Action::from_name(name.get_ref()).ok_or_else(|| {
            let known: Vec<_> = ACTIONS.iter().map(|spec| spec.name).collect();
            at(
                name.span(),
                format!(
                    "console.keys: there is no action {:?}; there are {}",
                    name.get_ref(),
                    known.join(", ")
                ),
            )
        })?;
        let texts = match keys.get_ref() {
            Keys::One(text) => std::slice::from_ref(text),
            Keys::Many(texts) => texts,
        };
        let sequences = texts.iter().map(|text| sequence(text));
        let sequences = sequences.collect::<Result<Vec<_>, _>>();
        let sequences = sequences.map_err(|bad| {
            at(
                keys.span(),
                format!("console.keys.{}: {bad}", name.get_ref()),
            )
        })?;
        changes.insert(action, sequences);
    }
    settings.keymap = Keymap::remapped(&changes).map_err(|clash| {
        let name = clash.action.spec().name;
        let found = console.keys.keys().find(|key| key.get_ref() == name);
        at(
            found.map_or(0..0, Spanned::span),
            format!("console.keys.{name}: {}", clash.why),
        )
    })?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        parse("config.toml", text, &none).unwrap_err().to_string()
    }

    #[test]
    fn what_is_set_is_taken() {
        let text = "[context.studio]\nserver = 'x'\n[console]\nimmediate = true\narm_seconds = 5.0\ntheme = \"light\"\ncolors = \"16\"\nborders = \"ascii\"\n[console.keys]\ntake = [\"ctrl-t\", \"f2\"]\ndrop = []\n";
        let settings = parse("config.toml", text, &none).unwrap();
        assert!(settings.immediate && settings.light && settings.ascii);
        assert_eq!((settings.arm_ms, settings.colors), (5_000, Colors::Ansi));
        assert_eq!(settings.keymap.all(Action::Take), ["ctrl-t", "f2"]);
        assert_eq!(settings.keymap.shown(Action::Drop), "");
    }

    #[test]
    fn a_mistake_is_told_with_file_line_key_and_what_is_allowed() {
        // The line of the key that clashes, wherever it stands among others.
        let said = refused("[console.keys]\napprove = \"f2\"\ntake = \"h\"\nchat = \"f3\"\n");
        assert!(
            said.starts_with("config.toml:3: console.keys.take: ") && said.contains("hold"),
            "{said}"
        );
        let said = refused("[console]\n\nthemes = \"dark\"\n");
        assert!(
            said.starts_with("config.toml:3: ")
                && said.contains("themes")
                && said.contains("theme"),
            "{said}"
        );
        let said = refused("[console]\ntheme = \"blue\"\n");
        assert_eq!(
            said,
            "config.toml:2: console.theme: \"blue\" is not one of dark, light"
        );
        let said = refused("[console]\narm_seconds = 0.1\n");
        assert!(said.contains(":2:") && said.contains("1 to 30"), "{said}");
        let said = refused("[console.keys]\ntake = \"tt\"\n");
        assert!(
            said.contains(":2:") && said.contains("console.keys.take") && said.contains("ctrl-"),
            "{said}"
        );
        let said = refused("[console.keys]\n# a comment\ntakke = \"t\"\n");
        assert!(
            said.contains(":3:") && said.contains("takke") && said.contains("take-over"),
            "{said}"
        );
        let said = refused("[console.keys]\ntake = \"a\"\n");
        assert!(said.contains("approve"), "{said}");
        let said = refused("[console\n");
        assert!(said.starts_with("config.toml:1: "), "{said}");
    }

    #[test]
    fn what_stands_in_the_wrong_table_is_not_passed_over() {
        let said = refused("# mine\n[keys]\ntake = \"ctrl-t\"\n");
        assert!(
            said.starts_with("config.toml:2: ")
                && said.contains("`keys`")
                && said.contains("[console.keys]"),
            "{said}"
        );
        let said = refused("theme = \"light\"\n");
        assert!(
            said.contains("`theme`") && said.contains("[console]"),
            "{said}"
        );
        let text = "context = \"a\"\n[contexts.a]\nserver = \"x\"\n";
        assert_eq!(parse("c", text, &none).map(|_| ()), Ok(()));
    }

    #[test]
    fn pictures_that_were_asked_for_are_not_measured() {
        let over_ssh = |name: &str| {
            let known = [("TERM", "xterm"), ("SSH_CONNECTION", "a 1 b 22")];
            known.iter().find(|k| k.0 == name).map(|k| k.1.to_owned())
        };
        for (text, shown, measured) in [
            ("", false, true),
            ("[console]\npictures = \"auto\"\n", false, true),
            ("[console]\npictures = \"on\"\n", true, false),
            ("[console]\npictures = \"off\"\n", false, false),
        ] {
            let settings = parse("c", text, &over_ssh).unwrap();
            let found = (settings.pictures, settings.pictures_auto);
            assert_eq!(found, (shown, measured), "{text}");
        }
    }

    #[test]
    fn no_color_is_stronger_than_the_file() {
        let get = |name: &str| (name == "NO_COLOR").then(|| "1".to_owned());
        let settings = parse("c", "[console]\ncolors = \"truecolor\"\n", &get).unwrap();
        assert_eq!(settings.colors, Colors::Mono);
    }

    #[test]
    fn the_file_is_where_the_desktop_says() {
        let get = |name: &str| (name == "XDG_CONFIG_HOME").then(|| "/x".to_owned());
        assert_eq!(
            default_path(&get),
            Some(PathBuf::from("/x/booth/config.toml"))
        );
        let get = |name: &str| (name == "HOME").then(|| "/h".to_owned());
        assert_eq!(
            default_path(&get),
            Some(PathBuf::from("/h/.config/booth/config.toml"))
        );
    }
}
