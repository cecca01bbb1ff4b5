use proptest::prelude::*;

use super::*;

fn head(kind: u8, timestamp: u32) -> Head {
    Head {
        chunk_stream: 4,
        kind,
        stream: 1,
        timestamp,
    }
}

/// Reads everything, given in pieces of `step` bytes.
#[track_caller]
fn read(bytes: &[u8], step: usize) -> Vec<Message> {
    let mut reader = ChunkReader::new(1 << 20);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        while let Some(message) = reader.next(&mut buffer).unwrap() {
            messages.push(message);
        }
    }
    messages
}

fn refused(bytes: &[u8], message_max: usize) -> ChunkError {
    let mut reader = ChunkReader::new(message_max);
    let mut buffer = BytesMut::from(bytes);
    loop {
        match reader.next(&mut buffer) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was taken"),
            Err(error) => return error,
        }
    }
}

proptest! {
    #[test]
    fn messages_come_back_whole_however_they_are_cut(
        sizes in prop::collection::vec(0usize..3000, 1..12),
        times in prop::collection::vec(prop_oneof![any::<u32>(), 0u32..100, 0xFF_FFF0u32..0x100_0010], 12),
        chunk in 1u32..1000,
        step in 1usize..2000,
    ) {
        let mut writer = ChunkWriter::default();
        let mut out = BytesMut::new();
        writer.resize(&mut out, chunk);
        let mut sent = Vec::new();
        for (size, time) in sizes.iter().zip(&times) {
            let payload: Vec<u8> = (0..*size).map(|i| (i * 7 + size) as u8).collect();
            let (a, b) = payload.split_at(size / 3);
            writer.write(&mut out, head(VIDEO, *time), &[a, b]);
            sent.push((*time, payload));
        }
        let got: Vec<(u32, Vec<u8>)> =
            read(&out, step).into_iter().map(|m| (m.timestamp, m.payload.to_vec())).collect();
        prop_assert_eq!(got, sent);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, step in 1usize..64) {
        let mut reader = ChunkReader::new(1 << 16);
        let mut buffer = BytesMut::new();
        'all: for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                match reader.next(&mut buffer) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
        }
    }
}

/// A video message of 300 bytes in chunks of 128 that begins at `time`, type-3 chunks with or without the extension.
fn extended(time: u32, repeat: bool) -> Vec<u8> {
    let mut bytes = vec![4, 0xFF, 0xFF, 0xFF, 0, 1, 44, VIDEO, 1, 0, 0, 0];
    bytes.extend(time.to_be_bytes());
    for (i, n) in [128usize, 128, 44].into_iter().enumerate() {
        if i > 0 {
            bytes.push(0xC4);
            if repeat {
                bytes.extend(time.to_be_bytes());
            }
        }
        bytes.extend(vec![i as u8 + 1; n]);
    }
    bytes
}

#[test]
fn extended_timestamps_on_type_3_chunks_are_read_in_both_forms() {
    for time in [0x00FF_FFFF, 0x0100_0000, u32::MAX] {
        for repeat in [true, false] {
            for step in [1, 7, 1000] {
                let mut bytes = extended(time, repeat);
                bytes.extend(extended(time, repeat));
                let messages = read(&bytes, step);
                assert_eq!(messages.len(), 2, "{time} {repeat} {step}");
                for message in messages {
                    assert_eq!(message.timestamp, time);
                    assert_eq!(message.payload.len(), 300);
                    assert_eq!(message.payload[127..129], [1, 2]);
                    assert_eq!(message.payload[255..257], [2, 3]);
                }
            }
        }
    }
}

#[test]
fn a_type_3_chunk_that_begins_a_message_adds_the_last_difference() {
    let bytes = [
        // Absolute 1000, then a difference of 23, then twice "the same again", as ffmpeg sends AAC of constant size.
        &[4u8, 0, 3, 0xE8, 0, 0, 1, AUDIO, 1, 0, 0, 0, 9][..],
        &[0x44, 0, 0, 23, 0, 0, 1, AUDIO, 9],
        &[0xC4, 9],
        &[0xC4, 9],
    ]
    .concat();
    let times: Vec<u32> = read(&bytes, 3).iter().map(|m| m.timestamp).collect();
    assert_eq!(times, [1000, 1023, 1046, 1069]);
}

#[test]
fn differences_go_on_past_the_end_of_32_bits() {
    let mut bytes = vec![4, 0xFF, 0xFF, 0xFF, 0, 0, 1, AUDIO, 1, 0, 0, 0];
    bytes.extend((u32::MAX - 9).to_be_bytes());
    bytes.push(9);
    bytes.extend([0x84, 0, 0, 20, 9]);
    let times: Vec<u32> = read(&bytes, 100).iter().map(|m| m.timestamp).collect();
    assert_eq!(times, [u32::MAX - 9, 10]);
}

#[test]
fn claims_are_refused_before_they_cost_anything() {
    let large = [4, 0, 0, 0, 0xFF, 0xFF, 0xFF, VIDEO, 1, 0, 0, 0];
    assert_eq!(refused(&large, 1 << 20), ChunkError::TooLarge);
    let zero = [2, 0, 0, 0, 0, 0, 4, SET_CHUNK_SIZE, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(refused(&zero, 1 << 20), ChunkError::ChunkSize);
    let negative = [
        2,
        0,
        0,
        0,
        0,
        0,
        4,
        SET_CHUNK_SIZE,
        0,
        0,
        0,
        0,
        0xFF,
        0,
        0,
        0,
    ];
    assert_eq!(refused(&negative, 1 << 20), ChunkError::ChunkSize);
    assert_eq!(refused(&[0xC9], 1 << 20), ChunkError::NoHeader);
    let streams: Vec<u8> = (3..60)
        .flat_map(|id| [id, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0])
        .collect();
    assert_eq!(refused(&streams, 1 << 20), ChunkError::TooManyStreams);
}

#[test]
fn a_header_inside_a_message_that_shrinks_it_is_an_error_and_not_an_underflow() {
    let mut bytes = vec![4, 0, 0, 0, 0, 1, 44, VIDEO, 1, 0, 0, 0];
    bytes.extend([0; 128]);
    bytes.extend([0x44, 0, 0, 0, 0, 0, 1, VIDEO, 0]);
    assert_eq!(refused(&bytes, 1 << 20), ChunkError::Interrupted);
}

#[test]
fn the_largest_chunk_size_with_a_small_message_costs_nothing() {
    let mut bytes = vec![
        2,
        0,
        0,
        0,
        0,
        0,
        4,
        SET_CHUNK_SIZE,
        0,
        0,
        0,
        0,
        0x7F,
        0xFF,
        0xFF,
        0xFF,
    ];
    bytes.extend([4, 0, 0, 0, 0, 0, 2, VIDEO, 1, 0, 0, 0, 5, 6]);
    let messages = read(&bytes, 5);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload[..], [5, 6]);
}

#[test]
fn an_aborted_message_is_forgotten() {
    let mut bytes = vec![4, 0, 0, 0, 0, 1, 44, VIDEO, 1, 0, 0, 0];
    bytes.extend([0; 128]);
    bytes.extend([2, 0, 0, 0, 0, 0, 4, ABORT, 0, 0, 0, 0, 0, 0, 0, 4]);
    bytes.extend([4, 0, 0, 0, 0, 0, 1, VIDEO, 1, 0, 0, 0, 7]);
    let messages = read(&bytes, 9);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload[..], [7]);
}
