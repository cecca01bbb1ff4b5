//! Manual pages and helps: one for every command, with its examples.

use std::path::Path;

use crate::run::{booth, finish};

#[tokio::test]
async fn every_command_has_a_page_that_man_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("man1");
    finish(booth(&["man", "--dir", into.to_str().unwrap()]))
        .await
        .exits(0)
        .says("pages");
    let mut pages: Vec<String> = std::fs::read_dir(&into)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for page in [
        "booth.1",
        "booth-slot.1",
        "booth-slot-take.1",
        "booth-doctor.1",
        "booth-destination-add.1",
    ] {
        assert!(pages.contains(&page.to_owned()), "{page}: {pages:?}");
    }
    assert!(pages.len() > 70, "{}", pages.len());
    for page in &pages {
        let text = std::fs::read_to_string(into.join(page)).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
    let take = std::fs::read_to_string(into.join("booth-slot-take.1")).unwrap();
    assert!(take.contains("booth slot take 1 \\-\\-next"), "{take}");
}

#[tokio::test]
async fn one_page_goes_to_stdout_and_an_unknown_command_has_none() {
    let page = finish(booth(&["man", "slot", "take"]))
        .await
        .exits(0)
        .stdout;
    assert!(page.contains("BOOTH-SLOT-TAKE"), "{page}");
    let again = finish(booth(&["man", "slot", "take"]))
        .await
        .exits(0)
        .stdout;
    assert_eq!(page, again, "the same program makes the same page");
    finish(booth(&["man", "slot", "fly"])).await.exits(3);
}

#[tokio::test]
async fn help_ends_with_examples() {
    let help = finish(booth(&["slot", "take", "--help"]))
        .await
        .exits(0)
        .stdout;
    assert!(
        help.contains("Examples:\n  booth slot take 1 --next --wait"),
        "{help}"
    );
}

/// Colours are for terminals: what goes to a file has no escapes, also where the environment asks for colours.
#[tokio::test]
async fn nothing_that_goes_to_a_file_has_colours() {
    for args in [
        &["--help"][..],
        &["slot", "take", "--help"],
        &["slot", "fly"],
    ] {
        let mut command = booth(args);
        command.env("TERM", "xterm-256color");
        let done = finish(command).await;
        assert!(
            !done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'),
            "{done:?}"
        );
    }
    assert!(Path::new(env!("CARGO_BIN_EXE_booth")).exists());
}
