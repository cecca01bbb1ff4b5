use proptest::prelude::*;

use super::*;

fn video() -> VideoConfig {
    VideoConfig {
        codec: VideoCodec::H265,
        record: Bytes::from_static(b"record"),
        width: 1280,
        height: 720,
        profile: 1,
        level: 93,
        fps_milli: 29_970,
        bit_depth: 8,
        chroma_420: true,
    }
}

fn unit(size: usize) -> Frame {
    Frame::Event(MediaEvent::Unit(AccessUnit {
        track: Track::Video,
        dts: -5,
        pts: i64::MAX,
        key: true,
        data: Bytes::from(vec![7; size]),
    }))
}

fn frames() -> impl Strategy<Value = Frame> {
    let bytes = |most: usize| proptest::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from);
    prop_oneof![
        any::<u64>().prop_map(|publisher| Frame::Hello { publisher }),
        (
            any::<(u8, u8, u8, bool, bool)>(),
            any::<(u32, u32, u32)>(),
            bytes(200)
        )
            .prop_map(
                |(
                    (profile, level, bit_depth, chroma_420, h265),
                    (width, height, fps_milli),
                    record,
                )| {
                    Frame::Event(MediaEvent::Video(Arc::new(VideoConfig {
                        codec: if h265 {
                            VideoCodec::H265
                        } else {
                            VideoCodec::H264
                        },
                        record,
                        width,
                        height,
                        profile,
                        level,
                        fps_milli,
                        bit_depth,
                        chroma_420,
                    })))
                }
            ),
        (any::<(u32, u8, u32)>(), bytes(20)).prop_map(
            |((sample_rate, channels, frame_samples), asc)| {
                Frame::Event(MediaEvent::Audio(Arc::new(AudioConfig {
                    asc,
                    sample_rate,
                    channels,
                    frame_samples,
                })))
            }
        ),
        (any::<(bool, bool, i64, i64)>(), bytes(3000)).prop_map(
            |((video, key, dts, pts), data)| {
                Frame::Event(MediaEvent::Unit(AccessUnit {
                    track: if video { Track::Video } else { Track::Audio },
                    dts,
                    pts,
                    key,
                    data,
                }))
            }
        ),
        ".{0,80}".prop_map(|reason| Frame::End { reason }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_out_as_they_went_in_however_the_socket_cuts_them(
        frames in proptest::collection::vec(frames(), 1..12),
        cuts in proptest::collection::vec(1usize..700, 1..50),
    ) {
        let mut sent = BytesMut::new();
        for frame in &frames {
            encode(frame, &mut sent).unwrap();
        }
        let (mut decoder, mut buffer, mut got) = (Decoder::default(), BytesMut::new(), Vec::new());
        let mut cuts = cuts.into_iter().cycle();
        while !sent.is_empty() {
            let next = sent.split_to(cuts.next().unwrap().min(sent.len()));
            buffer.extend_from_slice(&next);
            while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                got.push(frame);
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(got, frames);
    }

    #[test]
    fn garbage_is_refused_or_waited_on_and_never_more_than_a_frame_is_reserved(
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
        versioned in any::<bool>(),
    ) {
        let mut buffer = BytesMut::from(&garbage[..]);
        if versioned && let Some(first) = buffer.first_mut() {
            *first = VERSION;
        }
        let mut decoder = Decoder::default();
        while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
        prop_assert!(buffer.capacity() <= 2 * (HEAD + UNIT_HEAD + MAX_UNIT));
    }
}

#[test]
fn the_two_parts_of_a_frame_are_the_frame_and_the_payload_is_not_copied() {
    let data = Bytes::from(vec![9; 1000]);
    let frame = Frame::Event(MediaEvent::Unit(AccessUnit {
        track: Track::Audio,
        dts: 1,
        pts: 2,
        key: true,
        data: data.clone(),
    }));
    let mut whole = BytesMut::new();
    encode(&frame, &mut whole).unwrap();
    let (head, payload) = parts(&frame).unwrap();
    assert_eq!([&head[..], &payload[..]].concat(), whole);
    assert_eq!(payload.as_ptr(), data.as_ptr());
}

#[test]
fn a_payload_that_arrived_is_handed_on_where_it_lies() {
    let mut buffer = BytesMut::new();
    encode(&unit(5000), &mut buffer).unwrap();
    let there = buffer[HEAD + UNIT_HEAD..].as_ptr();
    let Some(Frame::Event(MediaEvent::Unit(unit))) =
        Decoder::default().decode(&mut buffer).unwrap()
    else {
        panic!("no unit");
    };
    assert_eq!(unit.data.as_ptr(), there);
}

#[test]
fn a_unit_of_eight_mebibytes_passes_and_one_byte_more_does_not_on_either_side() {
    let mut buffer = BytesMut::new();
    encode(&unit(MAX_UNIT), &mut buffer).unwrap();
    assert!(Decoder::default().decode(&mut buffer).unwrap().is_some());
    assert!(matches!(
        encode(&unit(MAX_UNIT + 1), &mut buffer),
        Err(WireError::TooLarge { .. })
    ));
    assert!(buffer.is_empty(), "half a frame was written");
    // The length alone refuses it: nothing is reserved for it.
    buffer.put_slice(&[VERSION, UNIT]);
    buffer.put_u32_le((UNIT_HEAD + MAX_UNIT + 1) as u32);
    let before = buffer.capacity();
    assert!(matches!(
        Decoder::default().decode(&mut buffer),
        Err(WireError::TooLarge { .. })
    ));
    assert_eq!(buffer.capacity(), before);
}

#[test]
fn another_version_is_refused_by_its_first_byte() {
    let mut buffer = BytesMut::from(&[2u8][..]);
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(&mut buffer), Err(WireError::Version(2)));
    let mut good = BytesMut::new();
    encode(&Frame::Hello { publisher: 1 }, &mut good).unwrap();
    assert_eq!(decoder.decode(&mut good), Err(WireError::Broken));
}

#[test]
fn impossible_fields_are_named() {
    let mut buffer = BytesMut::new();
    encode(
        &Frame::Event(MediaEvent::Video(Arc::new(video()))),
        &mut buffer,
    )
    .unwrap();
    let with = |at: usize, value: u8| {
        let mut buffer = buffer.clone();
        buffer[HEAD + at] = value;
        Decoder::default().decode(&mut buffer).unwrap_err()
    };
    assert_eq!(
        with(0, 9),
        WireError::Value {
            what: "codec",
            value: 9
        }
    );
    assert_eq!(
        with(4, 2),
        WireError::Value {
            what: "chroma",
            value: 2
        }
    );
    let mut short = BytesMut::from(&[VERSION, UNIT, 3, 0, 0, 0, 1, 2, 3][..]);
    assert_eq!(
        Decoder::default().decode(&mut short),
        Err(WireError::Short("access unit"))
    );
}

#[test]
fn a_reason_of_any_length_is_cut_at_a_character() {
    let mut buffer = BytesMut::new();
    let reason = "ä".repeat(MAX_REASON);
    encode(
        &Frame::End {
            reason: reason.clone(),
        },
        &mut buffer,
    )
    .unwrap();
    let Some(Frame::End { reason: got }) = Decoder::default().decode(&mut buffer).unwrap() else {
        panic!("no end");
    };
    assert_eq!(got, reason[..MAX_REASON]);
}
