//! The few functions of libsrt 1.5 that a caller needs, as declared in `srt/srt.h`.

use std::ffi::{c_char, c_int, c_void};

pub type Socket = i32;

pub const SRTO_RCVTIMEO: c_int = 14;
pub const SRTO_LATENCY: c_int = 23;
pub const SRTO_PASSPHRASE: c_int = 26;
pub const SRTO_PBKEYLEN: c_int = 27;
pub const SRTO_CONNTIMEO: c_int = 36;
pub const SRTO_STREAMID: c_int = 46;
pub const SRTO_TRANSTYPE: c_int = 50;
pub const SRTT_LIVE: c_int = 0;
/// Major 6 (again) × 1000 + minor.
pub const SRT_EASYNCRCV: c_int = 6002;
pub const SRT_ETIMEOUT: c_int = 6003;
/// Of syslog.
pub const LOG_CRIT: c_int = 2;

#[link(name = "srt-gnutls")]
unsafe extern "C" {
    pub fn srt_startup() -> c_int;
    pub fn srt_setloglevel(level: c_int);
    pub fn srt_create_socket() -> Socket;
    pub fn srt_setsockflag(
        socket: Socket,
        option: c_int,
        value: *const c_void,
        length: c_int,
    ) -> c_int;
    pub fn srt_connect(socket: Socket, name: *const libc::sockaddr, length: c_int) -> c_int;
    pub fn srt_recvmsg2(
        socket: Socket,
        buffer: *mut c_char,
        length: c_int,
        control: *mut c_void,
    ) -> c_int;
    pub fn srt_close(socket: Socket) -> c_int;
    pub fn srt_getlasterror(errno: *mut c_int) -> c_int;
    pub fn srt_getlasterror_str() -> *const c_char;
    pub fn srt_getrejectreason(socket: Socket) -> c_int;
    pub fn srt_rejectreason_str(reason: c_int) -> *const c_char;
}
