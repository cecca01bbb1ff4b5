//! `docs/api.md`, line by line: each block of shell in it is run by bash against a real server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use booth_tests::{Booth, bin, wait_for};

/// The fenced `sh` blocks of a page, each with the line it begins on.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```sh") => open = Some((number + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block does not end");
    blocks
}

#[test]
fn every_line_of_the_api_page_works_as_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = blocks(&page);
    let curls = blocks.iter().map(|(_, text)| text.matches("curl ").count());
    assert!(curls.sum::<usize>() >= 10, "{blocks:#?}");
    // What a reader may copy alone is inside the blocks: nothing with curl escapes the test.
    let inside: usize = blocks
        .iter()
        .map(|(_, text)| text.matches("curl -").count())
        .sum();
    assert_eq!(
        page.matches("curl -").count(),
        inside,
        "curl outside of ```sh"
    );

    let booth = Booth::start();
    booth.wait_for_workers();
    let _callers = booth.demo(1, &[]);
    booth.wait_connected("caller 1");
    wait_for(
        "a caller whose picture can be taken",
        Duration::from_secs(30),
        || {
            let caller = booth.caller_named("caller 1")?;
            (caller["hasVideo"] == true).then_some(())
        },
    );

    // One shell for all, as a reader has: variables stay. Every failed line ends it, and says where.
    let mut script = String::from(
        "set -euo pipefail\ntrap 'echo \"failed in the block at line $at: $BASH_COMMAND\" >&2' ERR\n",
    );
    for (line, text) in &blocks {
        // The page has the usual port; the test's server has another.
        let text = text.replace(
            "http://127.0.0.1:7400",
            &format!("http://127.0.0.1:{}", booth.setup.grpc),
        );
        script.push_str(&format!("at={line}\n{text}"));
    }
    let work = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let binaries = bin("booth").parent().unwrap().to_owned();
    let log = work.path().join("log");
    let file = work.path().join("script");
    std::fs::write(&file, script).unwrap();
    let mut shell = Command::new("bash")
        .arg(&file)
        .current_dir(work.path())
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("BOOTH_TOKEN_FILE", booth.data().join("admin.token"))
        .env(
            "BOOTH_SERVER",
            format!("http://127.0.0.1:{}", booth.setup.grpc),
        )
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&log).unwrap())
        .stderr(std::fs::File::options().append(true).open(&log).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    let status = wait_for("end of the page's script", Duration::from_secs(125), || {
        if Instant::now() > end {
            let _ = shell.kill();
        }
        shell.try_wait().unwrap()
    });
    let told = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    assert!(status.success(), "{status}\n{told}");
}
