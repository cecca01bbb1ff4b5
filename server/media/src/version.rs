//! The libsrt that GStreamer's plug-in loaded: too old a one has holes that a stranger can reach.

use std::ffi::{CString, c_void};

use crate::output::make;

/// 1.5.1 is the first with Debian's fixes for the key message overflow.
const OLDEST: u32 = 0x01_05_01;

/// Why the SRT library cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SrtError {
    /// No plug-in, no library.
    #[error("GStreamer's SRT plug-in is not usable: {0}")]
    Missing(String),
    /// Known holes.
    #[error("libsrt {}.{}.{} is too old: 1.5.1 with Debian's security fixes is the oldest that is safe", .0 >> 16, .0 >> 8 & 255, .0 & 255)]
    TooOld(u32),
}

/// Checks the loaded library.
///
/// # Errors
/// [`SrtError`] when it is missing or too old.
pub fn check_srt() -> Result<u32, SrtError> {
    let element = make("srtsink").and_then(|builder| Ok(builder.build()?));
    let _loaded = element.map_err(|error| SrtError::Missing(error.to_string()))?;
    let maps = std::fs::read_to_string("/proc/self/maps")
        .map_err(|error| SrtError::Missing(error.to_string()))?;
    let library = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| {
            path.rsplit('/')
                .next()
                .is_some_and(|name| name.starts_with("libsrt"))
        })
        .ok_or_else(|| SrtError::Missing("libsrt is not loaded".to_owned()))?;
    let version = version_of(library)
        .ok_or_else(|| SrtError::Missing(format!("{library} does not tell its version")))?;
    if version < OLDEST {
        Err(SrtError::TooOld(version))
    } else {
        Ok(version)
    }
}

fn version_of(library: &str) -> Option<u32> {
    let path = CString::new(library).ok()?;
    // SAFETY: the library is already loaded (RTLD_NOLOAD), so no code of it runs by opening; the handle is not closed,
    // so the function stays valid; `uint32_t srt_getversion(void)` is libsrt's documented signature since 1.3.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
        if handle.is_null() {
            return None;
        }
        let symbol = libc::dlsym(handle, c"srt_getversion".as_ptr());
        if symbol.is_null() {
            return None;
        }
        let get: extern "C" fn() -> u32 =
            std::mem::transmute::<*mut c_void, extern "C" fn() -> u32>(symbol);
        Some(get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_library_is_new_enough() {
        gst::init().unwrap();
        assert!(check_srt().unwrap() >= OLDEST);
    }

    #[test]
    fn an_old_library_is_named_by_its_version() {
        assert!(SrtError::TooOld(0x01_04_04).to_string().contains("1.4.4"));
    }
}
