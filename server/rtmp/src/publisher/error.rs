//! Why a destination is not fed, in words for an operator. Never holds a key.

/// How a session with a destination failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("the address cannot be used: {0}")]
    Address(&'static str),
    #[error("the name of the host does not resolve: {0}")]
    Resolve(String),
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no answer within {seconds} s while {doing}")]
    TimedOut { doing: &'static str, seconds: u64 },
    #[error("the certificate is not accepted: {0}")]
    Certificate(String),
    #[error("TLS: {0}")]
    Tls(String),
    /// The peer speaks something else, or nonsense.
    #[error("the peer does not speak RTMP: {0}")]
    Protocol(&'static str),
    /// `NetStream.Publish.BadName`, a refused connect and their like.
    #[error("refused: {0}")]
    Refused(String),
    /// It said so in good order while the stream ran.
    #[error("ended by the peer: {0}")]
    Ended(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("stuck: nothing was taken for {seconds} s")]
    Stuck { seconds: u64 },
    /// What is to be sent cannot be told in FLV.
    #[error("cannot be sent: {0}")]
    Media(&'static str),
}

impl PublishError {
    /// Trying again with the same settings is not likely to help.
    #[must_use]
    pub fn terminal(&self) -> bool {
        match self {
            Self::Address(_) | Self::Certificate(_) | Self::Refused(_) | Self::Media(_) => true,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::TimedOut { .. }
            | Self::Tls(_)
            | Self::Protocol(_)
            | Self::Ended(_)
            | Self::Broken(_)
            | Self::Stuck { .. } => false,
        }
    }
}
