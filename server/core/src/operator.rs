use serde::{Deserialize, Serialize};

use crate::{CallerId, OperatorId, Text, Timestamp, TokenHash};

/// Rights, least first: each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Screener,
    Operator,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub id: OperatorId,
    pub name: Text,
    pub role: Role,
    /// Valid bearer tokens, oldest first; at most [`TOKENS_MAX`].
    pub tokens: Vec<TokenHash>,
    pub created_at: Timestamp,
    pub revision: u64,
}

/// A new token beyond this retires the oldest.
pub const TOKENS_MAX: usize = 8;

/// Who caused a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Operator(OperatorId),
    Caller(CallerId),
    System,
}
