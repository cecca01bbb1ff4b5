//! RTMP's chunk stream (Adobe RTMP 1.0 §5.3), both ways, bytes in and out.
//!
//! The reader takes a payload as it comes, so that a chunk or message only claimed to be large costs nothing. Extended
//! timestamps on type-3 chunks are read in both forms seen in the field: repeated (the specification) and left out.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
pub(crate) const ACK: u8 = 3;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const DATA_AMF3: u8 = 15;
pub(crate) const COMMAND_AMF3: u8 = 17;
pub(crate) const DATA_AMF0: u8 = 18;
pub(crate) const COMMAND_AMF0: u8 = 20;

/// Both sides begin with this chunk size.
const CHUNK_SIZE_FIRST: usize = 128;
/// In 24 bits of a header: the real one follows.
const EXTENDED: u32 = 0x00FF_FFFF;
/// Encoders use about four chunk streams.
const STREAMS_MAX: usize = 32;
/// Reserved ahead for a message; more only as its bytes come.
const RESERVE: usize = 64 << 10;

/// One message, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub kind: u8,
    pub stream: u32,
    /// In milliseconds; wraps.
    pub timestamp: u32,
    pub payload: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("a message larger than allowed")]
    TooLarge,
    #[error("too many chunk streams")]
    TooManyStreams,
    #[error("a chunk that refers to no message")]
    NoHeader,
    #[error("a message that begins inside another")]
    Interrupted,
    #[error("a chunk size that cannot be")]
    ChunkSize,
}

/// What is known of one chunk stream.
#[derive(Debug, Default)]
struct Incoming {
    timestamp: u32,
    /// Added by a type-3 chunk that begins a message.
    delta: u32,
    length: usize,
    kind: u8,
    stream: u32,
    /// The extended field of the last header that had one.
    extended: Option<u32>,
    /// A message that is not complete yet.
    partial: Option<BytesMut>,
}

/// The chunk whose header was read and whose payload is not complete.
#[derive(Debug)]
struct Open {
    id: u32,
    left: usize,
}

#[derive(Debug)]
pub(crate) struct ChunkReader {
    chunk_size: usize,
    message_max: usize,
    streams: BTreeMap<u32, Incoming>,
    open: Option<Open>,
}

/// A header, once all of it is there.
struct Header {
    format: u8,
    id: u32,
    timestamp: u32,
    length: usize,
    kind: u8,
    stream: u32,
}

/// Takes bytes from the front of a buffer only if all are there.
struct Peek<'a> {
    data: &'a [u8],
    at: usize,
}

impl Peek<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn uint(&mut self, bytes: usize) -> Option<u32> {
        let mut n = 0;
        for _ in 0..bytes {
            n = (n << 8) | u32::from(self.byte()?);
        }
        Some(n)
    }
}

impl ChunkReader {
    pub(crate) fn new(message_max: usize) -> Self {
        Self {
            chunk_size: CHUNK_SIZE_FIRST,
            message_max,
            streams: BTreeMap::new(),
            open: None,
        }
    }

    pub(crate) fn set_message_max(&mut self, message_max: usize) {
        self.message_max = message_max;
    }

