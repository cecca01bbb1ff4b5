//! What the settings are made of. One declaration of a key gives its field, its default, its row in `docs/settings.md`, its
//! entry in `boothd settings` and the check of what is allowed, so none of them can be of another mind.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// One key, as a configuration has it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// `grpc.listen`.
    pub key: String,
    /// What it takes: `number`, `ms`, `path`.
    pub kind: &'static str,
    pub help: String,
    /// As TOML would have it, without quotes; `None` when it is not set, or empty.
    pub value: Option<String>,
    /// What holds when it is not set.
    pub unset: &'static str,
    pub range: Option<(u64, u64)>,
    pub one_of: &'static [&'static str],
    pub shape: Shape,
    /// The keys of each entry of a list of tables.
    pub inside: Vec<Setting>,
}

/// How a value is read that is given as bare text, in the environment or to `--set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    /// `a,b` is as good as `["a", "b"]`.
    List,
    Tables,
}

impl Setting {
    /// What it takes, with its limits: `ms, from 250 to 60000`.
    pub fn allowed(&self) -> String {
        match (self.range, self.one_of) {
            (Some((low, high)), _) => format!("{}, from {low} to {high}", self.kind),
            (None, []) => self.kind.to_owned(),
            (None, words) => words.join(" or "),
        }
    }

    /// Why the value is refused, if it is.
    pub fn refused(&self) -> Option<String> {
        let value = self.value.as_deref()?;
        let fits = match self.range {
            Some((low, high)) => value.parse().is_ok_and(|n: u64| (low..=high).contains(&n)),
            None => self.one_of.is_empty() || self.one_of.contains(&value),
        };
        (!fits).then(|| format!("{value:?} is not allowed; it takes {}", self.allowed()))
    }

    /// `BOOTH_GRPC_LISTEN`.
    pub fn variable(&self) -> String {
        format!("BOOTH_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// What a declaration may add to a field: `kind("ms"), range(250, 60_000)`.
#[derive(Debug, Clone, Copy)]
pub struct More {
    pub kind: Option<&'static str>,
    pub unset: &'static str,
    pub range: Option<(u64, u64)>,
    pub one_of: &'static [&'static str],
}

impl More {
    pub const NOTHING: Self = Self {
        kind: None,
        unset: "none",
        range: None,
        one_of: &[],
    };
    pub const fn kind(self, kind: &'static str) -> Self {
        let kind = Some(kind);
        Self { kind, ..self }
    }
    pub const fn unset(self, unset: &'static str) -> Self {
        Self { unset, ..self }
    }
    pub const fn range(self, low: u64, high: u64) -> Self {
        let range = Some((low, high));
        Self { range, ..self }
    }
    pub const fn one_of(self, one_of: &'static [&'static str]) -> Self {
        Self { one_of, ..self }
    }
}

/// A type that a key can have.
pub trait Kind {
    const KIND: &'static str;
    const SHAPE: Shape = Shape::One;
    fn shown(&self) -> Option<String>;
    fn inside() -> Vec<Setting> {
        Vec::new()
    }
}

macro_rules! kinds {
    ($($kind:ty: $text:literal;)*) => {$(impl Kind for $kind {
        const KIND: &'static str = $text;
        fn shown(&self) -> Option<String> {
            Some(self.to_string())
        }
    })*};
}

kinds! {
    bool: "true or false";
    u16: "number";
    u32: "number";
    u64: "number";
    String: "text";
    IpAddr: "IP address";
    SocketAddr: "IP address:port";
}

impl Kind for PathBuf {
    const KIND: &'static str = "path";
    fn shown(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl<T: Kind> Kind for Option<T> {
    const KIND: &'static str = T::KIND;
    fn shown(&self) -> Option<String> {
        self.as_ref()?.shown()
    }
}

macro_rules! lists {
    ($($kind:ty: $text:literal;)*) => {$(impl Kind for Vec<$kind> {
        const KIND: &'static str = $text;
        const SHAPE: Shape = Shape::List;
        fn shown(&self) -> Option<String> {
            let all: Vec<_> = self.iter().filter_map(Kind::shown).collect();
            (!all.is_empty()).then(|| all.join(","))
        }
    })*};
}

lists! {
    String: "list of texts";
    IpAddr: "list of IP addresses";
}

/// Declares tables of keys: `field: type = default, more(…);` under the line that explains it.
macro_rules! settings {
    ($($(#[doc = $about:literal])* $name:ident {
        $($(#[doc = $help:literal])+ $(#[serde($($serde:tt)*)])?
        $field:ident: $kind:ty = $default:expr $(, $more:ident($($arg:expr),*))*;)*
    })*) => {$(
        $(#[doc = $about])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $help])+ $(#[serde($($serde)*)])? pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            pub(super) fn settings(&self, table: &str) -> Vec<Setting> {
                vec![$({
                    const MORE: More = More::NOTHING$(.$more($($arg),*))*;
                    Setting {
                        key: format!("{table}.{}", stringify!($field)),
                        kind: MORE.kind.unwrap_or(<$kind as Kind>::KIND),
                        help: [$($help),+].map(str::trim).join(" "),
                        value: self.$field.shown(),
                        unset: MORE.unset,
                        range: MORE.range,
                        one_of: MORE.one_of,
                        shape: <$kind as Kind>::SHAPE,
                        inside: <$kind as Kind>::inside(),
                    }
                }),*]
            }
        }
    )*};
}
pub(super) use settings;

/// Declares the tables of the file.
macro_rules! tables {
    ($($table:ident: $kind:ident,)*) => {
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config {
            $(pub $table: $kind,)*
        }

        /// An environment variable `BOOTH_<TABLE>_<KEY>` belongs to one of them.
        pub(super) const TABLES: &[&str] = &[$(stringify!($table)),*];

        impl Config {
            /// Every key, in the order of the page, with the value it has here.
            pub fn settings(&self) -> Vec<Setting> {
                let mut all = Vec::new();
                $(all.extend(self.$table.settings(stringify!($table)));)*
                all
            }
        }
    };
}
pub(super) use tables;
