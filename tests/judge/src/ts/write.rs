//! A small transport stream writer: it feeds the decoders with clean streams, and lets tests make broken ones.

use super::{PACKET_LEN, SYNC_BYTE, pes::write_stamp, psi::crc32};

/// PID of the program map in written streams.
pub const PMT_PID: u16 = 0x1000;

/// Writes one program. Packets are appended to a buffer that the caller takes.
#[derive(Debug)]
pub struct TsWriter {
    streams: Vec<(u16, u8)>,
    pcr_pid: u16,
    pub pat_version: u8,
    pub pmt_version: u8,
    counters: Vec<(u16, u8)>,
    out: Vec<u8>,
}

impl TsWriter {
    /// `streams`: PID and stream type; the first carries the PCR.
    pub fn new(streams: &[(u16, u8)]) -> Self {
        Self {
            pcr_pid: streams.first().map_or(0x1fff, |s| s.0),
            streams: streams.to_vec(),
            pat_version: 0,
            pmt_version: 0,
            counters: Vec::new(),
            out: Vec::new(),
        }
    }

    /// What was written since the last call: whole packets.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// PAT and PMT.
    pub fn tables(&mut self) {
        let pat = [0, 1, 0xe0 | (PMT_PID >> 8) as u8, PMT_PID as u8];
        let version = self.pat_version;
        self.section(0, 0x00, version, &pat);
        let mut pmt = vec![
            0xe0 | (self.pcr_pid >> 8) as u8,
            self.pcr_pid as u8,
            0xf0,
            0,
        ];
        for &(pid, kind) in &self.streams {
            pmt.extend([kind, 0xe0 | (pid >> 8) as u8, pid as u8, 0xf0, 0]);
        }
        let version = self.pmt_version;
        self.section(PMT_PID, 0x02, version, &pmt);
    }

    /// One access unit as one PES packet. `pcr` is in 90 kHz ticks.
    pub fn unit(
        &mut self,
        pid: u16,
        stream_id: u8,
        pts: i64,
        dts: i64,
        pcr: Option<i64>,
        data: &[u8],
    ) {
        let wrap = (1i64 << 33) - 1;
        let two = pts != dts;
        let mut pes = vec![
            0,
            0,
            1,
            stream_id,
            0,
            0,
            0x80,
            if two { 0xc0 } else { 0x80 },
            if two { 10 } else { 5 },
        ];
        pes.extend(write_stamp(if two { 3 } else { 2 }, pts & wrap));
        if two {
            pes.extend(write_stamp(1, dts & wrap));
        }
        pes.extend_from_slice(data);
        if let Ok(length) = u16::try_from(pes.len() - 6) {
            pes[4..6].copy_from_slice(&length.to_be_bytes());
        }
        let mut rest = &pes[..];
        let mut pcr = pcr.map(|p| p & wrap);
        let mut first = true;
        while !rest.is_empty() {
            rest = self.packet(pid, first, pcr.take(), rest);
            first = false;
        }
    }

    fn section(&mut self, pid: u16, table_id: u8, version: u8, body: &[u8]) {
        let length = body.len() + 9;
        let mut raw = vec![
            0,
            table_id,
            0xb0 | (length >> 8) as u8,
            length as u8,
            0,
            1,
            0xc1 | version << 1,
            0,
            0,
        ];
        raw.extend_from_slice(body);
        let crc = crc32(&raw[1..]);
        raw.extend(crc.to_be_bytes());
        raw.resize(PACKET_LEN - 4, 0xff);
        self.packet(pid, true, None, &raw);
    }

    fn counter(&mut self, pid: u16) -> u8 {
        match self.counters.iter_mut().find(|c| c.0 == pid) {
            Some(known) => {
                known.1 = (known.1 + 1) & 15;
                known.1
            }
            None => {
                self.counters.push((pid, 0));
                0
            }
        }
    }

    /// Writes one packet and gives back what did not fit.
    fn packet<'a>(&mut self, pid: u16, start: bool, pcr: Option<i64>, data: &'a [u8]) -> &'a [u8] {
        let counter = self.counter(pid);
        let mut adaptation: Vec<u8> = Vec::new();
        if let Some(base) = pcr {
            adaptation.extend([
                7,
                0x10,
                (base >> 25) as u8,
                (base >> 17) as u8,
                (base >> 9) as u8,
                (base >> 1) as u8,
                (base << 7) as u8 | 0x7e,
                0,
            ]);
        }
        let room = PACKET_LEN - 4 - adaptation.len();
        let (now, later) = data.split_at(data.len().min(room));
        let stuffing = room - now.len();
        if stuffing > 0 {
            match adaptation.first_mut() {
                Some(length) => *length += stuffing as u8,
                None => adaptation.push((stuffing - 1) as u8),
            }
            // The adaptation field is its length byte, a flags byte, then stuffing.
            let full = PACKET_LEN - 4 - now.len();
            if adaptation.len() == 1 && full > 1 {
                adaptation.push(0);
            }
            adaptation.resize(full, 0xff);
        }
        let control = if adaptation.is_empty() { 0x10 } else { 0x30 };
        self.out.extend([
            SYNC_BYTE,
            if start { 0x40 } else { 0 } | (pid >> 8) as u8 & 0x1f,
            pid as u8,
            control | counter,
        ]);
        self.out.extend_from_slice(&adaptation);
        self.out.extend_from_slice(now);
        later
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::packet::Packet;

    #[test]
    fn every_length_of_unit_fills_whole_packets_and_keeps_its_bytes() {
        for length in 0..600 {
            let data: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut writer = TsWriter::new(&[(0x100, 0x1b)]);
            writer.unit(0x100, 0xe0, 1234, 1234, Some(1000), &data);
            let out = writer.take();
            assert_eq!(out.len() % PACKET_LEN, 0);
            let mut pes = Vec::new();
            for raw in out.chunks_exact(PACKET_LEN) {
                pes.extend_from_slice(Packet::parse(raw.first_chunk().unwrap()).unwrap().payload);
            }
            assert_eq!(&pes[14..], &data[..], "length {length}");
        }
    }
}
