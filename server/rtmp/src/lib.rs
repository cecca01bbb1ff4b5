//! RTMP at both ends: the guarded server that encoders publish to, and the publisher that feeds destinations.
