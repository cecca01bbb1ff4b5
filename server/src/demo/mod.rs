//! `boothd demo`: synthetic callers that are real WebRTC publishers over the same WHIP door as everybody.

pub mod publisher;
pub mod web;
