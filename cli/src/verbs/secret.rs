//! Secrets come from files or stdin: an argument could be read by other users of the machine.

use std::io::Read;
use std::path::Path;

use crate::errors::{Failure, Outcome};

/// What a server may call too long anyway; nobody reads a film into memory by mistake.
const LARGEST: u64 = 4_096;

/// One line; its end belongs to the editor, everything before it to the secret.
fn line(path: &Path, what: &str) -> Outcome<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::error(format!(
            "cannot read the {what} in {}: {error}",
            path.display()
        ))
    })?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    Ok(line.to_owned())
}

/// `undo` is the flag that takes a passphrase away.
pub fn passphrase(path: &Path, undo: &str) -> Outcome<String> {
    let line = line(path, "passphrase")?;
    if (10..=64).contains(&line.chars().count()) && !line.contains('\n') {
        Ok(line)
    } else {
        Err(
            Failure::usage("a passphrase is one line of 10 to 64 characters")
                .next(format!("remove encryption with {undo}")),
        )
    }
}

/// A stream key, or the passphrase of an SRT destination.
pub fn key(path: &Path) -> Outcome<String> {
    let line = line(path, "key")?;
    if !line.trim().is_empty() && !line.contains('\n') {
        Ok(line)
    } else {
        Err(Failure::usage("a key is one line that is not empty")
            .next("take the key away with --no-key"))
    }
}
