//! Callers' pictures on terminals of each kind, and on those that answer nothing, late, or rubbish.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use booth_tests::glass::{Glass, Way, differ};
use booth_tests::terminal::*;
use booth_tests::{Booth, Demo, wait_for};

use crate::SOON;

const NOW: Duration = Duration::ZERO;
const KITTY_SAYS: &[Answer] = &[
    (STATUS, STATUS_IS, NOW),
    (CELL, CELL_IS, NOW),
    (ATTRIBUTES, "\x1b[?62;52;c", NOW),
    (KITTY, KITTY_IS, NOW),
];
const FOOT_SAYS: &[Answer] = &[
    (STATUS, STATUS_IS, NOW),
    (CELL, CELL_IS, NOW),
    (ATTRIBUTES, "\x1b[?62;4;22;29c", NOW),
];
const ITERM2_SAYS: &[Answer] = &[
    (STATUS, STATUS_IS, NOW),
    (CELL, CELL_IS, NOW),
    (ATTRIBUTES, "\x1b[?62;22c", NOW),
];
/// Cells that a picture of 320x180 has where a cell has 10x20.
const CELLS: usize = 32 * 9;
/// Of 255: what JPEG, 256 colours of a sixel palette and a second of movement may make of an average.
const ALIKE: f64 = 16.0;

/// One caller who is READY, and so has a picture.
fn ready() -> (Booth, String, Demo) {
    let booth = Booth::start();
    booth.wait_for_workers();
    let demo = booth.demo(1, &[]);
    let id = booth.wait_connected("caller 1");
    booth.cli(&["caller", "approve", &id]);
    wait_for("a picture of the caller", SOON, || tile(&booth, &id));
    (booth, id, demo)
}

fn tile(booth: &Booth, caller: &str) -> Option<image::DynamicImage> {
    let file = booth.dir.path().join("tile.jpg");
    let args = ["caller", "tile", caller, "--out", file.to_str().unwrap()];
    booth.cli_output(&args).status.success().then(|| {
        let bytes = std::fs::read(&file).unwrap();
        image::load_from_memory(&bytes).unwrap()
    })
}

fn configured(booth: &Booth, text: &str) {
    let dir = booth.dir.path().join("booth");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.toml"), text).unwrap();
}

fn recorded(file: &Path, word: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|l| l.contains(word)).count()
}

#[test]
fn every_kind_of_terminal_gets_the_picture_in_its_own_way_and_keeps_nothing_of_it() {
    let (booth, caller, _demo) = ready();
    configured(&booth, "[console]\npictures = \"on\"\n");
    for (way, says, env) in [
        (Way::Kitty, KITTY_SAYS, ("TERM", "xterm-kitty")),
        (Way::Sixel, FOOT_SAYS, ("TERM", "foot")),
        (Way::Iterm2, ITERM2_SAYS, ("TERM_PROGRAM", "iTerm.app")),
    ] {
        let session = booth.dir.path().join(format!("{way:?}.jsonl"));
        let args = ["--record", session.to_str().unwrap()];
        let mut terminal = Terminal::open(&booth, says, &[env], &args);
        terminal.wait_for(&["main ● LIVE", "armed ✓"], SOON);
        assert_eq!(terminal.look(Glass::pictured), 0);
        terminal.keys(" ");
        terminal.wait_for(&["history", "quality"], SOON);
        wait_for("the caller's picture", SOON, || {
            let (by, picture) = terminal.look(|g| g.last.clone())?;
            assert_eq!((by, picture.width(), picture.height()), (way, 320, 180));
            let theirs = tile(&booth, &caller)?;
            (differ(&picture, &theirs) <= ALIKE).then_some(())
        });
        // The measure measures: a picture that is another one is none.
        let (_, picture) = terminal.look(|g| g.last.clone()).unwrap();
        assert!(differ(&picture, &picture.rotate180()) > ALIKE, "{way:?}");
        let pictured = |cells: usize| {
            let what = format!("{cells} cells of {way:?}");
            wait_for(&what, SOON, || {
                (terminal.look(Glass::pictured) == cells).then_some(())
            });
        };
        pictured(CELLS);

        // Nothing of it is left over another view, and it is there again.
        terminal.keys("ga");
        terminal.wait_for(&["armed ✓"], SOON);
        pictured(0);
        terminal.keys(" ");
        terminal.wait_for(&["history"], SOON);
        pictured(CELLS);

        // What lies over the card stays whole while newer pictures come.
        terminal.keys("?");
        terminal.wait_for(&["j k scroll"], SOON);
        let before = recorded(&session, "\"picture\"");
        wait_for("newer pictures", SOON, || {
            (recorded(&session, "\"picture\"") >= before + 2).then_some(())
        });
        terminal.keys("j");
        terminal.wait_for(&["j k scroll"], SOON);
        pictured(0);
        terminal.keys("q");
        pictured(CELLS);
        let after = terminal.look(Glass::text);
        assert!(!after.contains("j k scroll"), "{after}");
        // A third one comes within a second or two: it takes the place of the first.
        wait_for("a third picture", SOON, || {
            terminal.look(|g| (g.pictures >= 3).then_some(()))
        });
        let names = terminal.look(|g| g.names.len());
        assert!(names <= 2, "{names}");
        terminal.quit();
        wait_for("no name left", SOON, || {
            terminal.look(|g| g.names.is_empty()).then_some(())
        });
    }
}

/// What a console on such a terminal starts with, and which keys it saw: none but the one that is typed after every answer.
struct Odd {
    booth: Booth,
}

