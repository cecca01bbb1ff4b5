use std::process::Command;

use proptest::prelude::*;

use super::*;

fn config(asc: &[u8]) -> AudioConfig {
    AudioConfig::from_asc(asc).unwrap()
}

#[test]
fn configurations_of_every_signalling_are_read() {
    for (asc, name, rate, channels, samples) in [
        (&[0x11, 0x90][..], "AAC-LC 48000 Hz stereo", 48_000, 2, 1024),
        (&[0x12, 0x08], "AAC-LC 44100 Hz mono", 44_100, 1, 1024),
        (&[0x11, 0x94], "AAC-LC 48000 Hz stereo", 48_000, 2, 960),
        (&[0x11, 0xB0], "AAC-LC 48000 Hz 5.1", 48_000, 6, 1024),
        // ffmpeg's, with an extension that says that there is no SBR.
        (
            &[0x11, 0x90, 0x56, 0xE5, 0x00],
            "AAC-LC 48000 Hz stereo",
            48_000,
            2,
            1024,
        ),
        // Explicit frequency of 44 100.
        (
            &[0x17, 0x80, 0x56, 0x22, 0x10],
            "AAC-LC 44100 Hz stereo",
            44_100,
            2,
            1024,
        ),
        // SBR first (hierarchical), and behind (backward compatible).
        (
            &[0x2B, 0x11, 0x88, 0x00],
            "HE-AAC 48000 Hz stereo",
            24_000,
            2,
            1024,
        ),
        (
            &[0x13, 0x10, 0x56, 0xE5, 0x98],
            "HE-AAC 48000 Hz stereo",
            24_000,
            2,
            1024,
        ),
        (
            &[0xEB, 0x09, 0x88, 0x00],
            "HE-AAC v2 48000 Hz mono",
            24_000,
            1,
            1024,
        ),
    ] {
        let config = config(asc);
        assert_eq!(config.describe(), name, "{asc:x?}");
        let got = (config.sample_rate, config.channels, config.frame_samples);
        assert_eq!(got, (rate, channels, samples), "{asc:x?}");
    }
    // A frame of HE-AAC lasts as long as 1024 samples of its core.
    assert_eq!(config(&[0x2B, 0x11, 0x88, 0x00]).frame(), 42_666_667);
    assert_eq!(
        config(&[0x2B, 0x11, 0x88, 0x00]).codec_string(),
        "mp4a.40.5"
    );
    assert_eq!(config(&[0x11, 0x90]).codec_string(), "mp4a.40.2");
}

#[test]
fn channels_of_a_program_config_element_are_counted() {
    // LC, 48 kHz, layout 0; PCE: tag 0, LC, 48 kHz, one front pair, nothing else, no mix-downs, no comment.
    let bits = "00010 0011 0000 000 0000 01 0011 0001 0000 0000 00 000 0000 0 0 0 1 0000";
    let mut bits: String = bits.replace(' ', "");
    bits.extend(std::iter::repeat_n('0', (8 - bits.len() % 8) % 8 + 8));
    let asc: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let config = config(&asc);
    assert_eq!(config.describe(), "AAC-LC 48000 Hz stereo");
    assert_eq!(config.adts(100).unwrap()[3] >> 6, 2);
}

#[test]
fn what_is_no_aac_is_named() {
    let of = |asc: &[u8]| AudioConfig::from_asc(asc).unwrap_err();
    assert_eq!(of(&[]), AacError::Missing);
    assert_eq!(of(&[0x11]), AacError::Damaged("AAC configuration"));
    // MP3 in MPEG-4 (34), and a rate index that is reserved.
    assert_eq!(of(&[0xF8, 0x46, 0x40]), AacError::ObjectType(34));
    assert_eq!(of(&[0x16, 0x90]), AacError::Damaged("AAC configuration"));
    // An explicit frequency of zero.
    assert_eq!(
        of(&[0x17, 0x80, 0, 0, 0x10]),
        AacError::Damaged("AAC configuration")
    );
}

