//! AAC frames without sound, for as long as a source sends none: the output's audio track never ends.

use bytes::Bytes;

use crate::AudioConfig;

/// ISO/IEC 14496-3 §4.4.2: one channel element with `max_sfb` 0, so that nothing but headers is left, and the end. Holds
/// for every sample rate.
const MONO: &[u8] = &[0x00, 0x00, 0x00, 0x07];
const STEREO: &[u8] = &[0x21, 0x00, 0x00, 0x00, 0x00, 0x1c];

/// A silent frame for this decoder, when it is a plain AAC-LC one of one or two channels.
pub(super) fn silent(config: &AudioConfig) -> Option<Bytes> {
    // The first five bits are the audio object type: 2 is AAC-LC; with SBR signalled in front of it, it is 5 or 29.
    let low_complexity = config.asc.first().is_some_and(|first| first >> 3 == 2);
    match config.channels {
        1 if low_complexity => Some(Bytes::from_static(MONO)),
        2 if low_complexity => Some(Bytes::from_static(STEREO)),
        _ => None,
    }
}
