//! SDP before and after the parser: limits on what a client sends, and what an answer must say besides.

use std::net::IpAddr;

pub const SDP_MAX: usize = 64 * 1024;
pub const M_LINES_MAX: usize = 8;
pub const CANDIDATES_MAX: usize = 32;
const LINES_MAX: usize = 2_000;
/// ICE candidates of a trickled fragment, and the fragment itself.
pub const FRAGMENT_MAX: usize = 16 * 1024;

pub const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("the SDP is larger than {SDP_MAX} bytes")]
    TooLarge,
    #[error("the body is not SDP: {0}")]
    NotSdp(&'static str),
    #[error("the SDP has more than {M_LINES_MAX} m-lines")]
    TooManyMedia,
    #[error("more than {CANDIDATES_MAX} ICE candidates")]
    TooManyCandidates,
    #[error("the offer sends neither audio nor video")]
    Nothing,
}

/// An offer within limits, ready for the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub sdp: String,
    pub audio: bool,
    pub video: bool,
}

/// Holds an offer against the limits, and drops candidates that are not IP addresses: names would have to be looked
/// up, and `.local` ones park a resolver for each session.
pub fn check(body: &[u8]) -> Result<Checked, SdpError> {
    if body.len() > SDP_MAX {
        return Err(SdpError::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| SdpError::NotSdp("it is not UTF-8"))?;
    if text.contains('\0') {
        return Err(SdpError::NotSdp("it has a NUL"));
    }
    let mut lines = text.lines().filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(SdpError::NotSdp("it does not begin with v=0"));
    }
    if text.lines().count() > LINES_MAX {
        return Err(SdpError::NotSdp("it has too many lines"));
    }
    let count = |prefix: &str| text.lines().filter(|line| line.starts_with(prefix)).count();
    if count("m=") > M_LINES_MAX {
        return Err(SdpError::TooManyMedia);
    }
    if count("a=candidate:") > CANDIDATES_MAX {
        return Err(SdpError::TooManyCandidates);
    }
    let (audio, video) = (sends(text, "audio"), sends(text, "video"));
    if !audio && !video {
        return Err(SdpError::Nothing);
    }
    let mut sdp = String::with_capacity(text.len() + 64);
    for line in text.lines().filter(|line| !line.is_empty() && usable(line)) {
        sdp.push_str(line);
        sdp.push_str("\r\n");
    }
    Ok(Checked { sdp, audio, video })
}

/// Whether some m-line of this kind is on and sends.
fn sends(sdp: &str, kind: &str) -> bool {
    media(sdp).any(|section| {
        let Some(rest) = section.first().and_then(|m| m.strip_prefix("m=")) else {
            return false;
        };
        let mut words = rest.split_whitespace();
        words.next() == Some(kind)
            && words.next() != Some("0")
            && !section
                .iter()
                .any(|line| matches!(*line, "a=recvonly" | "a=inactive"))
    })
}

/// Whether some video m-line names this codec.
pub fn offers(sdp: &str, codec: &str) -> bool {
    media(sdp)
        .filter(|section| section.first().is_some_and(|m| m.starts_with("m=video ")))
        .flatten()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '))
        .filter_map(|(_, format)| format.split('/').next())
        .any(|name| name.eq_ignore_ascii_case(codec))
}

/// The m-sections, each with its lines.
fn media(sdp: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<&str> = sdp.lines().collect();
    let starts: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, l)| l.starts_with("m="))
        .map(|(i, _)| i)
        .collect();
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .copied()
        .chain([lines.len()])
        .collect();
    starts
        .into_iter()
        .zip(ends)
        .map(move |(from, to)| lines[from..to].to_vec())
}

/// Only candidates that name an IP address.
fn usable(line: &str) -> bool {
    line.strip_prefix("a=").is_none_or(|attribute| {
        !attribute.starts_with("candidate:") || candidate_address(attribute).is_some()
    })
}

/// The address of `candidate:foundation component transport priority ADDRESS port typ …`.
pub fn candidate_address(candidate: &str) -> Option<IpAddr> {
    candidate.split_whitespace().nth(4)?.parse().ok()
}

/// The id an extension got in the m-section of `kind`.
pub fn extension_id(sdp: &str, kind: &str, uri: &str) -> Option<u8> {
    let wanted = format!("m={kind} ");
    media(sdp)
        .filter(|s| s.first().is_some_and(|m| m.starts_with(&wanted)))
        .flatten()
        .find_map(|line| {
            let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            let id = id.split('/').next()?;
            (rest.split_whitespace().next()? == uri).then(|| id.parse().ok())?
        })
}

