//! Pictures: to a file, or to a pipe; never to a terminal.

use std::path::Path;

use booth_proto::v1::Tile;
use serde::Serialize;

use crate::app::Ctx;
use crate::args::Format;
use crate::errors::{Failure, Outcome};

pub fn save(
    ctx: &Ctx,
    name: &str,
    answer: &impl Serialize,
    tile: Option<&Tile>,
    to: Option<&Path>,
) -> Outcome {
    if to.is_none() && matches!(ctx.out.format, Format::Json | Format::Ndjson) {
        return ctx.out.json_line(answer);
    }
    let Some(tile) = tile.filter(|tile| !tile.jpeg.is_empty()) else {
        return Err(
            Failure::not_found(format!("there is no picture of {name} now"))
                .reason("NO_TILE")
                .next("pictures exist of slots, and of callers who are armed or on air"),
        );
    };
    match to {
        Some(path) => {
            std::fs::write(path, &tile.jpeg).map_err(|error| {
                Failure::error(format!("cannot write {}: {error}", path.display()))
            })?;
            ctx.out.say(&format!("wrote {}", path.display()));
            Ok(())
        }
        None if ctx.out.terminal => {
            Err(Failure::usage("a picture cannot be printed on a terminal")
                .next("add --out FILE.jpg"))
        }
        None => ctx.out.bytes(&tile.jpeg),
    }
}
