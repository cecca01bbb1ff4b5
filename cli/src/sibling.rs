//! Finds `boothd` and becomes it: for what only the server's program can do.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::errors::{Failure, Outcome};

/// Beside this program first, so that a pair of the same build works together; then PATH.
pub fn boothd() -> Outcome<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join("boothd")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    find(beside, &path).ok_or_else(|| {
        Failure::error("boothd is neither beside this program nor in PATH")
            .reason("BOOTHD_MISSING")
            .next("install boothd beside booth, or add its directory to PATH")
    })
}

fn find(beside: Option<PathBuf>, path: &OsString) -> Option<PathBuf> {
    let in_path = std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("boothd"));
    beside
        .into_iter()
        .chain(in_path)
        .find(|file| runnable(file))
}

fn runnable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Replaces this process, so that signals and the exit code are the other program's own. Returns only if that fails.
pub fn become_it(mut command: Command) -> Failure {
    let error = command.exec();
    Failure::error(format!(
        "cannot run {}: {error}",
        command.get_program().to_string_lossy()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(dir: &Path) -> PathBuf {
        let file = dir.join("boothd");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn the_program_beside_this_one_comes_before_the_one_in_path() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let far_file = program(far.path());
        let path = far.path().as_os_str().to_owned();
        assert_eq!(
            find(Some(near.path().join("boothd")), &path),
            Some(far_file)
        );
        let near_file = program(near.path());
        assert_eq!(
            find(Some(near.path().join("boothd")), &path),
            Some(near_file)
        );
    }

    #[test]
    fn a_file_that_cannot_run_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("boothd"), "").unwrap();
        assert_eq!(
            find(Some(dir.path().join("boothd")), &OsString::new()),
            None
        );
    }
}