/// Adds the public address beside every host candidate of the same family (1:1 NAT: the ports are the same).
pub fn with_public_address(sdp: &str, public: Option<IpAddr>) -> String {
    let Some(public) = public else {
        return sdp.to_owned();
    };
    let mut out = String::with_capacity(sdp.len() + 256);
    for line in sdp.lines() {
        if let Some(twin) = line.strip_prefix("a=").and_then(|c| twin(c, public)) {
            // First: clients try what comes first.
            out.push_str("a=");
            out.push_str(&twin);
            out.push_str("\r\n");
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

fn twin(candidate: &str, public: IpAddr) -> Option<String> {
    let address = candidate_address(candidate)?;
    let words: Vec<&str> = candidate.split_whitespace().collect();
    let host = words.windows(2).any(|w| w == ["typ", "host"]);
    if !candidate.starts_with("candidate:")
        || !host
        || address == public
        || address.is_ipv4() != public.is_ipv4()
    {
        return None;
    }
    let foundation = format!("{}9", words.first()?);
    let public = public.to_string();
    let twin = words.iter().enumerate().map(|(i, word)| match i {
        0 => foundation.as_str(),
        4 => public.as_str(),
        _ => word,
    });
    Some(twin.collect::<Vec<_>>().join(" "))
}

/// What a PATCH of RFC 9725 §4.3 carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    pub ufrag: Option<String>,
    pub pwd: Option<String>,
    /// Mid and candidate (`candidate:…`), those with IP addresses.
    pub candidates: Vec<(String, String)>,
}

pub fn fragment(body: &[u8]) -> Result<Fragment, SdpError> {
    if body.len() > FRAGMENT_MAX {
        return Err(SdpError::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| SdpError::NotSdp("it is not UTF-8"))?;
    let mut out = Fragment::default();
    let mut mid = String::from("0");
    let mut count = 0;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let Some((kind, value)) = line.split_once('=') else {
            return Err(SdpError::NotSdp("a line without ="));
        };
        if kind != "a" {
            continue;
        }
        if let Some(v) = value.strip_prefix("ice-ufrag:") {
            out.ufrag = Some(v.to_owned());
        } else if let Some(v) = value.strip_prefix("ice-pwd:") {
            out.pwd = Some(v.to_owned());
        } else if let Some(v) = value.strip_prefix("mid:") {
            mid = v.to_owned();
        } else if value.starts_with("candidate:") {
            count += 1;
            if count > CANDIDATES_MAX {
                return Err(SdpError::TooManyCandidates);
            }
            if candidate_address(value).is_some() {
                out.candidates.push((mid.clone(), value.to_owned()));
            }
        }
    }
    Ok(out)
}

/// The offer again with other ICE credentials and candidates: an ICE restart (RFC 9725 §4.3.3).
pub fn with_credentials(offer: &str, fragment: &Fragment) -> String {
    let (Some(ufrag), Some(pwd)) = (&fragment.ufrag, &fragment.pwd) else {
        return offer.to_owned();
    };
    let mut out = String::with_capacity(offer.len());
    let mut mid = String::new();
    for line in offer.lines() {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        if line.starts_with("a=ice-ufrag:") {
            out.push_str(&format!("a=ice-ufrag:{ufrag}\r\n"));
        } else if line.starts_with("a=ice-pwd:") {
            out.push_str(&format!("a=ice-pwd:{pwd}\r\n"));
        } else {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if let Some(v) = line.strip_prefix("a=mid:") {
            mid = v.to_owned();
            for (_, candidate) in fragment.candidates.iter().filter(|(m, _)| *m == mid) {
                out.push_str(&format!("a={candidate}\r\n"));
            }
        }
    }
    let _ = mid;
    out
}

/// The part of an answer that a restart is answered with.
pub fn restart_fragment(answer: &str) -> String {
    let wanted = [
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=ice-options:",
        "m=",
        "a=mid:",
        "a=candidate:",
        "a=end-of-candidates",
    ];
    let mut out = String::new();
    for line in answer
        .lines()
        .filter(|line| wanted.iter().any(|w| line.starts_with(w)))
    {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
#[path = "sdp_tests.rs"]
mod tests;
