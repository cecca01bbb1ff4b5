//! `docs/console.md` says what the program does.

#[test]
fn the_page_lists_every_key_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once("<!-- keys -->\n").expect("the marker");
    let (_, after) = rest.split_once("<!-- /keys -->").expect("the end marker");
    let wanted = format!(
        "{before}<!-- keys -->\n\n{}<!-- /keys -->{after}",
        booth_tui::docs::keys()
    );
    if std::env::var_os("BOOTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, wanted,
        "docs/console.md is out of date: run this test once with BOOTH_UPDATE_DOCS=1"
    );
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
