//! `config.toml` of the command line and the console: which servers there are, and which is in use.
//!
//! ```toml
//! context = "studio"                     # in use
//!
//! [contexts.studio]
//! server = "http://127.0.0.1:7400"
//! token_file = "tokens/studio"           # beside this file, or an absolute path
//! ca_file = "studio.pem"                 # likewise, for https with a certificate of one's own
//! ```
//!
//! The table `console` is the console's own: it reads it itself. Tokens are never in the file.

mod edit;
#[cfg(test)]
mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Deserialize;

use crate::args::Global;
use crate::errors::{Failure, Outcome};
use crate::names;

pub use edit::{forget, put, store_token, use_context};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    pub server: String,
    /// Absolute, or beside the configuration file.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// What the server's certificate may be signed with; as `token_file`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The one in use.
    #[serde(default)]
    pub context: Option<String>,
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
    #[serde(default)]
    console: Option<toml::Table>,
}

/// `$XDG_CONFIG_HOME/booth`, else `~/.config/booth`.
pub fn dir() -> Outcome<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // What is not absolute does not count (XDG Base Directory Specification).
    let xdg = set("XDG_CONFIG_HOME").map(PathBuf::from);
    let xdg = xdg.filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = xdg.or_else(home).ok_or_else(|| {
        Failure::error("neither XDG_CONFIG_HOME nor HOME says where configuration is")
    })?;
    Ok(base.join("booth"))
}

pub fn file() -> Outcome<PathBuf> {
    Ok(dir()?.join("config.toml"))
}

/// What the file says; nothing when there is none, nor a home where it could be.
pub fn load() -> Outcome<Config> {
    let Ok(path) = file() else {
        return Ok(Config::default());
    };
    match read(&path)? {
        Some(text) => parse(&path, &text),
        None => Ok(Config::default()),
    }
}

fn read(path: &Path) -> Outcome<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(broken(format!("{}: {error}", path.display()))),
    }
}

fn parse(path: &Path, text: &str) -> Outcome<Config> {
    let config: Config = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let number = text[..start].matches('\n').count() + 1;
        let line = text.lines().nth(number - 1).unwrap_or_default();
        // The key, never its value.
        let key = line.split('=').next().unwrap_or_default().trim();
        let what = error.message().lines().collect::<Vec<_>>().join(" ");
        broken(format!("{}, line {number}, {key}: {what}", path.display()))
    })?;
    for name in config.contexts.keys() {
        context_name(name)
            .map_err(|failure| broken(format!("{}: {}", path.display(), failure.message)))?;
    }
    if let Some(name) = &config.context
        && !config.contexts.contains_key(name)
    {
        let known: Vec<&str> = config.contexts.keys().map(String::as_str).collect();
        return Err(broken(format!(
            "{}, context: there is no [contexts.{name}]; there are: {}",
            path.display(),
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        )));
    }
    Ok(config)
}

fn broken(message: String) -> Failure {
    Failure::usage(message)
        .reason("CONFIG_BROKEN")
        .next("mend the file, or go without it: --server URL")
}

/// A context's name is also the name of a file.
pub fn context_name(text: &str) -> Outcome<String> {
    names::new_id("context", text)
}

impl Config {
    pub fn context(&self, name: &str) -> Outcome<&Context> {
        self.contexts.get(name).ok_or_else(|| {
            Failure::not_found(format!("there is no context {name:?}"))
                .reason("CONTEXT_NOT_FOUND")
                .next("booth context list")
        })
    }
}

/// What stands on the command line itself, whatever environment and configuration say.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub server: Option<String>,
    pub token_file: Option<PathBuf>,
    pub ca: Option<PathBuf>,
}

impl Given {
    pub fn of(matches: &ArgMatches, global: &Global) -> Self {
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        Self {
            server: typed("server").then(|| global.server.clone()),
            token_file: global.token_file.clone().filter(|_| typed("token_file")),
            ca: global.ca.clone().filter(|_| typed("ca")),
        }
    }
}

