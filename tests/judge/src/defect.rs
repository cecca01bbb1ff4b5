//! Defects by class: counted without end, listed up to a bound.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
};

use serde::Serialize;

macro_rules! classes {
    ($($variant:ident $name:literal $why:literal,)*) => {
        /// Everything that can be wrong with a stream.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum DefectClass { $(#[doc = $why] $variant,)* }

        impl DefectClass {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $why),* }
            }
        }
    };
}

classes! {
    Sync "sync" "bytes that belong to no packet",
    TransportError "transport-error" "a packet marked broken, scrambled, or not a PES packet where one starts",
    Continuity "continuity" "packets missing by their continuity counters",
    Discontinuity "discontinuity" "the discontinuity indicator is set",
    BadTable "bad-table" "a PAT or PMT section with a wrong checksum",
    PatChange "pat-change" "the program association changed within a connection",
    PmtChange "pmt-change" "the program map changed within a connection",
    PtsBack "pts-back" "a presentation time not after the one before",
    PtsGap "pts-gap" "a presentation time too far from where it should be",
    DtsOrder "dts-order" "a decoding time not after the one before, or after its presentation time",
    NoPts "no-pts" "an access unit without a time stamp",
    PcrBack "pcr-back" "the program clock went back",
    PcrGap "pcr-gap" "too long between two program clock references",
    SpsChange "sps-change" "the sequence parameter set changed within a connection",
    PpsChange "pps-change" "a picture parameter set changed within a connection",
    AudioChange "audio-change" "audio rate, channels or object type changed within a connection",
    KeyInterval "key-interval" "too long between two key frames",
    BFrames "b-frames" "bidirectional pictures are present",
    Chroma "chroma" "not 8-bit 4:2:0",
    ArrivalGap "arrival-gap" "too long between two arrivals",
    Reconnect "reconnect" "the connection was lost and made again",
    EpochStep "epoch-step" "presentation times went back across a reconnection",
    Frozen "frozen" "the picture stood still",
    Black "black" "the picture was black",
    Silent "silent" "the sound was silent",
    AvSkew "av-skew" "flash and beep are too far apart",
    NoVideo "no-video" "no video stream",
    NoAudio "no-audio" "no audio stream",
    Undecoded "undecoded" "an access unit that the decoder gave nothing for",
    Overrun "overrun" "the judge itself could not keep up: results are incomplete",
}

impl fmt::Display for DefectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DefectClass {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|c| c.name()).collect();
                format!(
                    "unknown defect class {name:?}; known: all {}",
                    names.join(" ")
                )
            })
    }
}

/// One occurrence.
#[derive(Debug, Clone, Serialize)]
pub struct Occurrence {
    /// `CLOCK_MONOTONIC` of the packet that showed it.
    pub at_ns: u64,
    pub pid: Option<u16>,
    /// Unwrapped 90 kHz presentation time, where there is one.
    pub pts: Option<i64>,
    pub detail: String,
}

/// All occurrences of one class.
#[derive(Debug, Clone, Serialize)]
pub struct Defect {
    pub class: DefectClass,
    pub count: u64,
    /// The first ones and the newest ones.
    pub occurrences: VecDeque<Occurrence>,
}

/// The collector.
#[derive(Debug, Clone, Default)]
pub struct Defects {
    classes: BTreeMap<DefectClass, Defect>,
}

impl Defects {
    const KEEP: usize = 32;

    pub fn add(
        &mut self,
        class: DefectClass,
        at_ns: u64,
        pid: Option<u16>,
        pts: Option<i64>,
        detail: String,
    ) {
        let defect = self.classes.entry(class).or_insert_with(|| Defect {
            class,
            count: 0,
            occurrences: VecDeque::new(),
        });
        defect.count += 1;
        if defect.occurrences.len() == Self::KEEP {
            // The first half tells how it began, the second how it stands.
            defect.occurrences.remove(Self::KEEP / 2);
        }
        defect.occurrences.push_back(Occurrence {
            at_ns,
            pid,
            pts,
            detail,
        });
    }

    pub fn into_list(self) -> Vec<Defect> {
        self.classes.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_name_and_serialises_as_it() {
        for &class in DefectClass::ALL {
            assert_eq!(class.name().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
        assert!(
            "nonsense"
                .parse::<DefectClass>()
                .unwrap_err()
                .contains("continuity")
        );
    }

    #[test]
    fn a_thousand_occurrences_are_counted_and_few_are_kept() {
        let mut defects = Defects::default();
        (0..1000).for_each(|i| defects.add(DefectClass::Sync, i, None, None, String::new()));
        let [defect] = &defects.into_list()[..] else {
            panic!("one class")
        };
        assert_eq!(
            (defect.count, defect.occurrences.len()),
            (1000, Defects::KEEP)
        );
        assert_eq!(
            (
                defect.occurrences[0].at_ns,
                defect.occurrences.back().unwrap().at_ns
            ),
            (0, 999)
        );
    }
}
