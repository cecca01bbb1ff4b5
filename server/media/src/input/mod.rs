//! Decoders. Each is a pipeline of its own that ends in bounded appsinks: whatever happens to it, the output goes on.

mod file;
mod rtp;
mod teardown;

pub use file::{FileInput, load_image};
pub use rtp::RtpInput;
pub(crate) use rtp::{jitter_buffer, rtp_source, samples};
pub(crate) use rtp::{normalise_audio, normalise_video};
pub(crate) use teardown::Life;
pub use teardown::ending as stuck_teardowns;
