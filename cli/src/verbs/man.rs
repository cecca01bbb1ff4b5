//! Manual pages, made from the command tree itself: one page for each command.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use crate::app::Ctx;
use crate::args::ManArgs;
use crate::errors::{Failure, Outcome};
use crate::tree;

pub fn run(ctx: &Ctx, args: ManArgs) -> Outcome {
    let mut root = tree::command();
    root.build();
    if let Some(dir) = &args.dir {
        return all(ctx, &root, dir);
    }
    let mut command = &root;
    for word in &args.page {
        command = command.find_subcommand(word).ok_or_else(|| {
            Failure::not_found(format!("there is no command booth {}", args.page.join(" ")))
                .next("booth help")
        })?;
    }
    let (_, page) = page(command, &args.page)?;
    ctx.out.bytes(&page)
}

fn all(ctx: &Ctx, root: &Command, dir: &Path) -> Outcome {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::error(format!("cannot make {}: {error}", dir.display())))?;
    let mut written = 0;
    let mut open: Vec<(&Command, Vec<String>)> = vec![(root, Vec::new())];
    while let Some((command, path)) = open.pop() {
        let (name, page) = page(command, &path)?;
        let file = dir.join(format!("{name}.1"));
        std::fs::write(&file, page)
            .map_err(|error| Failure::error(format!("cannot write {}: {error}", file.display())))?;
        written += 1;
        // `help` has no page of its own.
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let mut path = path.clone();
            path.push(sub.get_name().to_owned());
            open.push((sub, path));
        }
    }
    ctx.out
        .say(&format!("wrote {written} pages to {}", dir.display()));
    Ok(())
}

/// Its name, `booth-slot-take`, and the page.
fn page(command: &Command, path: &[String]) -> Outcome<(String, Vec<u8>)> {
    let name = std::iter::once("booth")
        .chain(path.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    let mut page = Vec::new();
    // Without a date: the same program makes the same page.
    Man::new(command.clone())
        .title(name.to_uppercase())
        .date("")
        .manual("booth")
        .render(&mut page)
        .map_err(|error| Failure::error(error.to_string()))?;
    Ok((name, page))
}
