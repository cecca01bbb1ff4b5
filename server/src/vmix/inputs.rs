//! Which number an input has now: vMix's state names inputs by key and title, its tally by place.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// vMix's own limit; more are not kept.
const INPUTS_MAX: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// By key, in lower case.
    keys: BTreeMap<String, usize>,
    /// By full title; the first of equal ones, as vMix does.
    titles: BTreeMap<String, usize>,
    /// By the name that was given to an input whose full title also says what it plays.
    short: BTreeMap<String, usize>,
}

impl Inputs {
    /// Reads `<vmix><inputs><input key=… number=… title=…>`; what else is there does not matter.
    pub fn parse(xml: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(xml);
        let mut reader = Reader::from_str(&text);
        let (mut found, mut depth) = (Self::default(), 0_usize);
        let (mut whole, mut inside) = (false, false);
        loop {
            let event = reader.read_event().map_err(|e| e.to_string())?;
            let (tag, opens) = match &event {
                Event::Start(tag) => (tag, true),
                Event::Empty(tag) => (tag, false),
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    inside &= depth >= 2;
                    whole |= depth == 0;
                    continue;
                }
                Event::Eof if whole && depth == 0 => return Ok(found),
                Event::Eof => return Err("it ends in the middle".into()),
                _ => continue,
            };
            match (depth, tag.name().as_ref()) {
                (0, "vmix") => {}
                (0, _) => return Err("it is not vMix's".into()),
                (1, "inputs") => inside = opens,
                (2, "input") if inside => found.add(tag),
                _ => {}
            }
            depth += usize::from(opens);
        }
    }

    /// One that cannot be read is left out; the others are still there.
    fn add(&mut self, tag: &BytesStart<'_>) {
        let value = |name: &str| {
            let attribute = tag.try_get_attribute(name).ok()??;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            Some(value.into_owned())
        };
        let number = value("number").and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|number| (1..=INPUTS_MAX).contains(number)) else {
            return;
        };
        if let Some(key) = value("key") {
            self.keys.entry(key.to_ascii_lowercase()).or_insert(number);
        }
        if let Some(title) = value("title") {
            self.titles.entry(title).or_insert(number);
        }
        if let Some(short) = value("shortTitle") {
            self.short.entry(short).or_insert(number);
        }
    }

    pub fn number(&self, key_or_title: &str) -> Option<usize> {
        let by_key = self.keys.get(&key_or_title.to_ascii_lowercase());
        by_key
            .or_else(|| self.titles.get(key_or_title))
            .or_else(|| self.short.get(key_or_title))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = r#"<vmix><version>27.0.0.49</version><edition>4K</edition><inputs>
<input key="26cae087-b7b6-4d45-98e4-de03ab4feb6b" number="1" type="GT" title="Lower &amp; Third" state="Paused">Lower &amp; Third
<text index="0" name="Headline.Text">&lt;input number="9" title="x"/&gt;</text></input>
<input key="55CBE357-A801-4D54-8FF2-08EE68766FAE" number="2" type="SRT" title="Caller 1"><overlay index="0" key="26cae087-b7b6-4d45-98e4-de03ab4feb6b"/></input>
<input key="k3" number="3" title="Caller 1"/><input key="k0" number="0" title="zero"/><input key="k4" number="4" title="Loops - a.mp4" shortTitle="Loops"/><input title="none"/>
</inputs><overlays><overlay number="1"/></overlays><input key="late" number="7" title="outside"/><active>2</active></vmix>"#;

    #[test]
    fn inputs_are_found_by_key_and_by_full_title() {
        let inputs = Inputs::parse(STATE.as_bytes()).unwrap();
        assert_eq!(
            inputs.number("26CAE087-B7B6-4D45-98E4-DE03AB4FEB6B"),
            Some(1)
        );
        assert_eq!(
            inputs.number("55cbe357-a801-4d54-8ff2-08ee68766fae"),
            Some(2)
        );
        assert_eq!(inputs.number("Lower & Third"), Some(1));
        assert_eq!(inputs.number("Caller 1"), Some(2), "the first of the name");
        assert_eq!(inputs.number("k3"), Some(3));
        assert_eq!(inputs.number("Loops"), Some(4));
        for absent in ["caller 1", "x", "zero", "none", "late", "outside", ""] {
            assert_eq!(inputs.number(absent), None, "{absent}");
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for bad in [
            "",
            "no markup",
            "<html></html>",
            "<vmix><inputs>",
            "<vmix></inputs>",
            "<vmix><input number=1 title=a></vmix>",
        ] {
            assert!(Inputs::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn damage_is_refused_or_read_and_never_more_than_that() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut chance = rand::rngs::StdRng::seed_from_u64(7);
        let whole = Inputs::parse(STATE.as_bytes()).unwrap();
        let mut refused = 0;
        for _ in 0..2_000 {
            let mut bytes = STATE.as_bytes().to_vec();
            for _ in 0..chance.random_range(1..6) {
                let at = chance.random_range(0..bytes.len());
                bytes[at] = chance.random();
            }
            bytes.truncate(chance.random_range(0..=bytes.len() * 2));
            match Inputs::parse(&bytes) {
                Ok(inputs) => assert!(inputs.keys.len() <= whole.keys.len() + 1),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn an_input_that_cannot_be_read_hides_no_other_and_nothing_is_expanded() {
        let state = "<!DOCTYPE vmix [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><vmix><inputs>\
            <input number='1' title='&b;'/><input number='2' title='Caller 2'/></inputs></vmix>";
        let inputs = Inputs::parse(state.as_bytes()).unwrap();
        assert_eq!(inputs.number("Caller 2"), Some(2));
        assert_eq!(inputs.titles.len(), 1);
    }
}
