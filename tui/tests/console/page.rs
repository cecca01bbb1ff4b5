//! `docs/console.md` and the console's part of `docs/settings.md` say what the program does.

/// What stands between the page's markers of that name is what the program says.
#[track_caller]
fn assert_generated(page: &str, marker: &str, said: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let written = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {marker} -->\n"),
        format!("<!-- /{marker} -->"),
    );
    let (before, rest) = written.split_once(&begin).expect("the marker");
    let (_, after) = rest.split_once(&end).expect("the end marker");
    let wanted = format!("{before}{begin}\n{said}{end}{after}");
    if std::env::var_os("BOOTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, wanted,
        "docs/{page} is out of date: run this test once with BOOTH_UPDATE_DOCS=1"
    );
}

#[test]
fn the_page_lists_every_key_of_the_table() {
    assert_generated("console.md", "keys", &booth_tui::docs::keys());
}

#[test]
fn the_reference_of_settings_has_the_console_s_too() {
    assert_generated(
        "settings.md",
        "console",
        &format!("{}\n", booth_tui::docs::settings()),
    );
}

#[test]
fn the_reference_has_every_key_that_is_read_with_the_default_that_holds() {
    let parse = |text: &str| booth_tui::config::parse("config.toml", text, &|_| None);
    let unknown = parse("[console]\nno-such-key = 1\n")
        .unwrap_err()
        .to_string();
    let (_, expected) = unknown.split_once("expected").unwrap();
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let mut documented = booth_tui::docs::SETTINGS.map(|row| row[0]).to_vec();
    documented.push("keys");
    assert_eq!(documented, known);
    let nothing = parse("").unwrap();
    for [key, default, ..] in booth_tui::docs::SETTINGS {
        let given = parse(&format!("[console]\n{key} = {default}\n")).unwrap();
        assert_eq!(given, nothing, "{key}");
    }
}

/// The example in the page is one that is taken.
#[test]
fn the_settings_in_the_page_are_read() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let settings = booth_tui::config::parse("docs/console.md", example, &|_| None).unwrap();
    assert_eq!(
        settings.keymap.shown(booth_tui::action::Action::Take),
        "ctrl-t"
    );
}