/// Puts the context's server and token where neither a flag nor (unless the context itself is given by flag) the
/// environment names one. A context's token goes to that context's server only, and its CA vouches for no other.
pub fn apply(matches: &ArgMatches, global: &mut Global) -> Outcome {
    let source = |id: &str| match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Source::Flag,
        Some(ValueSource::EnvVariable) => Source::Environment,
        _ => Source::Nowhere,
    };
    let sources = Sources {
        server: source("server"),
        token_file: source("token_file"),
        ca: source("ca"),
        context: source("context"),
        token_variable: std::env::var("BOOTH_TOKEN").is_ok_and(|text| !text.trim().is_empty()),
    };
    if !sources.asks_the_file() {
        return Ok(());
    }
    let config = load()?;
    sources.lay_under(&config, &dir().unwrap_or_default(), global)
}

/// Later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Nowhere,
    Environment,
    Flag,
}

#[derive(Debug, Clone, Copy)]
struct Sources {
    server: Source,
    token_file: Source,
    ca: Source,
    context: Source,
    /// BOOTH_TOKEN is set.
    token_variable: bool,
}

impl Sources {
    /// A server that is named at least as firmly as the context needs no file, and no broken one can be in its way.
    fn asks_the_file(&self) -> bool {
        self.server == Source::Nowhere || self.context > self.server
    }

