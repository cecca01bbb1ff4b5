//! What every accepted TCP connection is set to, at each door.

use std::time::Duration;

use tokio::net::TcpStream;

/// A peer that acknowledges nothing for this long is gone; HTTP/1 has no pings to find it out.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A socket that refuses is no reason to refuse the client.
pub fn settle(stream: &TcpStream) {
    // Small messages go out at once.
    let _ = stream.set_nodelay(true);
    let gone_ms = u32::try_from(GONE_WITHIN.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, gone_ms);
}
