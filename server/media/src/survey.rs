//! What this machine has of what units need: GStreamer, its elements, libsrt, and a clock that somebody keeps right.
//! Backs `boothd check-media`, a short-lived child of boothd, which loads none of it itself.

use serde::{Deserialize, Serialize};

use crate::version::check_srt;

/// The oldest GStreamer that booth is made for.
const OLDEST: (u32, u32) = (1, 22);

/// Every element that units make, with the Debian package that has it.
const ELEMENTS: &[(&str, &str)] = &[
    ("aacparse", "gstreamer1.0-plugins-good"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("avdec_aac", "gstreamer1.0-libav"),
    ("avdec_h264", "gstreamer1.0-libav"),
    ("avdec_h265", "gstreamer1.0-libav"),
    ("avenc_aac", "gstreamer1.0-libav"),
    ("capsfilter", "libgstreamer1.0-0"),
    ("decodebin", "gstreamer1.0-plugins-base"),
    ("deinterlace", "gstreamer1.0-plugins-good"),
    ("fakesink", "libgstreamer1.0-0"),
    ("filesrc", "libgstreamer1.0-0"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("matroskademux", "gstreamer1.0-plugins-good"),
    ("openh264enc", "gstreamer1.0-plugins-bad"),
    ("opusdec", "gstreamer1.0-plugins-base"),
    ("opusenc", "gstreamer1.0-plugins-base"),
    ("parsebin", "gstreamer1.0-plugins-base"),
    ("queue", "libgstreamer1.0-0"),
    ("rtph264depay", "gstreamer1.0-plugins-good"),
    ("rtpjitterbuffer", "gstreamer1.0-plugins-good"),
    ("rtpopusdepay", "gstreamer1.0-plugins-good"),
    ("rtpvp8depay", "gstreamer1.0-plugins-good"),
    ("srtsink", "gstreamer1.0-plugins-bad"),
    ("srtsrc", "gstreamer1.0-plugins-bad"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("videoscale", "gstreamer1.0-plugins-base"),
    ("vp8dec", "gstreamer1.0-plugins-good"),
    ("vp8enc", "gstreamer1.0-plugins-good"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
];

/// An element that cannot be had as it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    pub element: String,
    /// Debian package that has it.
    pub package: String,
    /// The plug-in's version, when it is there but too old.
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// `1.22.0`.
    pub gstreamer: String,
    /// Whether that is new enough.
    pub new_enough: bool,
    /// How many elements were looked for.
    pub elements: usize,
    pub lacking: Vec<Lacking>,
    /// `1.5.1`, or why the library cannot be used.
    pub srt: Result<String, String>,
    /// Whether the kernel's clock follows a time server; nothing when the kernel does not tell.
    pub clock_kept: Option<bool>,
}

/// Looks, in this process.
///
/// # Errors
/// When GStreamer itself does not start.
pub fn survey() -> Result<Survey, String> {
    gst::init().map_err(|error| error.to_string())?;
    let (major, minor, micro, _) = gst::version();
    Ok(Survey {
        gstreamer: format!("{major}.{minor}.{micro}"),
        new_enough: (major, minor) >= OLDEST,
        elements: ELEMENTS.len(),
        lacking: ELEMENTS.iter().filter_map(lacking).collect(),
        srt: check_srt()
            .map(|v| format!("{}.{}.{}", v >> 16, v >> 8 & 255, v & 255))
            .map_err(|error| error.to_string()),
        clock_kept: clock_kept(),
    })
}

fn lacking((element, package): &(&str, &str)) -> Option<Lacking> {
    use gst::prelude::PluginFeatureExt as _;
    let lacks = |version| {
        Some(Lacking {
            element: (*element).to_owned(),
            package: (*package).to_owned(),
            version,
        })
    };
    let Some(factory) = gst::ElementFactory::find(element) else {
        return lacks(None);
    };
    let version = factory.plugin()?.version();
    let mut numbers = version.split('.').map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => lacks(Some(version.to_string())),
        _ => None,
    }
}

/// `adjtimex(2)` without a change: whether something keeps the clock.
fn clock_kept() -> Option<bool> {
    // SAFETY: zeroed is a valid timex (plain integers) that asks for no change; the kernel only writes into it.
    let (answer, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex)
    };
    (answer >= 0).then_some(answer != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_that_builds_booth_lacks_nothing() {
        let found = survey().unwrap();
        assert!(found.new_enough, "{found:?}");
        assert_eq!(found.lacking, []);
        assert!(found.srt.is_ok(), "{:?}", found.srt);
    }

    #[test]
    fn an_element_that_is_not_there_names_its_package() {
        gst::init().unwrap();
        let missing = lacking(&("no-such-element", "gstreamer1.0-plugins-none")).unwrap();
        assert_eq!(missing.package, "gstreamer1.0-plugins-none");
        assert_eq!(missing.version, None);
    }

    /// The list is what the crate's own sources ask for, so that a new element cannot be forgotten.
    #[test]
    fn every_element_that_units_make_is_looked_for() {
        fn sources(dir: &std::path::Path, into: &mut String) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    sources(&path, into);
                } else {
                    into.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut all = String::new();
        sources(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut all,
        );
        let call = concat!("make", "(\"");
        let made = all
            .split(call)
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for element in made {
            count += 1;
            assert!(
                ELEMENTS.iter().any(|(known, _)| *known == element),
                "{element} is not in ELEMENTS"
            );
        }
        assert!(count > 20, "the sources are read: {count}");
    }
}
