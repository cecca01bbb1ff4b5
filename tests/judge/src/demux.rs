//! Transport packets → facts about the stream and whole PES packets. Counts nothing: whoever receives the facts does.

use std::collections::BTreeMap;

use crate::ts::{
    NULL_PID, PACKET_LEN,
    packet::Packet,
    pes::PesHeader,
    psi::{Pmt, SectionReader, SectionResult, parse_pat, parse_pmt},
};

/// A PES packet longer than this is cut: no access unit at a sane bit rate comes near it.
const MAX_PES: usize = 4 << 20;

/// A PES packet with the moments its bytes arrived.
#[derive(Debug, Default)]
pub struct Pes {
    pub pid: u16,
    pub stream_type: u8,
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub payload: Vec<u8>,
    /// Offset in `payload` from which bytes arrived at a moment; ascending.
    pub marks: Vec<(usize, u64)>,
    pub first_at_ns: u64,
    pub last_at_ns: u64,
    pub random_access: bool,
    /// A packet of it was lost or broken.
    pub damaged: bool,
}

impl Pes {
    /// When the byte at `offset` arrived.
    pub fn arrival_of(&self, offset: usize) -> u64 {
        let after = self.marks.partition_point(|m| m.0 <= offset);
        after
            .checked_sub(1)
            .and_then(|i| self.marks.get(i))
            .map_or(self.first_at_ns, |m| m.1)
    }
}

/// What a packet told.
#[derive(Debug)]
pub enum Fact {
    NullPacket,
    TransportError {
        pid: u16,
    },
    Scrambled {
        pid: u16,
    },
    Discontinuity {
        pid: u16,
    },
    /// `lost`: packets missing, modulo 16.
    Continuity {
        pid: u16,
        lost: u8,
    },
    Pcr {
        pid: u16,
        ticks_27m: i64,
        flagged: bool,
    },
    Pat {
        changed: bool,
        detail: String,
    },
    Pmt {
        changed: bool,
        pmt: Pmt,
        detail: String,
    },
    BrokenSection {
        pid: u16,
    },
    BrokenPes {
        pid: u16,
    },
    Pes(Pes),
}

#[derive(Debug, Default)]
struct Elementary {
    stream_type: u8,
    open: Option<(Vec<u8>, Pes)>,
}

/// State per PID, and the tables last seen.
#[derive(Debug, Default)]
pub struct Demux {
    counters: BTreeMap<u16, (u8, bool)>,
    pat_reader: SectionReader,
    pmt_reader: SectionReader,
    pat: Option<Vec<(u16, u16)>>,
    pat_version: u8,
    pmt_pid: Option<u16>,
    pmt: Option<Pmt>,
    pmt_version: u8,
    streams: BTreeMap<u16, Elementary>,
}

impl Demux {
    pub fn packet(&mut self, raw: &[u8; PACKET_LEN], at_ns: u64, fact: &mut impl FnMut(Fact)) {
        let Some(packet) = Packet::parse(raw) else {
            return;
        };
        let pid = packet.pid;
        if packet.transport_error {
            return fact(Fact::TransportError { pid });
        }
        if pid == NULL_PID {
            return fact(Fact::NullPacket);
        }
        if packet.discontinuity {
            fact(Fact::Discontinuity { pid });
        }
        if let Some(ticks_27m) = packet.pcr {
            fact(Fact::Pcr {
                pid,
                ticks_27m,
                flagged: packet.discontinuity,
            });
        }
        if packet.scrambled {
            return fact(Fact::Scrambled { pid });
        }
        if !packet.has_payload {
            return;
        }
        match self.check_counter(&packet) {
            Order::Good => {}
            Order::Repeat => return,
            Order::Lost(lost) => {
                fact(Fact::Continuity { pid, lost });
                self.damage(pid);
            }
        }
        if pid == 0 {
            self.read_pat(&packet, fact);
        } else if Some(pid) == self.pmt_pid {
            self.read_pmt(&packet, fact);
        } else {
            self.read_pes(&packet, at_ns, fact);
        }
    }

    /// The end of the input or of a connection: what is open comes out as it is.
    pub fn flush(&mut self, fact: &mut impl FnMut(Fact)) {
        for stream in self.streams.values_mut() {
            close(stream, fact);
        }
    }

    fn check_counter(&mut self, packet: &Packet<'_>) -> Order {
        let Some((last, repeated)) = self.counters.get_mut(&packet.pid) else {
            self.counters.insert(packet.pid, (packet.counter, false));
            return Order::Good;
        };
        let step = packet.counter.wrapping_sub(*last) & 15;
        *last = packet.counter;
        let order = match step {
            _ if packet.discontinuity => Order::Good,
            1 => Order::Good,
            // A packet may be sent twice, not three times (§2.4.3.3).
            0 if !*repeated => Order::Repeat,
            0 => Order::Lost(15),
            _ => Order::Lost(step - 1),
        };
        *repeated = matches!(order, Order::Repeat);
        order
    }

