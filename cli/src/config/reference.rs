//! The keys of contexts in `docs/settings.md`. The console's own come from `booth-tui`.

use super::*;

/// Key, default, what it takes, what it is.
const KEYS: [[&str; 4]; 4] = [
    [
        "context",
        "none",
        "name",
        "The context in use; `booth context use NAME` sets it.",
    ],
    [
        "contexts.NAME.server",
        "has to be given",
        "URL",
        "Where boothd's API is.",
    ],
    [
        "contexts.NAME.token_file",
        "none",
        "path",
        "File with the token, absolute or beside `config.toml`; `booth login NAME` makes it.",
    ],
    [
        "contexts.NAME.ca_file",
        "none",
        "path",
        "PEM file of authorities to trust beside the system's, for an `https://` server; `--ca` comes before it.",
    ],
];

#[test]
fn the_page_of_settings_has_the_keys_of_contexts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once("<!-- contexts -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /contexts -->").unwrap();
    let mut rows = "| key | default | takes | what it is |\n|---|---|---|---|\n".to_owned();
    for [key, default, takes, help] in KEYS {
        rows.push_str(&format!("| `{key}` | {default} | {takes} | {help} |\n"));
    }
    let wanted = format!("{before}<!-- contexts -->\n\n{rows}\n<!-- /contexts -->{after}");
    if std::env::var_os("BOOTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, wanted,
        "docs/settings.md is out of date: run this test once with BOOTH_UPDATE_DOCS=1"
    );
}

/// By what serde reads.
#[test]
fn every_key_of_contexts_has_its_row_and_no_other() {
    let keys = |text: &str| {
        let failure = parse(Path::new("config.toml"), text).unwrap_err();
        let (_, expected) = failure.message.split_once("expected").unwrap();
        let names = expected.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let top = keys("no-such-key = 1\n").into_iter();
    let mut known: Vec<String> = top
        .filter(|key| key != "contexts" && key != "console")
        .collect();
    let of_one = keys("[contexts.a]\nserver = \"x\"\nno-such-key = 1\n").into_iter();
    known.extend(of_one.map(|key| format!("contexts.NAME.{key}")));
    assert_eq!(KEYS.map(|row| row[0].to_owned()).to_vec(), known);
}
