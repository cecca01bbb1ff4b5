//! An SRT caller in live mode over the system's libsrt. All `unsafe` of SRT is here and in [`ffi`].

mod ffi;

use std::{
    ffi::{CStr, c_int, c_void},
    net::{SocketAddr, ToSocketAddrs},
    sync::OnceLock,
    time::Duration,
};

use crate::options::SrtInput;

/// How long one receive waits: the longest time until a stop is noticed.
const RECEIVE_WAIT_MS: c_int = 50;
/// Largest message in live mode.
pub const MAX_MESSAGE: usize = 1456;

/// A failure in libsrt's words.
#[derive(Debug, thiserror::Error)]
pub enum SrtError {
    #[error("{0}: no such host")]
    Host(String),
    #[error("{what}: {message}")]
    Library { what: &'static str, message: String },
}

/// A connected socket; closed when dropped.
#[derive(Debug)]
pub struct SrtSocket(ffi::Socket);

/// What a receive gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes of the buffer.
    Message(usize),
    /// Nothing for a short while.
    Nothing,
    /// The connection is gone, with the reason.
    Lost(String),
}

impl SrtSocket {
    /// Calls the listener; blocks up to the connect time-out.
    pub fn connect(input: &SrtInput) -> Result<Self, SrtError> {
        start_library()?;
        let address = (input.host.as_str(), input.port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .ok_or_else(|| SrtError::Host(input.host.clone()))?;
        // SAFETY: the library is started; no arguments.
        let raw = unsafe { ffi::srt_create_socket() };
        if raw < 0 {
            return Err(failure("no SRT socket"));
        }
        let socket = Self(raw);
        socket.set_int(ffi::SRTO_TRANSTYPE, ffi::SRTT_LIVE)?;
        socket.set_int(ffi::SRTO_RCVTIMEO, RECEIVE_WAIT_MS)?;
        socket.set_int(ffi::SRTO_CONNTIMEO, millis(input.connect_timeout))?;
        socket.set_int(
            ffi::SRTO_LATENCY,
            c_int::try_from(input.latency_ms).unwrap_or(c_int::MAX),
        )?;
        if let Some(passphrase) = &input.passphrase {
            if let Some(length) = input.key_length {
                socket.set_int(ffi::SRTO_PBKEYLEN, c_int::from(length))?;
            }
            socket.set_text(ffi::SRTO_PASSPHRASE, passphrase)?;
        }
        if let Some(stream_id) = &input.stream_id {
            socket.set_text(ffi::SRTO_STREAMID, stream_id)?;
        }
        socket.call(address)?;
        Ok(socket)
    }

    /// The next message, at most [`MAX_MESSAGE`] bytes.
    pub fn receive(&self, buffer: &mut [u8; MAX_MESSAGE]) -> Received {
        // SAFETY: the buffer is valid for its length; a null control block is allowed.
        let got = unsafe {
            ffi::srt_recvmsg2(
                self.0,
                buffer.as_mut_ptr().cast(),
                MAX_MESSAGE as c_int,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(got) {
            Ok(0) => Received::Lost("closed by the peer".to_owned()),
            Ok(length) => Received::Message(length.min(MAX_MESSAGE)),
            Err(_) => {
                let (code, message) = last_error();
                if matches!(code, ffi::SRT_ETIMEOUT | ffi::SRT_EASYNCRCV) {
                    Received::Nothing
                } else {
                    Received::Lost(message)
                }
            }
        }
    }

    fn call(&self, address: SocketAddr) -> Result<(), SrtError> {
        let done = match address {
            SocketAddr::V4(v4) => {
                let name = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(v4.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                // SAFETY: a whole sockaddr_in that lives over the call.
                unsafe {
                    ffi::srt_connect(
                        self.0,
                        (&raw const name).cast(),
                        size_of_val(&name) as c_int,
                    )
                }
            }
            SocketAddr::V6(v6) => {
                let name = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: v6.ip().octets(),
                    },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: a whole sockaddr_in6 that lives over the call.
                unsafe {
                    ffi::srt_connect(
                        self.0,
                        (&raw const name).cast(),
                        size_of_val(&name) as c_int,
                    )
                }
            }
        };
        if done >= 0 {
            return Ok(());
        }
        // SAFETY: a valid socket; the reason's text is static.
        let reason = unsafe { ffi::srt_getrejectreason(self.0) };
        let mut message = last_error().1;
        if reason > 0 {
            // SAFETY: returns a static string for every number.
            message = format!(
                "{message} ({})",
                text(unsafe { ffi::srt_rejectreason_str(reason) })
            );
        }
        Err(SrtError::Library {
            what: "not connected",
            message,
        })
    }

    fn set_int(&self, option: c_int, value: c_int) -> Result<(), SrtError> {
        // SAFETY: pointer and length describe `value`.
        let done = unsafe {
            ffi::srt_setsockflag(
                self.0,
                option,
                (&raw const value).cast::<c_void>(),
                size_of::<c_int>() as c_int,
            )
        };
        if done < 0 {
            Err(failure("option refused"))
        } else {
            Ok(())
        }
    }

    fn set_text(&self, option: c_int, value: &str) -> Result<(), SrtError> {
        let length = c_int::try_from(value.len()).unwrap_or(c_int::MAX);
        // SAFETY: pointer and length describe `value`; the library copies it.
        let done = unsafe {
            ffi::srt_setsockflag(self.0, option, value.as_ptr().cast::<c_void>(), length)
        };
        if done < 0 {
            Err(failure("option refused"))
        } else {
            Ok(())
        }
    }
}

impl Drop for SrtSocket {
    fn drop(&mut self) {
        // SAFETY: the socket is ours and is not used after this.
        unsafe { ffi::srt_close(self.0) };
    }
}

fn start_library() -> Result<(), SrtError> {
    static STARTED: OnceLock<c_int> = OnceLock::new();
    let code = *STARTED.get_or_init(|| {
        // SAFETY: called once; the level is a syslog number. Only what is critical is logged: losses are our report.
        unsafe {
            ffi::srt_setloglevel(ffi::LOG_CRIT);
            ffi::srt_startup()
        }
    });
    if code < 0 {
        Err(failure("libsrt did not start"))
    } else {
        Ok(())
    }
}

fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

fn failure(what: &'static str) -> SrtError {
    SrtError::Library {
        what,
        message: last_error().1,
    }
}

/// Of this thread.
fn last_error() -> (c_int, String) {
    // SAFETY: a null pointer is allowed; the string stays valid until the next call in this thread.
    unsafe {
        (
            ffi::srt_getlasterror(std::ptr::null_mut()),
            text(ffi::srt_getlasterror_str()),
        )
    }
}

fn text(raw: *const std::ffi::c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: libsrt gives terminated strings.
    unsafe { CStr::from_ptr(raw) }
        .to_string_lossy()
        .into_owned()
}
