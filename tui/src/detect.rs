//! What the terminal can do, as far as its environment tells.

use crate::settings::Colors;

/// `get` reads the environment.
pub fn colors(get: &dyn Fn(&str) -> Option<String>) -> Colors {
    let set = |name: &str| get(name).is_some_and(|v| !v.is_empty());
    let term = get("TERM").unwrap_or_default();
    let depth = get("COLORTERM").unwrap_or_default().to_lowercase();
    // https://no-color.org: set and not empty.
    if set("NO_COLOR") || term == "dumb" || term.starts_with("vt") {
        return Colors::Mono;
    }
    if depth.contains("truecolor") || depth.contains("24bit") || term.contains("direct") {
        return Colors::True;
    }
    if term.contains("256") || ["xterm-kitty", "foot", "alacritty"].contains(&term.as_str()) {
        return Colors::Indexed;
    }
    Colors::Ansi
}

/// Whether text is UTF-8 there.
pub fn ascii(get: &dyn Fn(&str) -> Option<String>) -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| get(name).filter(|v| !v.is_empty()));
    let linux_console = get("TERM").is_some_and(|t| t == "linux");
    // No locale at all is a container more often than an old terminal.
    let other = first.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        !locale.contains("utf") && locale != "c" && locale != "posix"
    });
    linux_console || other
}

/// Pictures are for terminals that can show one, and for links that carry them. A link that is known to be one from
/// elsewhere is not trusted for being quick: how wide it is cannot be measured without filling it.
pub fn pictures(get: &dyn Fn(&str) -> Option<String>) -> bool {
    let dumb = get("TERM").is_none_or(|t| t.is_empty() || t == "dumb");
    !dumb
        && !["SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"]
            .iter()
            .any(|name| get(name).is_some_and(|v| !v.is_empty()))
}

/// Whether it is worth asking the terminal for its way of pictures.
pub fn asks_for_pictures(get: &dyn Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, values: &[&str]| {
        get(name).is_some_and(|v| values.iter().any(|w| v.contains(w)))
    };
    is("TERM", &["kitty", "ghostty", "foot", "mlterm", "sixel"])
        || is("TERM_PROGRAM", &["iTerm", "WezTerm", "ghostty"])
        || is("KITTY_WINDOW_ID", &[""])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn colours_follow_the_terminal_and_no_color_ends_them() {
        assert_eq!(
            colors(&env(&[
                ("TERM", "xterm-256color"),
                ("COLORTERM", "truecolor")
            ])),
            Colors::True
        );
        assert_eq!(colors(&env(&[("TERM", "xterm-256color")])), Colors::Indexed);
        assert_eq!(colors(&env(&[("TERM", "xterm")])), Colors::Ansi);
        assert_eq!(
            colors(&env(&[("TERM", "xterm"), ("NO_COLOR", "1")])),
            Colors::Mono
        );
        assert_eq!(
            colors(&env(&[("TERM", "xterm"), ("NO_COLOR", "")])),
            Colors::Ansi
        );
        assert_eq!(colors(&env(&[("TERM", "vt220")])), Colors::Mono);
    }

    #[test]
    fn signs_are_ascii_where_the_locale_says_so() {
        assert!(!ascii(&env(&[("LANG", "de_DE.UTF-8")])));
        assert!(ascii(&env(&[("LANG", "de_DE.ISO-8859-1")])));
        assert!(ascii(&env(&[("LC_ALL", "en_US"), ("LANG", "en_US.UTF-8")])));
        assert!(!ascii(&env(&[])));
    }

    #[test]
    fn pictures_are_off_over_ssh_and_where_there_can_be_none() {
        assert!(!pictures(&env(&[("TERM", "dumb")])) && !pictures(&env(&[])));
        assert!(pictures(&env(&[("TERM", "xterm")])));
        assert!(!pictures(&env(&[
            ("TERM", "xterm"),
            ("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
        ])));
    }
}