impl Odd {
    fn start(config: &str) -> Self {
        let booth = Booth::start();
        configured(&booth, config);
        Self { booth }
    }

    #[track_caller]
    fn opens(&self, name: &str, says: &'static [Answer], said: &[&str]) -> String {
        let session: PathBuf = self.booth.dir.path().join(format!("{name}.jsonl"));
        let args = ["--record", session.to_str().unwrap()];
        let mut terminal = Terminal::open(&self.booth, says, &[("TERM", "xterm-kitty")], &args);
        let screen = terminal.wait_for(&[&["? help"], said].concat(), SOON);
        assert!(
            recorded(&session, "\"start\"") == 1,
            "the console is open, and recorded"
        );
        terminal.all_said(SOON);
        let asked = terminal.asked();
        assert!(says.iter().all(|s| asked.contains(&s.0)), "{asked:?}");
        terminal.keys("?");
        terminal.wait_for(&["j k scroll"], SOON);
        assert!(terminal.raw(), "{name}");
        assert_eq!(recorded(&session, "\"key\""), 1, "{name}");
        terminal.keys("q");
        terminal.quit();
        screen
    }
}

#[test]
fn a_terminal_that_answers_nothing_late_or_rubbish_starts_without_pictures_and_no_answer_is_a_key()
{
    let odd = Odd::start("");
    let off = ["pictures are off, for the terminal does not answer"];
    odd.opens("silent", &[], &off);
    const LATE: &[Answer] = &[(STATUS, STATUS_IS, Duration::from_millis(900))];
    odd.opens("late", LATE, &off);
    const RUBBISH: &str =
        "\x1b[?1;2cq t\x1b]11;rgb:0000/0000/0000\x07q\r\x1b[0;0;0;0;0m\x1b_what\x1b\\q";
    odd.opens("rubbish", &[(STATUS, RUBBISH, NOW)], &off);
    // Near, but with its mind elsewhere when it is asked for its way.
    const AFTER: Duration = Duration::from_millis(1_500);
    // Asked for, so that it does not hang on a fast first answer. One server at a time.
    drop(odd);
    let odd = Odd::start("[console]\npictures = \"on\"\n");
    odd.opens(
        "late-kitty",
        &[
            (STATUS, STATUS_IS, NOW),
            (KITTY, KITTY_IS, AFTER),
            (ATTRIBUTES, "\x1b[?62;4c", AFTER),
            (CELL, CELL_IS, AFTER),
        ],
        &[],
    );
}

#[test]
fn a_terminal_far_away_starts_without_pictures_unless_they_were_asked_for() {
    let (booth, _, _demo) = ready();
    const FAR: &[Answer] = &[(STATUS, STATUS_IS, Duration::from_millis(80))];
    let term = [("TERM", "xterm-256color")];
    let mut terminal = Terminal::open(&booth, FAR, &term, &[]);
    let said = [
        "pictures are off, for the terminal is ",
        " ms away: : pictures switches them on",
    ];
    terminal.wait_for(&said, SOON);
    terminal.wait_for(&["armed ✓"], SOON);
    terminal.keys(" ");
    terminal.wait_for(&["history"], SOON);
    terminal.keys(":");
    terminal.wait_for(&[" command "], SOON);
    terminal.keys("pictures\r");
    terminal.wait_for(&["pictures are shown"], SOON);
    terminal.wait_for(&["▀▀"], SOON);
    terminal.quit();

    configured(&booth, "[console]\npictures = \"on\"\n");
    let terminal = Terminal::open(&booth, FAR, &term, &[]);
    terminal.wait_for(&["armed ✓"], SOON);
    assert_eq!(terminal.asked(), [""; 0]);
    terminal.keys(" ");
    let screen = terminal.wait_for(&["▀▀"], SOON);
    assert!(!screen.contains("pictures are off"), "{screen}");
}

/// Words of a picture that say the same each time it is made: no numbers, levels, or ids.
fn words(svg: &str) -> BTreeSet<String> {
    let mut text = String::new();
    for part in svg.split('<').skip(1) {
        text.push_str(part.split_once('>').unwrap().1);
        text.push(' ');
    }
    let id = |w: &str| w.len() == 8 && w.starts_with('c');
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| w.len() > 2 && w.chars().all(char::is_alphabetic) && !id(w))
        .map(str::to_owned)
        .collect()
}

/// The pictures of the documentation are of the program as it is: whoever changes a screen is told to make them again.
#[test]
fn the_pictures_in_the_documentation_are_what_their_script_makes() {
    let _alone = booth_tests::alone();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let out = tempfile::tempdir().unwrap();
    let bin = booth_tests::bin("booth");
    let made = std::process::Command::new(root.join("scripts/pictures.sh"))
        .env("BOOTH_BIN_DIR", bin.parent().unwrap())
        .env("PICTURES_OUT", out.path())
        .env("PICTURES_UDP", booth_tests::udp_ports(110).to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    for name in [
        "console-air.svg",
        "console-caller.svg",
        "console-channels.svg",
    ] {
        let read = |dir: &Path| words(&std::fs::read_to_string(dir.join(name)).unwrap());
        let (kept, now) = (read(&root.join("docs/pictures")), read(out.path()));
        assert!(kept.len() > 20, "{name}: {kept:?}");
        let differ: Vec<_> = kept.symmetric_difference(&now).collect();
        // Who joined first and what was measured when says which words there is room for.
        let all = kept.union(&now).count();
        assert!(
            differ.len() * 6 < all,
            "{name} is of another console, in {} of {all} words: {differ:?}; run scripts/pictures.sh",
            differ.len()
        );
    }
}