#[test]
fn configurations_are_built_with_index_or_frequency() {
    assert_eq!(
        &AudioConfig::aac_lc(48_000, 2).unwrap().asc[..],
        [0x11, 0x90]
    );
    assert_eq!(
        &AudioConfig::aac_lc(44_100, 1).unwrap().asc[..],
        [0x12, 0x08]
    );
    let odd = AudioConfig::aac_lc(50_000, 2).unwrap();
    assert_eq!(
        (odd.asc.len(), odd.sample_rate, odd.channels),
        (5, 50_000, 2)
    );
    assert!(AudioConfig::aac_lc(48_000, 7).is_err() && AudioConfig::aac_lc(48_000, 0).is_err());
}

#[test]
fn differences_are_named_and_other_words_for_the_same_are_none() {
    let (a, b) = (config(&[0x11, 0x90]), config(&[0x12, 0x08]));
    assert_eq!(
        a.differs(&b).unwrap(),
        "sample rate 48000 is not 44100; channels stereo is not mono"
    );
    let same = config(&[0x12, 0x10]).differs(&config(&[0x17, 0x80, 0x56, 0x22, 0x10]));
    assert_eq!(same, None);
    assert_eq!(a.differs(&config(&[0x11, 0x90, 0x56, 0xE5, 0x00])), None);
    assert_eq!(
        config(&[0x13, 0x10])
            .differs(&config(&[0x2B, 0x11, 0x88, 0x00]))
            .unwrap(),
        "codec AAC-LC is not HE-AAC"
    );
}

#[test]
fn adts_headers_read_back() {
    for (asc, length) in [
        (&[0x11, 0x90][..], 341),
        (&[0x12, 0x08], 1),
        (&[0x11, 0xB0], 8_000),
    ] {
        let header = config(asc).adts(length).unwrap();
        let read = Adts::parse(&header).unwrap().unwrap();
        assert_eq!((read.header, read.length), (7, length + 7));
        assert_eq!(read.config, config(asc));
    }
    assert_eq!(Adts::parse(&[0xFF, 0xF1]), Ok(None));
    assert!(Adts::parse(&[0x47; 7]).is_err());
    assert!(config(&[0x11, 0x94]).adts(10).is_err(), "960 samples");
    assert!(AudioConfig::aac_lc(50_000, 2).unwrap().adts(10).is_err());
    assert!(config(&[0x11, 0x90]).adts(8_185).is_err());
}

#[test]
fn silence_is_silent_for_an_independent_decoder_at_every_rate() {
    let folder = tempfile::tempdir().unwrap();
    for (rate, channels) in [
        (48_000, 2u8),
        (48_000, 1),
        (44_100, 2),
        (22_050, 1),
        (8_000, 2),
    ] {
        let config = AudioConfig::aac_lc(rate, channels).unwrap();
        let frame = silence(channels).unwrap();
        let mut stream = Vec::new();
        for _ in 0..20 {
            stream.extend(config.adts(frame.len()).unwrap());
            stream.extend(&frame);
        }
        let path = folder.path().join("silence.aac");
        std::fs::write(&path, stream).unwrap();
        let decoded = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "warning", "-xerror", "-i"])
            .arg(&path)
            .args(["-f", "s16le", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&decoded.stderr).into_owned();
        // It guesses the duration from the bit rate of a raw stream, and says so.
        let trouble: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("Estimating"))
            .collect();
        assert!(
            decoded.status.success() && trouble.is_empty(),
            "{trouble:?}"
        );
        assert_eq!(decoded.stdout.len(), 20 * 1024 * 2 * usize::from(channels));
        assert!(
            decoded.stdout.iter().all(|byte| *byte == 0),
            "{rate} {channels}"
        );
    }
    assert!(silence(6).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_configurations_never_panic_and_stay_in_bounds(
        asc in proptest::collection::vec(any::<u8>(), 0..40),
        layout in any::<bool>(),
    ) {
        let mut asc = asc;
        if layout && asc.len() > 1 {
            // LC with a program config element.
            (asc[0], asc[1]) = (0x11, 0x80 | asc[1] & 7);
        }
        let _ = Adts::parse(&asc);
        if let Ok(config) = AudioConfig::from_asc(&asc) {
            prop_assert!((1..=8).contains(&config.channels));
            prop_assert!((7_000..=192_000).contains(&config.sample_rate) && config.frame() > 0);
            prop_assert_eq!(config.differs(&config), None);
            let _ = (config.describe(), config.codec_string(), config.adts(100));
        }
    }
}