    /// The next message that is complete, if there is one. Changes of the chunk size and aborts are dealt with here.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        loop {
            if self.open.is_none() && !self.header(buffer)? {
                return Ok(None);
            }
            let Some(message) = self.payload(buffer)? else {
                if self.open.is_some() {
                    return Ok(None);
                }
                continue;
            };
            match message.kind {
                SET_CHUNK_SIZE => self.resize(&message.payload)?,
                ABORT => self.abort(&message.payload),
                _ => return Ok(Some(message)),
            }
        }
    }

    fn resize(&mut self, payload: &[u8]) -> Result<(), ChunkError> {
        let size = Peek {
            data: payload,
            at: 0,
        }
        .uint(4);
        match size {
            Some(size @ 1..=0x7FFF_FFFF) => {
                self.chunk_size = usize::try_from(size).unwrap_or(usize::MAX);
                Ok(())
            }
            _ => Err(ChunkError::ChunkSize),
        }
    }

    fn abort(&mut self, payload: &[u8]) {
        let mut peek = Peek {
            data: payload,
            at: 0,
        };
        if let Some(stream) = peek.uint(4).and_then(|id| self.streams.get_mut(&id)) {
            stream.partial = None;
        }
    }

    /// Reads a chunk's header; `false` if not all of it is there.
    fn header(&mut self, buffer: &mut BytesMut) -> Result<bool, ChunkError> {
        let mut peek = Peek {
            data: buffer,
            at: 0,
        };
        let Some(header) = Self::basic(&mut peek) else {
            return Ok(false);
        };
        if !self.streams.contains_key(&header.id) {
            if header.format != 0 {
                return Err(ChunkError::NoHeader);
            }
            if self.streams.len() >= STREAMS_MAX {
                return Err(ChunkError::TooManyStreams);
            }
        }
        let used = if header.format == 3 {
            let Some(stream) = self.streams.get_mut(&header.id) else {
                return Err(ChunkError::NoHeader);
            };
            let Some(extended) = repeated(stream, &buffer[peek.at..]) else {
                return Ok(false);
            };
            if stream.partial.is_none() {
                stream.timestamp = stream.timestamp.wrapping_add(stream.delta);
            }
            peek.at + extended
        } else {
            let extended = if header.timestamp == EXTENDED {
                let Some(extended) = peek.uint(4) else {
                    return Ok(false);
                };
                Some(extended)
            } else {
                None
            };
            let used = peek.at;
            self.begin(&header, extended)?;
            used
        };
        let stream = self.streams.entry(header.id).or_default();
        if stream.length > self.message_max {
            return Err(ChunkError::TooLarge);
        }
        let partial = stream
            .partial
            .get_or_insert_with(|| BytesMut::with_capacity(stream.length.min(RESERVE)));
        self.open = Some(Open {
            id: header.id,
            left: (stream.length - partial.len()).min(self.chunk_size),
        });
        buffer.advance(used);
        Ok(true)
    }

    /// Basic and message header, without the extended timestamp.
    fn basic(peek: &mut Peek<'_>) -> Option<Header> {
        let first = peek.byte()?;
        let id = match first & 0x3F {
            0 => 64 + peek.uint(1)?,
            1 => {
                let low = peek.uint(1)?;
                64 + low + 256 * peek.uint(1)?
            }
            id => u32::from(id),
        };
        let mut header = Header {
            format: first >> 6,
            id,
            timestamp: 0,
            length: 0,
            kind: 0,
            stream: 0,
        };
        if header.format <= 2 {
            header.timestamp = peek.uint(3)?;
        }
        if header.format <= 1 {
            header.length = usize::try_from(peek.uint(3)?).unwrap_or(usize::MAX);
            header.kind = peek.byte()?;
        }
        if header.format == 0 {
            header.stream = peek.uint(4)?.swap_bytes();
        }
        Some(header)
    }

    /// A header that begins a message.
    fn begin(&mut self, header: &Header, extended: Option<u32>) -> Result<(), ChunkError> {
        let stream = self.streams.entry(header.id).or_default();
        if stream.partial.is_some() {
            return Err(ChunkError::Interrupted);
        }
        let time = extended.unwrap_or(header.timestamp);
        stream.extended = extended;
        if header.format == 0 {
            stream.timestamp = time;
            // By the letter a type-3 chunk behind this one would add the whole timestamp again; no sender means that.
            stream.delta = 0;
            stream.stream = header.stream;
        } else {
            stream.timestamp = stream.timestamp.wrapping_add(time);
            stream.delta = time;
        }
        if header.format <= 1 {
            stream.length = header.length;
            stream.kind = header.kind;
        }
        Ok(())
    }

    /// Takes what is there of the open chunk's payload; a message if that completes it.
    fn payload(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let Some(stream) = self.streams.get_mut(&open.id) else {
            return Err(ChunkError::NoHeader);
        };
        let Some(partial) = &mut stream.partial else {
            return Err(ChunkError::NoHeader);
        };
        let n = open.left.min(buffer.len());
        partial.extend_from_slice(&buffer[..n]);
        buffer.advance(n);
        open.left -= n;
        if open.left > 0 {
            return Ok(None);
        }
        self.open = None;
        if partial.len() < stream.length {
            return Ok(None);
        }
        let payload = stream.partial.take().unwrap_or_default().freeze();
        Ok(Some(Message {
            kind: stream.kind,
            stream: stream.stream,
            timestamp: stream.timestamp,
            payload,
        }))
    }
}

