//! The names of `booth doctor`'s checks, for both ends and for the documentation. A name is stable.

/// Run by the command line, from where it is.
pub const CLIENT: [&str; 3] = ["server", "token", "version"];

/// Run by the server, in this order.
pub const SERVER: [&str; 16] = [
    "listeners",
    "workers",
    "ledger",
    "keys",
    "disk",
    "clock",
    "gstreamer",
    "libsrt",
    "certificate",
    "secure-context",
    "udp-ports",
    "stun",
    "turn",
    "srt-clients",
    "channels",
    "destinations",
];
