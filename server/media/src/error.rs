//! Why media could not be set up.

/// Setting up a pipeline failed.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A GStreamer plug-in is not installed.
    #[error("the GStreamer element {0:?} is missing: install the plug-in that has it")]
    MissingElement(String),
    /// GStreamer refused.
    #[error(transparent)]
    Glib(#[from] gst::glib::BoolError),
    /// GStreamer does not start.
    #[error("GStreamer does not start: {0}")]
    Init(#[from] gst::glib::Error),
    /// GStreamer refused a state.
    #[error("a pipeline did not start")]
    State(#[from] gst::StateChangeError),
    /// GStreamer refused a state and said why.
    #[error("{0}")]
    Pipeline(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// A codec that this worker does not decode.
    #[error("codec {0:?} is not supported")]
    Codec(booth_proto::worker::Codec),
    /// Loading a file took too long or failed.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What GStreamer said.
        reason: String,
    },
}