/// How many bytes of a repeated extended timestamp a type-3 chunk has, 4 or 0; `None` while that cannot be told.
fn repeated(stream: &Incoming, data: &[u8]) -> Option<usize> {
    let Some(extended) = stream.extended else {
        return Some(0);
    };
    let seen = &data[..data.len().min(4)];
    // Some senders repeat a delta as it was, some say the absolute time.
    let matches = [extended, stream.timestamp]
        .iter()
        .any(|time| time.to_be_bytes().starts_with(seen));
    match (matches, seen.len()) {
        (false, _) => Some(0),
        (true, 4) => Some(4),
        (true, _) => None,
    }
}

/// What was sent last on a chunk stream.
#[derive(Debug, Clone, Copy)]
struct Outgoing {
    timestamp: u32,
    stream: u32,
}

#[derive(Debug)]
pub(crate) struct ChunkWriter {
    chunk_size: usize,
    streams: BTreeMap<u8, Outgoing>,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self {
            chunk_size: CHUNK_SIZE_FIRST,
            streams: BTreeMap::new(),
        }
    }
}

/// Where a message goes, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Chunk stream, 2 to 63.
    pub chunk_stream: u8,
    pub kind: u8,
    pub stream: u32,
    pub timestamp: u32,
}

impl ChunkWriter {
    /// Tells the peer, and holds from the next message on.
    pub(crate) fn resize(&mut self, out: &mut BytesMut, size: u32) {
        self.control(out, SET_CHUNK_SIZE, &size.to_be_bytes());
        self.chunk_size = usize::try_from(size).unwrap_or(CHUNK_SIZE_FIRST).max(1);
    }

    /// A protocol control message.
    pub(crate) fn control(&mut self, out: &mut BytesMut, kind: u8, payload: &[u8]) {
        let head = Head {
            chunk_stream: 2,
            kind,
            stream: 0,
            timestamp: 0,
        };
        self.write(out, head, &[payload]);
    }

    /// Writes a message made of parts. Timestamps go as differences where they can, so that a stream of days needs no
    /// extended ones, which servers read differently.
    pub(crate) fn write(&mut self, out: &mut BytesMut, head: Head, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let delta = self
            .streams
            .get(&head.chunk_stream)
            .filter(|sent| sent.stream == head.stream)
            .map(|sent| head.timestamp.wrapping_sub(sent.timestamp))
            .filter(|delta| *delta < EXTENDED);
        let time = delta.unwrap_or(head.timestamp);
        let extended = (time >= EXTENDED).then_some(time);
        out.reserve(length + 18 + 5 * (length / self.chunk_size));
        out.put_u8(head.chunk_stream | if delta.is_some() { 0x40 } else { 0 });
        out.put_uint(u64::from(time.min(EXTENDED)), 3);
        out.put_uint(u64::try_from(length).unwrap_or(0), 3);
        out.put_u8(head.kind);
        if delta.is_none() {
            out.put_u32_le(head.stream);
        }
        if let Some(time) = extended {
            out.put_u32(time);
        }
        let mut room = self.chunk_size;
        for part in parts {
            let mut part = *part;
            while !part.is_empty() {
                if room == 0 {
                    out.put_u8(head.chunk_stream | 0xC0);
                    if let Some(time) = extended {
                        out.put_u32(time);
                    }
                    room = self.chunk_size;
                }
                let (now, later) = part.split_at(part.len().min(room));
                out.put_slice(now);
                room -= now.len();
                part = later;
            }
        }
        self.streams.insert(
            head.chunk_stream,
            Outgoing {
                timestamp: head.timestamp,
                stream: head.stream,
            },
        );
    }
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
