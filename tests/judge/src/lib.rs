//! An independent judge of MPEG transport streams and of FLV as RTMP carries it: it reads SRT, a file or a pipe and tells
//! what a receiver got. It uses nothing of the server, so that tests and benches do not believe the server's own word.
//!
//! ```no_run
//! # use std::time::Duration;
//! use booth_judge::{Judge, JudgeInput, Options, SrtInput, clock};
//! let judge = Judge::spawn(JudgeInput::Srt(SrtInput::new("127.0.0.1", 9001)), Options::default())?;
//! let sent_ns = clock::monotonic_ns(); // … take caller 7 …
//! let seen = judge.wait_for_picture(7, Duration::from_secs(10))?;
//! let latency = seen.picture_since(7, sent_ns).map(|s| clock::between_ms(sent_ns, s.first_packet_at_ns));
//! let report = judge.finish();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
pub mod clock;
mod decode;
pub mod defect;
pub mod demux;
pub mod es;
pub mod flv;
mod judge;
mod options;
pub mod report;
pub mod sense;
mod source;
mod srt;
pub mod stamps;
pub mod text;
pub mod timeline;
pub mod ts;

pub use defect::DefectClass;
pub use judge::{Judge, JudgeError, Timeout};
pub use options::{Options, SrtInput};
pub use report::{Report, Snapshot};
pub use sense::{Hearing, Showing};
pub use source::JudgeInput;
