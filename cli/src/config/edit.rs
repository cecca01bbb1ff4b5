//! Changes of `config.toml` that leave everything else in it as it was, comments included; and the files of tokens.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, value};

use super::{Context, broken, dir, file, parse, read};
use crate::errors::{Failure, Outcome};

/// Puts a context in use.
pub fn use_context(name: &str) -> Outcome {
    change(|document| {
        document["context"] = value(name);
    })
}

/// Adds a context, or replaces the one of this name.
pub fn put(name: &str, context: &Context) -> Outcome {
    change(|document| {
        let all = document.entry("contexts").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if all.get(name).is_none() {
            all[name] = Item::Table(Table::new());
        }
        all[name]["server"] = value(&context.server);
        for (key, path) in [
            ("token_file", &context.token_file),
            ("ca_file", &context.ca_file),
        ] {
            match path {
                Some(path) => all[name][key] = value(path.to_string_lossy().as_ref()),
                None => {
                    if let Some(table) = all[name].as_table_like_mut() {
                        table.remove(key);
                    }
                }
            }
        }
    })
}

/// Removes a context; a token that was stored for it goes too.
pub fn forget(name: &str) -> Outcome {
    change(|document| {
        if let Some(all) = document
            .get_mut("contexts")
            .and_then(Item::as_table_like_mut)
        {
            all.remove(name);
        }
        if document.get("context").and_then(Item::as_str) == Some(name) {
            document.remove("context");
        }
    })?;
    match std::fs::remove_file(dir()?.join(own_token(name))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::error(format!(
            "cannot remove the token of {name}: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Keeps a token for this user alone; gives the name for `token_file`.
pub fn store_token(name: &str, token: &str) -> Outcome<PathBuf> {
    let path = own_token(name);
    write_private(&dir()?.join(&path), token.as_bytes())?;
    Ok(path)
}

fn own_token(name: &str) -> PathBuf {
    Path::new("tokens").join(name)
}

fn change(edit: impl FnOnce(&mut DocumentMut)) -> Outcome {
    let path = file()?;
    let text = read(&path)?.unwrap_or_default();
    // What is broken is not made worse.
    parse(&path, &text)?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error| broken(format!("{}: {error}", path.display())))?;
    edit(&mut document);
    let text = document.to_string();
    parse(&path, &text)?;
    // A link to a file kept elsewhere stays one.
    let path = path.canonicalize().unwrap_or(path);
    write_private(&path, text.as_bytes())
}

/// Whole or not at all, and readable by this user only.
fn write_private(path: &Path, bytes: &[u8]) -> Outcome {
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&part)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    };
    write().map_err(|error| Failure::error(format!("cannot write {}: {error}", path.display())))
}
