use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a string is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: use 1 to 63 of a-z, 0-9 and -, not starting or ending with -")]
pub struct BadId(pub String);

fn check(s: &str) -> Result<(), BadId> {
    let ok = !s.is_empty()
        && s.len() <= 63
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !s.starts_with('-')
        && !s.ends_with('-');
    // A hostile id is shortened before it is shown.
    if ok {
        Ok(())
    } else {
        Err(BadId(s.chars().take(64).collect()))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(s: &str) -> Result<Self, BadId> {
                check(s)?;
                Ok(Self(s.into()))
            }
            /// An id that the source code spells out; a test checks each one.
            #[allow(dead_code, reason = "not every noun has a well-known id")]
            pub(crate) fn well_known(s: &'static str) -> Self {
                debug_assert!(check(s).is_ok());
                Self(s.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(s: String) -> Result<Self, BadId> {
                Self::new(&s)
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                Self::new(s)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id!(
    /// A live programme: `main` exists from the first start.
    ShowId
);
id!(
    /// One person who joined a show; short and random (`c7k2m9`).
    CallerId
);
id!(
    /// An always-on output (`1`).
    SlotId
);
id!(
    /// What lets somebody join; not the secret itself.
    InviteId
);
id!(
    /// A 24x7 output (`radio`).
    ChannelId
);
id!(
    /// A restream target of one channel (`youtube`).
    DestinationId
);
id!(
    /// A person or program that signs in.
    OperatorId
);

/// A client's name for one attempt at a mutation; repeats get the first answer. 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Arc<str>);

impl RequestId {
    pub fn new(s: &str) -> Result<Self, BadRequestId> {
        if (1..=128).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(s.into()))
        } else {
            Err(BadRequestId)
        }
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id has 1 to 128 printable ASCII characters and no spaces")]
pub struct BadRequestId;

/// One connection of a caller's media; a new one for every (re)connection, so that late facts of an old one are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);
