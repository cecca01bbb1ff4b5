//! Cuts a byte stream into packets, and finds the packet grid again after damage.

use super::{PACKET_LEN, SYNC_BYTE};

/// Byte stream → packets. Holds less than one packet plus what one `push` brought.
#[derive(Debug, Default)]
pub struct Syncer {
    rest: Vec<u8>,
    locked: bool,
    losses: u64,
    skipped: u64,
}

impl Syncer {
    /// How often a found grid was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// Bytes that belonged to no packet.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets a half packet, for a new connection.
    pub fn restart(&mut self) {
        self.rest.clear();
        self.locked = false;
    }

    /// Gives every whole packet in `data` (and what was left before it) to `packet`.
    pub fn push(&mut self, data: &[u8], mut packet: impl FnMut(&[u8; PACKET_LEN])) {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(data);
        let used = self.cut(&rest, &mut packet);
        rest.drain(..used);
        self.rest = rest;
    }

    /// The end of the stream: a last packet that waited for the sync byte after it. Returns bytes left over.
    pub fn finish(&mut self, mut packet: impl FnMut(&[u8; PACKET_LEN])) -> usize {
        let rest = std::mem::take(&mut self.rest);
        match rest.first_chunk::<PACKET_LEN>() {
            Some(whole) if whole[0] == SYNC_BYTE => {
                packet(whole);
                rest.len() - PACKET_LEN
            }
            _ => rest.len(),
        }
    }

    fn cut(&mut self, data: &[u8], packet: &mut impl FnMut(&[u8; PACKET_LEN])) -> usize {
        let mut at = 0;
        while let Some(whole) = data[at..].first_chunk::<PACKET_LEN>() {
            if whole[0] == SYNC_BYTE {
                match data.get(at + PACKET_LEN) {
                    // One sync byte alone may be payload: the grid counts as found with the second.
                    None if !self.locked => break,
                    Some(&next) if !self.locked && next != SYNC_BYTE => {}
                    _ => {
                        self.locked = true;
                        packet(whole);
                        at += PACKET_LEN;
                        continue;
                    }
                }
            }
            if self.locked {
                self.locked = false;
                self.losses += 1;
            }
            at += 1;
            self.skipped += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(fill: u8) -> [u8; PACKET_LEN] {
        let mut raw = [fill; PACKET_LEN];
        raw[0] = SYNC_BYTE;
        raw
    }

    #[test]
    fn packets_come_out_whole_however_the_bytes_are_cut() {
        let stream: Vec<u8> = (0..20).flat_map(packet).collect();
        for size in [1, 7, 187, 188, 189, 1316, 4000] {
            let (mut syncer, mut seen) = (Syncer::default(), Vec::new());
            for part in stream.chunks(size) {
                syncer.push(part, |p| seen.push(p[1]));
            }
            syncer.finish(|p| seen.push(p[1]));
            assert_eq!(seen, (0..20).collect::<Vec<u8>>(), "cut by {size}");
            assert_eq!((syncer.losses(), syncer.skipped()), (0, 0), "cut by {size}");
        }
    }

    #[test]
    fn a_hole_in_the_bytes_is_one_loss_and_the_grid_is_found_again() {
        let mut stream: Vec<u8> = (0..10).flat_map(packet).collect();
        stream.drain(500..560);
        let (mut syncer, mut seen) = (Syncer::default(), Vec::new());
        syncer.push(&stream, |p| seen.push(p[1]));
        assert_eq!(syncer.losses(), 1);
        assert!(syncer.skipped() > 0);
        assert_eq!(seen.last(), Some(&9));
    }
}
