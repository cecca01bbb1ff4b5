//! Files that are to become a backup or a slate.

use std::path::Path;

use booth_proto::v1;
use tonic::Code;

use super::channels::{create, update};
use super::{Booth, admin, assert_refused};
use crate::probe::ProbeError;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    /// A film of so many milliseconds for the fake probe.
    fn film(&self, name: &str, text: &str) -> String {
        let path = self.at(name);
        std::fs::write(&path, text).unwrap();
        path
    }
    fn at(&self, name: &str) -> String {
        let path: &Path = self.0.path();
        path.join(name).to_str().unwrap().to_owned()
    }
}

fn backup(files: &[&str]) -> v1::ChannelSettings {
    v1::ChannelSettings {
        backup: Some(v1::Backup {
            files: files.iter().map(|f| (*f).to_owned()).collect(),
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_backup_is_looked_into_before_it_is_taken() {
    let (booth, files) = (Booth::start().await, Files::new());
    let film = files.film("a.mp4", "4000");
    let song = files.film("song.mp3", "no video");
    let missing = files.at("missing.mp4");
    let dir = files.at(".");
    for (path, why) in [
        (song.as_str(), "no video"),
        (missing.as_str(), "no such file"),
        (dir.as_str(), "directory"),
        ("relative.mp4", "absolute path"),
    ] {
        let bad = v1::CreateChannelRequest {
            settings: Some(backup(&[&film, path])),
            ..create("radio")
        };
        let status = assert_refused(
            booth.channels().create_channel(admin(bad)).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        let text = status.message();
        assert!(text.starts_with("settings.backup.files: "), "{text}");
        assert!(text.contains(why) && text.contains(path), "{text}");
    }
    assert!(booth.rooms.board.state().channels.is_empty());

    let good = v1::CreateChannelRequest {
        settings: Some(v1::ChannelSettings {
            fps: Some(25),
            ..backup(&[&film])
        }),
        ..create("radio")
    };
    let made = booth.channels().create_channel(admin(good)).await.unwrap();
    let channel = made.into_inner().channel.unwrap();
    assert_eq!(
        channel.settings.unwrap().backup.unwrap().files,
        std::slice::from_ref(&film)
    );
    assert_eq!(
        channel.prepared.unwrap().state(),
        v1::prepared::State::Preparing
    );
    // It was asked with the format that the channel gets.
    let asked = booth.probe.asked.lock().unwrap().last().unwrap().clone();
    assert_eq!((asked.0, asked.1.video.fps), (vec![film], 25));
}

#[tokio::test]
async fn a_changed_file_is_another_backup_and_other_changes_look_into_nothing() {
    let (booth, files) = (Booth::start().await, Files::new());
    let film = files.film("a.mp4", "4000");
    booth.new_channel_key("radio").await;
    let set = update("radio", backup(&[&film]));
    booth
        .channels()
        .update_channel(admin(set.clone()))
        .await
        .unwrap();
    let digest = |booth: &Booth| {
        let state = booth.rooms.board.state();
        let channel = &state.channels[&"radio".parse().unwrap()];
        channel.settings.backup.clone().map(|b| b.digest)
    };
    let first = digest(&booth).unwrap();
    assert_eq!(first.len(), 64);
    assert_eq!(booth.probe.times_asked(), 1);

    let fps = v1::ChannelSettings {
        fps: Some(25),
        ..Default::default()
    };
    booth
        .channels()
        .update_channel(admin(update("radio", fps)))
        .await
        .unwrap();
    assert_eq!(
        (booth.probe.times_asked(), digest(&booth).unwrap()),
        (1, first.clone())
    );

    files.film("a.mp4", "40000");
    booth.channels().update_channel(admin(set)).await.unwrap();
    assert_eq!(booth.probe.times_asked(), 2);
    assert_ne!(digest(&booth).unwrap(), first);

    let none = update("radio", backup(&[]));
    booth.channels().update_channel(admin(none)).await.unwrap();
    assert_eq!((booth.probe.times_asked(), digest(&booth)), (2, None));
}

#[tokio::test]
async fn a_repeat_gets_its_answer_even_when_the_file_is_gone_since() {
    let (booth, files) = (Booth::start().await, Files::new());
    let film = files.film("a.mp4", "4000");
    let make = v1::CreateChannelRequest {
        settings: Some(backup(&[&film])),
        request_id: "r1".into(),
        ..create("radio")
    };
    let set = v1::UpdateChannelRequest {
        request_id: "r2".into(),
        ..update("radio", backup(&[&film, &film]))
    };
    let made = booth.channels().create_channel(admin(make.clone())).await;
    let changed = booth.channels().update_channel(admin(set.clone())).await;
    let (made, changed) = (made.unwrap().into_inner(), changed.unwrap().into_inner());
    std::fs::remove_file(&film).unwrap();
    let again = booth
        .channels()
        .create_channel(admin(make))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.revision, &again.key), (made.revision, &made.key));
    let again = booth
        .channels()
        .update_channel(admin(set))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, changed);
    assert_eq!(booth.probe.times_asked(), 2);
}

#[tokio::test]
async fn a_slate_is_a_png_or_a_jpeg() {
    let (booth, files) = (Booth::start().await, Files::new());
    booth.new_channel_key("radio").await;
    let slate = |path: String| {
        update(
            "radio",
            v1::ChannelSettings {
                slate: Some(path),
                ..Default::default()
            },
        )
    };
    let text = files.film("a.txt", "hello");
    for bad in [text, files.at("missing.png")] {
        let status = assert_refused(
            booth.channels().update_channel(admin(slate(bad))).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(
            status.message().starts_with("settings.slate: "),
            "{status:?}"
        );
    }
    let png = files.at("a.png");
    std::fs::write(&png, b"\x89PNG\r\n\x1a\n").unwrap();
    for path in [png, String::new()] {
        booth
            .channels()
            .update_channel(admin(slate(path.clone())))
            .await
            .unwrap();
        let settings = booth.channel_named("radio").await.settings.unwrap();
        assert_eq!(settings.slate, Some(path));
    }
}

#[tokio::test]
async fn a_check_tells_what_would_be_done_to_each_file() {
    let (booth, files) = (Booth::start().await, Files::new());
    let one = files.film("a.mp4", "1500");
    let two = files.film("b.mp4", "2500");
    let check = |files: &[&str], channel: &str| v1::CheckBackupRequest {
        files: files.iter().map(|f| (*f).to_owned()).collect(),
        channel: channel.into(),
    };
    let told = booth
        .channels()
        .check_backup(admin(check(&[&one, &two], "")))
        .await
        .unwrap()
        .into_inner();
    assert!((told.duration_s - 4.0).abs() < 1e-9, "{told:?}");
    assert_eq!(
        (told.files.len(), told.files[1].path.as_str()),
        (2, two.as_str())
    );
    assert_eq!(told.files[0].changes, ["scaled to 1280x720"]);

    let missing = files.at("c.mp4");
    for (request, field) in [
        (check(&[], ""), "files"),
        (check(&[&missing], ""), "files"),
        (check(&vec![one.as_str(); 101], ""), "files"),
        (check(&[&one], "slots/1"), "channel"),
    ] {
        let status = assert_refused(
            booth.channels().check_backup(admin(request)).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(
            status.message().starts_with(&format!("{field}: ")),
            "{status:?}"
        );
    }
    assert_refused(
        booth
            .channels()
            .check_backup(admin(check(&[&one], "channels/nope")))
            .await,
        Code::NotFound,
        "CHANNEL_NOT_FOUND",
    );
}

#[tokio::test]
async fn trouble_with_the_check_itself_is_not_the_file_s_fault() {
    let (booth, files) = (Booth::start().await, Files::new());
    let film = files.film("a.mp4", "4000");
    for (trouble, code, why) in [
        (ProbeError::TimedOut, Code::DeadlineExceeded, "TIMED_OUT"),
        (
            ProbeError::Failed("crashed".into()),
            Code::Internal,
            "CHECK_FAILED",
        ),
    ] {
        *booth.probe.trouble.lock().unwrap() = Some(trouble);
        let make = v1::CreateChannelRequest {
            settings: Some(backup(&[&film])),
            ..create("radio")
        };
        assert_refused(
            booth.channels().create_channel(admin(make)).await,
            code,
            why,
        );
    }
    assert!(booth.rooms.board.state().channels.is_empty());
}
