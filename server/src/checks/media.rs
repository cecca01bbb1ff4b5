//! GStreamer and libsrt, looked at by a child: boothd itself loads neither.

use std::process::Stdio;
use std::time::Duration;

use booth_media::{Lacking, Survey};
use tokio::process::Command;

use super::Found;
use crate::config::Config;

pub(super) type Media = Survey;

/// A registry that has to be scanned anew takes seconds.
const LOOK_WITHIN: Duration = Duration::from_secs(15);
const SETUP: &str = "apt-get install gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav";

pub async fn look(config: &Config) -> Result<Media, String> {
    let binary = match &config.workers.binary {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(|e| e.to_string())?,
    };
    let child = Command::new(binary)
        .arg("check-media")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        // A time-out ends it.
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LOOK_WITHIN, child)
        .await
        .map_err(|_| format!("no answer within {} s", LOOK_WITHIN.as_secs()))?
        .map_err(|e| e.to_string())?;
    // Libraries may have their say before it.
    let mut lines = output.stdout.rsplit(|byte| *byte == b'\n');
    let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_slice(last).map_err(|_| {
        format!(
            "the process that looks ended with {} and no answer",
            output.status
        )
    })
}

pub fn gstreamer(media: &Result<Media, String>) -> Vec<Found> {
    let media = match media {
        Ok(media) => media,
        Err(why) => return vec![unusable(why)],
    };
    let mut found = Vec::new();
    if media.new_enough {
        found.push(Found::ok(format!(
            "GStreamer {}, {} of {} elements",
            media.gstreamer,
            media.elements - media.lacking.len(),
            media.elements
        )));
    } else {
        found.push(Found::failed(
            format!("GStreamer {} is too old", media.gstreamer),
            "1.22 (Debian 12) is the oldest that booth works with: upgrade the system",
        ));
    }
    found.extend(media.lacking.iter().map(lacking));
    found
}

fn lacking(it: &Lacking) -> Found {
    let text = match &it.version {
        None => "it is missing".to_owned(),
        Some(version) => format!("it is of {version}, and 1.22 is the oldest that works"),
    };
    let mend = format!(
        "apt-get install {}; if that is installed, delete ~/.cache/gstreamer-1.0 of boothd's user",
        it.package
    );
    Found::failed(text, mend).about(format!("elements/{}", it.element))
}

fn unusable(why: &str) -> Found {
    Found::failed(format!("GStreamer cannot be used: {why}"), SETUP)
}

pub fn libsrt(media: &Result<Media, String>) -> Vec<Found> {
    vec![match media {
        Ok(media) => match &media.srt {
            Ok(version) => Found::ok(format!("libsrt {version}")),
            Err(why) => Found::failed(
                why.clone(),
                "apt-get install --only-upgrade libsrt1.5-gnutls gstreamer1.0-plugins-bad",
            ),
        },
        Err(why) => unusable(why),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn well() -> Media {
        Media {
            gstreamer: "1.22.0".into(),
            new_enough: true,
            elements: 33,
            lacking: Vec::new(),
            srt: Ok("1.5.1".into()),
            clock_kept: Some(true),
        }
    }

    #[test]
    fn each_lacking_element_names_the_package_to_install() {
        let mut media = well();
        media.lacking = vec![Lacking {
            element: "x264enc".into(),
            package: "gstreamer1.0-plugins-ugly".into(),
            version: None,
        }];
        let found = gstreamer(&Ok(media));
        assert_eq!(found[1].subject, "elements/x264enc");
        assert_eq!(found[1].verdict, Verdict::Failed);
        assert!(found[1].mend.contains("gstreamer1.0-plugins-ugly"));
    }

    #[test]
    fn an_old_library_fails_and_says_so_in_its_own_words() {
        let media = Media {
            srt: Err("libsrt 1.4.4 is too old".into()),
            ..well()
        };
        assert_eq!(libsrt(&Ok(media))[0].text, "libsrt 1.4.4 is too old");
        assert_eq!(libsrt(&Ok(well()))[0].verdict, Verdict::Ok);
        assert_eq!(gstreamer(&Err("no".into()))[0].verdict, Verdict::Failed);
    }
}
