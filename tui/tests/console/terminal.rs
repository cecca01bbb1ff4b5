//! On a real terminal (tmux): what a panic leaves behind.

use std::process::Command;
use std::time::{Duration, Instant};

const ASKED: &str = "BOOTH_TEST_PANIC";

/// Does nothing unless it is started by the test below.
#[test]
fn panics_when_asked() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let _screen = booth_tui::terminal::Screen::take(true).unwrap();
    panic!("the console broke");
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let socket = format!("booth-tui-test-{}", std::process::id());
    let tmux = |args: &[&str]| {
        let out = Command::new("tmux")
            .args(["-L", &socket, "-f", "/dev/null"])
            .args(args)
            .output();
        let out = out.expect("tmux is installed by scripts/setup.sh test");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let own = std::env::current_exe().unwrap();
    let command = format!(
        "'{}' --exact terminal::panics_when_asked --nocapture; echo left $?; stty -a; exec sleep 100",
        own.display()
    );
    tmux(&[
        "new-session",
        "-d",
        "-s",
        "t",
        "-x",
        "150",
        "-y",
        "50",
        "-e",
        &format!("{ASKED}=1"),
        "-e",
        "RUST_BACKTRACE=0",
        &command,
    ]);
    let end = Instant::now() + Duration::from_secs(20);
    let screen = loop {
        let screen = tmux(&["capture-pane", "-p", "-t", "t"]);
        if screen.contains("left ") && screen.contains("icanon") {
            break screen;
        }
        assert!(Instant::now() < end, "{screen}");
        std::thread::yield_now();
    };
    let modes = tmux(&[
        "display-message",
        "-p",
        "-t",
        "t",
        "#{alternate_on} #{mouse_any_flag} #{cursor_flag}",
    ]);
    tmux(&["kill-server"]);
    assert!(
        screen.contains("the console broke"),
        "what it says is on the real screen: {screen}"
    );
    assert!(
        !screen.contains("-icanon") && !screen.contains("left 0"),
        "{screen}"
    );
    assert_eq!(modes.trim(), "0 0 1");
}
