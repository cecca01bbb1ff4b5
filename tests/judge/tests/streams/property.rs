//! Whatever the bytes, the judge does not fall over, and says what it thinks of them.

use booth_judge::analysis::Analysis;
use proptest::prelude::*;

use crate::scene::{blind, good};

fn survive(bytes: &[u8], cut: usize) {
    let mut analysis = Analysis::new(blind(), true);
    analysis.connected(1);
    for (index, part) in bytes.chunks(cut.max(1)).enumerate() {
        analysis.bytes(part, index as u64 * 1_000_000);
    }
    analysis.disconnected(u64::MAX, "end");
    let report = analysis.report("test", 0, u64::MAX);
    assert_eq!(report.transport.bytes, bytes.len() as u64);
    assert!(report.defects.iter().all(|d| d.occurrences.len() <= 32));
    assert!(!booth_judge::text::render(&report).is_empty());
    serde_json::to_string(&report).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..20_000), cut in 1usize..3000) {
        survive(&bytes, cut);
    }

    #[test]
    fn random_packets_are_survived(
        packets in proptest::collection::vec((0u8..4, proptest::collection::vec(any::<u8>(), 187)), 0..80)
    ) {
        // Real tables before, so that the payloads reach every parser.
        let mut bytes = good()[..188 * 20].to_vec();
        for (pid, packet) in packets {
            bytes.push(0x47);
            bytes.extend([0x40 | pid.min(1), [0, 0, 0, 1][usize::from(pid)]]);
            bytes.extend(&packet[2..]);
        }
        survive(&bytes, 1316);
    }

    #[test]
    fn flipped_and_cut_streams_are_survived(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..8), 1..200),
        end in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = good()[..good().len().min(200_000)].to_vec();
        for (index, bit) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        bytes.truncate(end.index(bytes.len()));
        survive(&bytes, 1316);
    }
}
