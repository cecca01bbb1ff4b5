use std::os::unix::fs::PermissionsExt;

use super::*;

fn format() -> Format {
    Format {
        mode: ChannelMode::Copy,
        video: VideoSettings::default(),
    }
}

/// A stand-in for the binary.
fn script(dir: &Path, body: &str) -> Children {
    let path = dir.join("boothd");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Children::new(path)
}

async fn checked(children: &Children, files: &[&str]) -> Result<Vec<CheckedFile>, ProbeError> {
    let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
    children.check(&files, &format()).await
}

#[tokio::test]
async fn a_child_is_given_format_and_files_and_its_answer_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let said = dir.path().join("said");
    let children = script(
        dir.path(),
        &format!(
            r#"echo "$@" > {}; echo "libva info: hello"; echo '{{"files":[{{"path":"/a.mp4","duration_ms":1500,"video":"H.264","audio":"","changes":["silence"]}}]}}'"#,
            said.display()
        ),
    );
    let found = checked(&children, &["/a.mp4"]).await.unwrap();
    assert_eq!((found.len(), found[0].duration_ms), (1, 1_500));
    assert_eq!(found[0].changes, ["silence"]);
    let said = std::fs::read_to_string(said).unwrap();
    assert_eq!(said.trim(), "check-files --format 1280x720@30 -- /a.mp4");
}

#[tokio::test]
async fn a_refusal_names_the_file_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let children = script(
        dir.path(),
        r#"echo '{"refused":{"path":"/a.mp3","why":"it has no video: give a file with a picture"}}'"#,
    );
    let error = checked(&children, &["/a.mp3"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#""/a.mp3": it has no video: give a file with a picture"#
    );
}

#[tokio::test]
async fn what_is_not_about_a_file_is_the_server_s_fault_in_the_child_s_words() {
    let dir = tempfile::tempdir().unwrap();
    let children = script(dir.path(), r#"echo '{"failed":"no GStreamer here"}'"#);
    let error = checked(&children, &["/a.mp4"]).await.unwrap_err();
    assert_eq!(error, ProbeError::Failed("no GStreamer here".into()));
}

#[test]
fn the_format_is_written_as_the_child_reads_it() {
    for mode in [ChannelMode::Copy, ChannelMode::Transcode] {
        let format = Format { mode, ..format() };
        let read: booth_media::CheckFormat = format.argument().parse().unwrap();
        assert_eq!(
            (read.width, read.height, read.fps, read.copy),
            (1280, 720, 30, mode == ChannelMode::Copy)
        );
    }
}

#[test]
fn the_child_s_own_part_refuses_a_file_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt").to_str().unwrap().to_owned();
    std::fs::write(&path, "hello").unwrap();
    let said = answer(
        std::slice::from_ref(&path),
        booth_media::CheckFormat::default(),
    );
    let Answer::Refused { path: named, why } = said else {
        panic!("{said:?}");
    };
    assert_eq!(named, path);
    assert!(!why.is_empty() && !why.contains(&path), "{why}");
}

#[tokio::test]
async fn a_child_that_crashes_or_talks_nonsense_is_the_server_s_fault_and_not_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    for body in ["exit 3", "echo nonsense", "kill -SEGV $$"] {
        let children = script(dir.path(), body);
        let error = checked(&children, &["/a.mp4"]).await.unwrap_err();
        assert!(matches!(error, ProbeError::Failed(_)), "{body}: {error:?}");
    }
    let children = Children::new(dir.path().join("not-there"));
    let error = checked(&children, &["/a.mp4"]).await.unwrap_err();
    assert!(matches!(error, ProbeError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_child_that_says_too_much_is_not_held_up_and_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let children = script(
        dir.path(),
        "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2",
    );
    let error = checked(&children, &["/a.mp4"]).await.unwrap_err();
    assert!(matches!(error, ProbeError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_and_the_next_has_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let mut children = script(
        dir.path(),
        &format!("echo $$ > {}; exec sleep 600", pid.display()),
    );
    children.within = Duration::from_millis(300);
    for _ in 0..3 {
        let error = checked(&children, &["/a.mp4"]).await.unwrap_err();
        assert_eq!(error, ProbeError::TimedOut);
    }
    let pid = std::fs::read_to_string(pid).unwrap();
    let proc = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    // Killed, and then reaped by the runtime.
    let gone = async {
        loop {
            match std::fs::read_to_string(&proc) {
                Ok(stat) if !stat.contains(") Z ") => tokio::task::yield_now().await,
                _ => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("the child is still there");
}

#[tokio::test]
async fn at_most_two_children_run_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let body = format!(
        r#"echo + >> {log}; sleep 0.2; echo - >> {log}; echo '{{"files":[]}}'"#,
        log = log.display()
    );
    let children = script(dir.path(), &body);
    let all = (0..6).map(|_| checked(&children, &["/a.mp4"]));
    for answer in futures_util::future::join_all(all).await {
        answer.unwrap();
    }
    let log = std::fs::read_to_string(log).unwrap();
    let mut running = 0;
    let most = log.lines().map(|line| {
        running += if line == "+" { 1 } else { -1 };
        running
    });
    assert_eq!((most.max(), log.lines().count()), (Some(2), 12));
}

#[tokio::test]
async fn what_is_no_file_is_told_apart_without_reading_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("secret"), "x").unwrap();
    std::fs::set_permissions(at("secret"), std::fs::Permissions::from_mode(0o000)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let mut cases = vec![
        ("missing", "no such file"),
        ("secret/below", "no such file"),
        (".", "directory"),
        ("empty", "empty"),
        ("pipe", "no ordinary file"),
    ];
    // Root reads everything.
    if File::open(at("secret")).is_err() {
        cases.push(("secret", "may not read"));
    }
    for (name, why) in cases {
        let error = look(vec![at(name)]).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ProbeError::File { .. }), "{name}: {text}");
        assert!(text.contains(why) && text.contains(name), "{name}: {text}");
    }
}

#[tokio::test]
async fn the_digest_changes_with_order_length_and_time_and_with_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a"), "one").unwrap();
    std::fs::write(at("b"), "two").unwrap();
    let (ab, ba) = (vec![at("a"), at("b")], vec![at("b"), at("a")]);
    let first = look(ab.clone()).await.unwrap();
    assert_eq!(look(ab.clone()).await.unwrap(), first);
    assert_ne!(look(ba).await.unwrap(), first);
    let file = File::options().write(true).open(at("b")).unwrap();
    let past = std::time::UNIX_EPOCH + Duration::from_secs(1_000);
    file.set_modified(past).unwrap();
    let touched = look(ab.clone()).await.unwrap();
    assert_ne!(touched, first);
    std::fs::write(at("b"), "three").unwrap();
    let file = File::options().write(true).open(at("b")).unwrap();
    file.set_modified(past).unwrap();
    assert_ne!(look(ab).await.unwrap(), touched);
}

#[tokio::test]
async fn a_picture_is_known_by_its_first_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a.png"), b"\x89PNG\r\n\x1a\n....").unwrap();
    std::fs::write(at("a.jpg"), b"\xff\xd8\xff\xe0....").unwrap();
    std::fs::write(at("fake.png"), b"GIF89a").unwrap();
    look_at_picture(at("a.png")).await.unwrap();
    look_at_picture(at("a.jpg")).await.unwrap();
    let error = look_at_picture(at("fake.png")).await.unwrap_err();
    assert!(error.to_string().contains("PNG"), "{error}");
}