    fn damage(&mut self, pid: u16) {
        if pid == 0 {
            self.pat_reader.abandon();
        } else if Some(pid) == self.pmt_pid {
            self.pmt_reader.abandon();
        } else if let Some((_, pes)) = self.streams.get_mut(&pid).and_then(|s| s.open.as_mut()) {
            pes.damaged = true;
        }
    }

    fn read_pat(&mut self, packet: &Packet<'_>, fact: &mut impl FnMut(Fact)) {
        let Self {
            pat_reader,
            pat,
            pat_version,
            pmt_pid,
            ..
        } = self;
        pat_reader.push(packet.unit_start, packet.payload, |result| {
            let section = match result {
                SectionResult::Section(section) if section.table_id == 0 => section,
                _ => return fact(Fact::BrokenSection { pid: packet.pid }),
            };
            if !section.current {
                return;
            }
            let programs = parse_pat(&section.body);
            let changed = pat
                .as_ref()
                .is_some_and(|old| *old != programs || *pat_version != section.version);
            let detail = format!("version {}, programs {programs:?}", section.version);
            *pmt_pid = programs.first().map(|p| p.1);
            *pat_version = section.version;
            *pat = Some(programs);
            fact(Fact::Pat { changed, detail });
        });
    }

    fn read_pmt(&mut self, packet: &Packet<'_>, fact: &mut impl FnMut(Fact)) {
        let Self {
            pmt_reader,
            pmt,
            pmt_version,
            streams,
            ..
        } = self;
        pmt_reader.push(packet.unit_start, packet.payload, |result| {
            let section = match result {
                SectionResult::Section(section) => section,
                SectionResult::Broken => return fact(Fact::BrokenSection { pid: packet.pid }),
            };
            if section.table_id != 2 || !section.current {
                return;
            }
            let Some(next) = parse_pmt(&section.body) else {
                return fact(Fact::BrokenSection { pid: packet.pid });
            };
            let changed = pmt
                .as_ref()
                .is_some_and(|old| *old != next || *pmt_version != section.version);
            let list: Vec<String> = next
                .streams
                .iter()
                .map(|(pid, kind)| format!("{pid}:0x{kind:02x}"))
                .collect();
            let detail = format!(
                "version {}, PCR {}, streams {}",
                section.version,
                next.pcr_pid,
                list.join(" ")
            );
            streams.retain(|pid, stream| {
                let stays = next
                    .streams
                    .iter()
                    .any(|s| s.0 == *pid && s.1 == stream.stream_type);
                if !stays {
                    close(stream, fact);
                }
                stays
            });
            for &(pid, stream_type) in &next.streams {
                streams.entry(pid).or_insert(Elementary {
                    stream_type,
                    open: None,
                });
            }
            *pmt_version = section.version;
            *pmt = Some(next.clone());
            fact(Fact::Pmt {
                changed,
                pmt: next,
                detail,
            });
        });
    }

    fn read_pes(&mut self, packet: &Packet<'_>, at_ns: u64, fact: &mut impl FnMut(Fact)) {
        let Some(stream) = self.streams.get_mut(&packet.pid) else {
            return;
        };
        if packet.unit_start {
            close(stream, fact);
            let pes = Pes {
                pid: packet.pid,
                stream_type: stream.stream_type,
                first_at_ns: at_ns,
                random_access: packet.random_access,
                ..Pes::default()
            };
            stream.open = Some((Vec::new(), pes));
        }
        let Some((raw, pes)) = stream.open.as_mut() else {
            return;
        };
        if pes.marks.last().is_none_or(|m| m.1 != at_ns) {
            pes.marks.push((raw.len(), at_ns));
        }
        pes.last_at_ns = at_ns;
        raw.extend_from_slice(packet.payload);
        let complete = match raw.first_chunk::<6>() {
            Some(&[.., 0, 0]) | None => raw.len() > MAX_PES,
            Some(&[.., high, low]) => raw.len() >= 6 + (usize::from(high) << 8 | usize::from(low)),
        };
        if complete {
            close(stream, fact);
        }
    }
}

enum Order {
    Good,
    Repeat,
    Lost(u8),
}

fn close(stream: &mut Elementary, fact: &mut impl FnMut(Fact)) {
    let Some((mut raw, mut pes)) = stream.open.take() else {
        return;
    };
    let Some(header) = PesHeader::parse(&raw) else {
        return fact(Fact::BrokenPes { pid: pes.pid });
    };
    if header.length > 0 {
        // Bytes beyond the announced length are stuffing; fewer mean a loss.
        pes.damaged |= raw.len() < 6 + header.length;
        raw.truncate(6 + header.length);
    }
    (pes.pts, pes.dts) = (header.pts, header.dts);
    let start = header.payload_at.min(raw.len());
    raw.drain(..start);
    for mark in &mut pes.marks {
        mark.0 = mark.0.saturating_sub(start);
    }
    pes.payload = raw;
    fact(Fact::Pes(pes));
}