    fn lay_under(&self, config: &Config, dir: &Path, global: &mut Global) -> Outcome {
        let name = global.context.clone().filter(|name| !name.is_empty());
        let Some(name) = name.or_else(|| config.context.clone()) else {
            return Ok(());
        };
        let context = config.context(&name)?;
        global.server.clone_from(&context.server);
        let by_flag = self.context == Source::Flag;
        let other_token = match self.token_file {
            Source::Flag => true,
            Source::Environment => !by_flag,
            Source::Nowhere => self.token_variable && !by_flag,
        };
        if let Some(path) = context.token_file.as_ref().filter(|_| !other_token) {
            global.token_file = Some(dir.join(path));
        }
        let other_ca = match self.ca {
            Source::Flag => true,
            Source::Environment => !by_flag,
            Source::Nowhere => false,
        };
        if let Some(path) = context.ca_file.as_ref().filter(|_| !other_ca) {
            global.ca = Some(dir.join(path));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use clap::FromArgMatches;

    const FILE: &str = "# mine\ncontext = \"studio\"\n[contexts.studio]\nserver = \"http://a:1\"\ntoken_file = \"tokens/studio\"\n[contexts.home]\nserver = \"http://b:2\"\n[console]\ntheme = \"dark\"\n[console.keys]\ntake = \"ctrl-t\"\n";

    fn parsed(text: &str) -> Outcome<Config> {
        parse(Path::new("/c/config.toml"), text)
    }

    /// What a command line without flags makes of the file.
    fn laid(sources: Sources, context: Option<&str>) -> (String, Option<PathBuf>) {
        let matches = tree::command()
            .try_get_matches_from(["booth", "status"])
            .unwrap();
        let mut global = crate::args::Cli::from_arg_matches(&matches).unwrap().global;
        global.server = "http://other:9".to_owned();
        global.token_file = None;
        global.context = context.map(str::to_owned);
        if sources.asks_the_file() {
            sources
                .lay_under(&parsed(FILE).unwrap(), Path::new("/c"), &mut global)
                .unwrap();
        }
        (global.server, global.token_file)
    }

    const NOTHING: Sources = Sources {
        server: Source::Nowhere,
        token_file: Source::Nowhere,
        ca: Source::Nowhere,
        context: Source::Nowhere,
        token_variable: false,
    };

    #[test]
    fn a_flag_comes_before_the_environment_and_that_before_the_context_in_use() {
        let token = Some(PathBuf::from("/c/tokens/studio"));
        let other = "http://other:9".to_owned();
        let studio = "http://a:1".to_owned();
        assert_eq!(laid(NOTHING, None), (studio.clone(), token.clone()));
        for server in [Source::Flag, Source::Environment] {
            let sources = Sources { server, ..NOTHING };
            assert_eq!(
                laid(sources, None),
                (other.clone(), None),
                "its token stays at home"
            );
        }
        let flagged = Sources {
            server: Source::Environment,
            token_file: Source::Environment,
            ca: Source::Environment,
            token_variable: true,
            context: Source::Flag,
        };
        assert_eq!(laid(flagged, Some("studio")), (studio.clone(), token));
        let variable = Sources {
            token_variable: true,
            ..NOTHING
        };
        assert_eq!(laid(variable, None), (studio, None));
        let named = Sources {
            context: Source::Environment,
            ..NOTHING
        };
        assert_eq!(laid(named, Some("home")), ("http://b:2".to_owned(), None));
    }

    #[test]
    fn a_context_s_ca_is_beside_the_file_and_goes_with_its_server_only() {
        let text = "context = \"studio\"\n[contexts.studio]\nserver = \"https://a:1\"\nca_file = \"studio.pem\"\n";
        let laid = |sources: Sources, ca: Option<&str>| {
            let matches = tree::command()
                .try_get_matches_from(["booth", "status"])
                .unwrap();
            let mut global = crate::args::Cli::from_arg_matches(&matches).unwrap().global;
            global.ca = ca.map(PathBuf::from);
            if sources.asks_the_file() {
                let config = parsed(text).unwrap();
                sources
                    .lay_under(&config, Path::new("/c"), &mut global)
                    .unwrap();
            }
            global.ca
        };
        let own = Some(PathBuf::from("/c/studio.pem"));
        let other = Some(PathBuf::from("/other.pem"));
        assert_eq!(laid(NOTHING, None), own);
        let server = Source::Flag;
        assert_eq!(laid(Sources { server, ..NOTHING }, None), None);
        let ca = Source::Environment;
        assert_eq!(laid(Sources { ca, ..NOTHING }, Some("/other.pem")), other);
        let context = Source::Flag;
        let named = Sources {
            ca,
            context,
            ..NOTHING
        };
        assert_eq!(laid(named, Some("/other.pem")), own);
        let ca = Source::Flag;
        assert_eq!(laid(Sources { ca, ..named }, Some("/other.pem")), other);
    }

    #[test]
    fn a_broken_file_names_line_key_and_what_is_allowed() {
        for (text, said) in [
            (
                "\n[contexts.a]\nserver = \"x\"\nserverr = 1\n",
                "/c/config.toml, line 4, serverr: unknown field `serverr`, expected one of `server`, `token_file`, `ca_file`",
            ),
            (
                "colour = 1\n",
                "/c/config.toml, line 1, colour: unknown field `colour`, expected one of `context`, `contexts`, `console`",
            ),
            (
                "context = \"a\"\n[keys]\nt = \"take\"\n[contexts.a]\nserver = \"x\"\n",
                "/c/config.toml, line 2, [keys]: unknown field `keys`, expected one of `context`, `contexts`, `console`",
            ),
            (
                "[contexts.a]\nserver = 1\n",
                "/c/config.toml, line 2, server: invalid type: integer `1`, expected a string",
            ),
            (
                "context = \"b\"\n[contexts.a]\nserver = \"x\"\n",
                "/c/config.toml, context: there is no [contexts.b]; there are: a",
            ),
        ] {
            let failure = parsed(text).unwrap_err();
            assert_eq!(failure.message, said);
            assert_eq!(failure.exit_code(), 2);
        }
        for text in ["[contexts.\"a/b\"]\nserver = \"x\"", "[[", "[contexts.a]\n"] {
            let failure = parsed(text).unwrap_err();
            assert!(failure.message.starts_with("/c/config.toml"), "{failure:?}");
        }
    }

    #[test]
    fn the_console_s_table_is_its_own() {
        let config = parsed(FILE).unwrap();
        assert_eq!(config.contexts.len(), 2);
        assert_eq!(config.context("gone").unwrap_err().exit_code(), 3);
    }
}
