use proptest::prelude::*;

use super::*;

pub(crate) fn hex(text: &str) -> Bytes {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// From x264 and x265, of every kind that changes the way through the syntax.
const BASELINE: [&str; 2] = ["6742c00cda0507ec0440000003004000000783c50aa8", "68ce0fc8"];
const HIGH: [&str; 2] = [
    "6764001facd9405005bb0110000003001000000303c0f1831960",
    "68ebe3cb22c0",
];
const MAIN_1080: [&str; 2] = [
    "674d4028eca03c0113f2e022000007d20001d4c01e30632c",
    "68ebe3cb20",
];
const INTERLACED_HRD: [&str; 2] = [
    "67640028acd94078044fde022000000300200000064c4c001e848003d09c98601f162d96",
    "68fbacb22c",
];
const HIGH_10: [&str; 2] = [
    "676e001fa6cd940a02ff970110000003001000000640f1831960",
    "68ebe3cb22c0",
];
const HIGH_444: [&str; 2] = [
    "67f4001f919b281405ff3e0220000003002000000c81e30632c0",
    "68ebe3c44844",
];
const MATRIX: [&str; 2] = [
    "6764001eacd940a03db011000003000100000300320f162d96",
    "68ebe3cb3002c0",
];
const HEVC: [&str; 3] = [
    "40010c01ffff016000000300900000030000030078959809",
    "420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84",
    "4401c172b46240",
];
const HEVC_10: [&str; 3] = [
    "40010c01ffff022000000300900000030000030078959809",
    "420101022000000300900000030000030078a00284802d9c92365959a4932bc05a020000030002000003007810",
    "4401c172b46240",
];
const H264_SETS: [[&str; 2]; 7] = [
    BASELINE,
    HIGH,
    MAIN_1080,
    INTERLACED_HRD,
    HIGH_10,
    HIGH_444,
    MATRIX,
];

fn h264(sets: [&str; 2]) -> VideoConfig {
    VideoConfig::from_parameter_sets(&[hex(sets[0])], &[hex(sets[1])]).unwrap()
}

fn h265(sets: [&str; 3]) -> VideoConfig {
    VideoConfig::from_sets(VideoCodec::H265, &sets.map(hex)).unwrap()
}

#[test]
fn sets_of_real_encoders_say_what_was_encoded() {
    let seen = |config: &VideoConfig| {
        (
            config.describe(),
            (config.width, config.height),
            config.fps_milli,
            (config.bit_depth, config.chroma_420),
        )
    };
    let is = |name: &str, size, fps, depth| (name.to_owned(), size, fps, depth);
    let plain = (8, true);
    let expected = [
        is("H.264 Constrained Baseline 1.2", (320, 240), 15_000, plain),
        is("H.264 High 3.1", (1280, 720), 30_000, plain),
        is("H.264 Main 4.0", (1920, 1080), 29_970, plain),
        is("H.264 High 4.0", (1920, 1080), 25_000, plain),
        is("H.264 High 10 3.1", (640, 360), 50_000, (10, true)),
        is(
            "H.264 High 4:4:4 Predictive 3.1",
            (640, 362),
            50_000,
            (8, false),
        ),
        is("H.264 High 3.0", (640, 480), 25_000, plain),
    ];
    assert_eq!(H264_SETS.map(|sets| seen(&h264(sets))), expected);
    assert_eq!(
        seen(&h265(HEVC)),
        is("H.265 Main 4.0", (1920, 1080), 25_000, plain)
    );
    assert_eq!(
        seen(&h265(HEVC_10)),
        is("H.265 Main 10 4.0", (1282, 722), 60_000, (10, true))
    );
}

#[test]
fn reorder_depth_is_none_in_baseline_and_two_with_b_pyramids() {
    assert_eq!(h264(BASELINE).reorder(), Some(0));
    assert_eq!(h264(HIGH).reorder(), Some(2));
    assert_eq!(h264(INTERLACED_HRD).reorder(), Some(2));
    assert_eq!(h265(HEVC).reorder(), Some(2));
    let interlaced = h264::Sps::parse(&hex(INTERLACED_HRD[0])).unwrap();
    assert!(!interlaced.progressive);
}

#[test]
fn mime_strings_are_those_of_rfc_6381() {
    assert_eq!(h264(HIGH).codec_string(), "avc1.64001F");
    assert_eq!(h264(BASELINE).codec_string(), "avc1.42C00C");
    assert_eq!(h265(HEVC).codec_string(), "hvc1.1.6.L120.90");
    assert_eq!(h265(HEVC_10).codec_string(), "hvc1.2.4.L120.90");
}

#[test]
fn records_read_back_and_have_four_byte_lengths() {
    for sets in H264_SETS {
        let config = h264(sets);
        assert_eq!(VideoConfig::from_avcc(&config.record).unwrap(), config);
        assert_eq!(length_size(VideoCodec::H264, &config.record), Ok(4));
        assert_eq!(config.sets(), sets.map(hex));
        // As FLV muxers of old write them: without what High adds, lengths of 2 bytes.
        let mut old = config.record.to_vec();
        old[4] = 0xFD;
        old.truncate(11 + (sets[0].len() + sets[1].len()) / 2);
        assert_eq!(length_size(VideoCodec::H264, &old), Ok(2));
        assert_eq!(VideoConfig::from_avcc(&old).unwrap(), config);
    }
    for sets in [HEVC, HEVC_10] {
        let config = h265(sets);
        assert_eq!(VideoConfig::from_hvcc(&config.record).unwrap(), config);
        assert_eq!(config.sets(), sets.map(hex));
    }
}

#[test]
fn what_is_missing_or_wrong_in_a_record_is_named() {
    let of = |record: &[u8]| VideoConfig::from_avcc(record).unwrap_err().to_string();
    assert_eq!(of(&[]), "there is no AVC configuration record");
    let good = h264(HIGH).record;
    assert_eq!(
        of(&[&[2], &good[1..]].concat()),
        "configuration record of version 2"
    );
    assert_eq!(of(&good[..20]), "damaged AVC configuration record");
    assert_eq!(
        of(&[1, 100, 0, 31, 0xFF, 0xE0, 0]),
        "there is no sequence parameter set"
    );
    let no_pps = VideoConfig::from_parameter_sets(&[hex(HIGH[0])], &[]).unwrap_err();
    assert_eq!(no_pps, ConfigError::Missing("picture parameter set"));
    let many = vec![hex(HIGH[1]); MAX_SETS + 1];
    let many = VideoConfig::from_parameter_sets(&[hex(HIGH[0])], &many).unwrap_err();
    assert_eq!(many, ConfigError::TooMany);
}

#[test]
fn differences_are_named_with_both_values_and_equal_ones_are_none() {
    assert_eq!(h264(HIGH).differs(&h264(HIGH)), None);
    assert_eq!(
        h264(HIGH).differs(&h264(MAIN_1080)).unwrap(),
        "size 1280x720 is not 1920x1080; profile High is not Main; level 3.1 is not 4.0; \
         frame rate 30.000 is not 29.970"
    );
    assert_eq!(
        h265(HEVC).differs(&h265(HEVC_10)).unwrap(),
        "size 1920x1080 is not 1282x722; profile Main is not Main 10; frame rate 25.000 is not 60.000; \
         bit depth 8 is not 10"
    );
    let other_pps =
        VideoConfig::from_parameter_sets(&[hex(HIGH[0])], &[hex(MAIN_1080[1])]).unwrap();
    assert_eq!(
        h264(HIGH).differs(&other_pps).unwrap(),
        "the parameter sets differ in other fields"
    );
}

const IDR: &[u8] = &[0x65, 0x88, 0x84];
const SLICE: &[u8] = &[0x41, 0x9A, 0x02];
const SEI: &[u8] = &[0x06, 0x05, 0x01, 0x80];
const AUD: &[u8] = &[0x09, 0xF0];

fn unit(nals: &[&[u8]]) -> Bytes {
    let mut out = BytesMut::new();
    nals.iter().for_each(|nal| nal::put(nal, &mut out));
    out.freeze()
}

fn stream(nals: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    nals.iter().for_each(|nal| nal::put_annex_b(nal, &mut out));
    out
}

#[test]
fn units_that_need_nothing_are_handed_on_as_they_are() {
    let mut pictures = Pictures::new(VideoCodec::H264);
    let record = h264(HIGH).record;
    assert!(pictures.record(&record).unwrap().is_some());
    assert!(
        pictures.record(&record).unwrap().is_none(),
        "the same again"
    );
    let data = unit(&[SEI, IDR]);
    let picture = pictures.unit(data.clone()).unwrap().unwrap();
    assert_eq!(picture.data.as_ptr(), data.as_ptr());
    assert!(picture.key && picture.config.is_none());
    assert!(!pictures.unit(unit(&[SLICE])).unwrap().unwrap().key);
}

#[test]
fn a_recovery_point_is_no_key() {
    let recovery = &[0x06, 0x06, 0x01, 0x84, 0x80][..];
    assert!(!is_key(VideoCodec::H264, &unit(&[AUD, recovery, SLICE])));
    assert!(is_key(VideoCodec::H264, &unit(&[AUD, SEI, IDR])));
    // CRA is none either; IDR_W_RADL is.
    assert!(!is_key(VideoCodec::H265, &unit(&[&[21 << 1, 1, 7]])));
    assert!(is_key(VideoCodec::H265, &unit(&[&[19 << 1, 1, 7]])));
}

#[test]
fn delimiters_filler_and_known_sets_go_and_the_rest_stays() {
    let mut pictures = Pictures::new(VideoCodec::H264);
    pictures.record(&h264(HIGH).record).unwrap();
    let [sps, pps] = HIGH.map(hex);
    let data = unit(&[AUD, &sps, &pps, SEI, IDR, &[0x0C, 0xFF, 0x80], &[0x0A]]);
    let picture = pictures.unit(data).unwrap().unwrap();
    assert_eq!(picture.data, unit(&[SEI, IDR]));
    assert_eq!(picture.config, None);
    assert_eq!(
        pictures.unit(unit(&[AUD, SEI])).unwrap(),
        None,
        "no picture"
    );
}

#[test]
fn changed_sets_in_band_are_a_new_configuration_before_their_picture() {
    let mut pictures = Pictures::new(VideoCodec::H264);
    let [sps, pps] = HIGH.map(hex);
    let first = stream(&[AUD, &sps, &pps, IDR]);
    let picture = pictures.annex_b(&first).unwrap().unwrap();
    assert_eq!(*picture.config.unwrap(), h264(HIGH));
    assert_eq!(pictures.annex_b(&first).unwrap().unwrap().config, None);
    let [sps, pps] = MAIN_1080.map(hex);
    let picture = pictures
        .annex_b(&stream(&[&sps, &pps, IDR]))
        .unwrap()
        .unwrap();
    assert_eq!(*picture.config.unwrap(), h264(MAIN_1080));
    assert_eq!(picture.data, unit(&[IDR]));
    assert_eq!(
        pictures.config().unwrap().sets(),
        MAIN_1080.map(hex),
        "replaced, not added"
    );
}

#[test]
fn pictures_before_their_sets_are_dropped_and_sets_may_come_one_by_one() {
    let mut pictures = Pictures::new(VideoCodec::H264);
    let [sps, pps] = HIGH.map(hex);
    assert_eq!(pictures.annex_b(&stream(&[IDR])).unwrap(), None);
    assert_eq!(pictures.annex_b(&stream(&[&sps])).unwrap(), None);
    assert_eq!(pictures.annex_b(&stream(&[SLICE])).unwrap(), None);
    let picture = pictures.annex_b(&stream(&[&pps, IDR])).unwrap().unwrap();
    assert_eq!(*picture.config.unwrap(), h264(HIGH));
    // Both sets alone, then the picture.
    let mut pictures = Pictures::new(VideoCodec::H264);
    assert_eq!(pictures.annex_b(&stream(&[&sps, &pps])).unwrap(), None);
    let picture = pictures.annex_b(&stream(&[IDR])).unwrap().unwrap();
    assert_eq!(
        *picture.config.unwrap(),
        h264(HIGH),
        "said with the picture"
    );
}

#[test]
fn damaged_sets_are_an_error_and_the_old_configuration_stays() {
    let mut pictures = Pictures::new(VideoCodec::H264);
    pictures.record(&h264(HIGH).record).unwrap();
    let damaged = hex(HIGH[0]).slice(..6);
    assert!(pictures.unit(unit(&[&damaged, IDR])).is_err());
    assert_eq!(**pictures.config().unwrap(), h264(HIGH));
    assert!(pictures.unit(unit(&[IDR])).unwrap().is_some());
    assert!(pictures.record(&[1, 2, 3]).is_err());
    assert!(pictures.unit(unit(&[IDR])).unwrap().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_real_sets_never_panic_and_stay_in_bounds(
        which in 0usize..9,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (codec, sets) = match which {
            7 => (VideoCodec::H265, HEVC.map(hex).to_vec()),
            8 => (VideoCodec::H265, HEVC_10.map(hex).to_vec()),
            n => (VideoCodec::H264, H264_SETS[n].map(hex).to_vec()),
        };
        let check = |config: &VideoConfig| {
            assert!((1..=2 * MAX_DIMENSION + 32).contains(&config.width));
            assert!((1..=2 * MAX_DIMENSION + 32).contains(&config.height));
            assert!((8..=16).contains(&config.bit_depth) && config.fps_milli <= 1_000_000);
            let _ = (config.describe(), config.codec_string(), config.reorder(), config.differs(config));
        };
        let sps = sets.len() - 2;
        let mut damaged = sets.clone();
        let mut bytes = damaged[sps].to_vec();
        // Not the type, or nothing would be read at all.
        for (at, byte) in &flips {
            let at = 1 + at.index(bytes.len() - 1);
            bytes[at] = *byte;
        }
        bytes.truncate(2 + cut.index(bytes.len() * 2));
        damaged[sps] = bytes.into();
        if let Ok(config) = VideoConfig::from_sets(codec, &damaged) {
            check(&config);
            prop_assert_eq!(VideoConfig::from_record(codec, &config.record).unwrap(), config);
        }
        let mut record = VideoConfig::from_sets(codec, &sets).unwrap().record.to_vec();
        for (at, byte) in flips {
            let at = at.index(record.len());
            record[at] = byte;
        }
        if let Ok(config) = VideoConfig::from_record(codec, &record) {
            check(&config);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_read_and_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        kind in prop_oneof![Just(0x67u8), Just(0x68), Just(0x42), Just(0x40), Just(0x44), any::<u8>()],
    ) {
        for codec in [VideoCodec::H264, VideoCodec::H265] {
            let _ = VideoConfig::from_record(codec, &data);
            let set = Bytes::from([&[kind, 1][..], &data].concat());
            let _ = h264::Sps::parse(&set);
            let _ = h265::Sps::parse(&set);
            let mut pictures = Pictures::new(codec);
            let _ = pictures.record(&data);
            let _ = pictures.unit(Bytes::from(data.clone()));
            let _ = pictures.annex_b(&data);
            let _ = pictures.annex_b(&stream(&[&set, IDR, &data]));
        }
    }
}
