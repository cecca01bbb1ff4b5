//! Names of a channel's HLS files: its worker writes them, boothd hands them out.

pub const PLAYLIST: &str = "index.m3u8";

/// Segments are named `seg<number>.ts`.
pub(crate) const PREFIX: &str = "seg";

/// The number of a segment of this name.
#[must_use]
pub fn segment(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.strip_suffix(".ts")?;
    // `parse` takes a sign as well.
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use booth_stream::hls::Segmenter;
    use booth_stream::{AccessUnit, AudioConfig, MediaEvent, SECOND, Track, aac};

    use super::*;

    #[test]
    fn what_is_written_is_what_is_handed_out() {
        let mut segmenter = Segmenter::new(PREFIX, 41);
        let sound = AudioConfig::aac_lc(48_000, 2).unwrap();
        let config = MediaEvent::Audio(Arc::new(sound));
        segmenter.push(&config, None).unwrap();
        let mut written = Vec::new();
        for second in 0..4 {
            let unit = MediaEvent::Unit(AccessUnit {
                track: Track::Audio,
                dts: second * SECOND,
                pts: second * SECOND,
                key: true,
                data: aac::silence(2).unwrap(),
            });
            written.extend(segmenter.push(&unit, None).unwrap());
        }
        written.extend(segmenter.finish());
        let numbers: Vec<_> = written.iter().map(|file| segment(&file.name)).collect();
        assert_eq!(numbers, [Some(41), Some(42)]);
        let playlist = segmenter.playlist().unwrap();
        let named = playlist.lines().filter_map(segment);
        assert!(named.eq([41, 42]), "{playlist}");
    }

    #[test]
    fn nothing_else_is_a_segment() {
        for other in [
            "",
            "seg.ts",
            "seg+1.ts",
            "seg-1.ts",
            "seg/../x.ts",
            "seg..ts",
            "../seg1.ts",
            "seg1.ts.tmp",
            ".seg1.ts.part",
            PLAYLIST,
            "Seg1.ts",
            "seg1.m4s",
            "seg 1.ts",
            ".",
            "..",
            "seg99999999999999999999.ts",
        ] {
            assert_eq!(segment(other), None, "{other:?}");
        }
    }
}
