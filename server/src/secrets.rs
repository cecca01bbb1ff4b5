//! Tokens and sealing: everything made from randomness or from `data/key`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use booth_core::{Sealed, Timestamp, TokenHash};
use ring::{aead, hmac, rand::SecureRandom};

/// A secret that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }
    /// The only way to the value; name the reason where it is called.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What link tokens begin with; bearer tokens have no dot.
pub const LINK_PREFIX: &str = "link.";

/// Digest under which a bearer token is stored. Tokens have 256 random bits, so a plain hash is enough.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(*blake3::hash(token.as_bytes()).as_bytes())
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("no randomness to be had from the system")]
    Random,
    #[error("the sealed value does not open with this server's key")]
    Seal,
}

/// `N` random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut out = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| SecretError::Random)?;
    Ok(out)
}

/// A fresh 256-bit bearer token, 43 characters of URL-safe base64.
pub fn new_token() -> Result<Secret<String>, SecretError> {
    Ok(Secret(URL_SAFE_NO_PAD.encode(random::<32>()?)))
}

/// A short random id (`c7k2m9…`): a letter, then base-32 without look-alikes.
pub fn new_id(prefix: char) -> Result<String, SecretError> {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let bytes = random::<7>()?;
    Ok(std::iter::once(prefix)
        .chain(
            bytes
                .iter()
                .map(|b| char::from(ALPHABET[usize::from(b % 32)])),
        )
        .collect())
}

/// The server's own key (`data/key`, 32 bytes).
pub struct Keyring {
    aead: aead::LessSafeKey,
    derive: hmac::Key,
    link: hmac::Key,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl Keyring {
    pub fn new(key: &[u8; 32]) -> Result<Self, SecretError> {
        // A use, a key.
        let sub = |context: &str| blake3::derive_key(context, key);
        let unbound = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &sub("booth 2026 seal"))
            .map_err(|_| SecretError::Seal)?;
        Ok(Self {
            aead: aead::LessSafeKey::new(unbound),
            derive: hmac::Key::new(hmac::HMAC_SHA256, &sub("booth 2026 derive")),
            link: hmac::Key::new(hmac::HMAC_SHA256, &sub("booth 2026 link")),
        })
    }

    /// The token of one request: the same for a repeat with the same request id, unguessable without the key.
    pub fn token_for(&self, purpose: &str, request_id: &str) -> Secret<String> {
        let tag = hmac::sign(&self.derive, format!("{purpose}\0{request_id}").as_bytes());
        Secret(URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// A link token: stands for the bearer token with this digest until `expires`. Nothing of it is kept.
    pub fn link_token(&self, of: &TokenHash, expires: Timestamp) -> Secret<String> {
        let mut bytes = expires.0.to_be_bytes().to_vec();
        bytes.extend(of.0);
        let tag = hmac::sign(&self.link, &bytes);
        bytes.extend(tag.as_ref());
        Secret(LINK_PREFIX.to_owned() + &URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The digest that a link token of this server stands for, and when it expires; `None` for any other text.
    pub fn open_link_token(&self, token: &str) -> Option<(TokenHash, Timestamp)> {
        let encoded = token.strip_prefix(LINK_PREFIX)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (signed, tag) = bytes.split_at_checked(40)?;
        // Compares in constant time.
        hmac::verify(&self.link, signed, tag).ok()?;
        let (expires, hash) = signed.split_at_checked(8)?;
        Some((
            TokenHash(hash.try_into().ok()?),
            Timestamp(i64::from_be_bytes(expires.try_into().ok()?)),
        ))
    }

    /// Seals `value` for the record named `context`; it opens only under the same name.
    pub fn seal(&self, context: &str, value: &str) -> Result<Sealed, SecretError> {
        let nonce = random::<12>()?;
        let mut data = value.as_bytes().to_vec();
        self.aead
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(context.as_bytes()),
                &mut data,
            )
            .map_err(|_| SecretError::Seal)?;
        Ok(Sealed(STANDARD.encode([nonce.as_slice(), &data].concat())))
    }

    pub fn open(&self, context: &str, sealed: &Sealed) -> Result<Secret<String>, SecretError> {
        let mut data = STANDARD.decode(&sealed.0).map_err(|_| SecretError::Seal)?;
        if data.len() < 12 {
            return Err(SecretError::Seal);
        }
        let mut rest = data.split_off(12);
        let nonce = aead::Nonce::try_assume_unique_for_key(&data).map_err(|_| SecretError::Seal)?;
        let plain = self
            .aead
            .open_in_place(nonce, aead::Aad::from(context.as_bytes()), &mut rest)
            .map_err(|_| SecretError::Seal)?;
        String::from_utf8(plain.to_vec())
            .map(Secret)
            .map_err(|_| SecretError::Seal)
    }
}

/// The name a slot's passphrase is sealed under.
pub fn slot_passphrase_context(slot: &booth_core::SlotId) -> String {
    format!("slots/{slot}/passphrase")
}

/// The name a channel's live key is sealed under.
pub fn channel_key_context(channel: &booth_core::ChannelId) -> String {
    format!("channels/{channel}/key")
}

/// The name the passphrase of a channel's SRT input is sealed under.
pub fn channel_passphrase_context(channel: &booth_core::ChannelId) -> String {
    format!("channels/{channel}/srt-passphrase")
}

/// The name a destination's stream key or passphrase is sealed under.
pub fn destination_key_context(
    channel: &booth_core::ChannelId,
    destination: &booth_core::DestinationId,
) -> String {
    format!("channels/{channel}/destinations/{destination}/key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_under_its_own_name_and_key() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        let sealed = keys.seal("slots/1/passphrase", "correct horse").unwrap();
        assert_eq!(
            keys.open("slots/1/passphrase", &sealed).unwrap().expose(),
            "correct horse"
        );
        assert!(keys.open("slots/2/passphrase", &sealed).is_err());
        assert!(
            Keyring::new(&[8; 32])
                .unwrap()
                .open("slots/1/passphrase", &sealed)
                .is_err()
        );
        assert!(!format!("{sealed:?}").contains("horse"));
    }

    #[test]
    fn a_link_token_opens_whole_and_with_its_own_key_only() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        let hash = token_hash("anna's");
        let token = keys.link_token(&hash, Timestamp(1_800_000_000_000));
        let token = token.expose();
        assert_eq!(
            keys.open_link_token(token),
            Some((hash, Timestamp(1_800_000_000_000)))
        );
        assert_eq!(Keyring::new(&[8; 32]).unwrap().open_link_token(token), None);
        assert_eq!(keys.open_link_token(&token[5..]), None);
        assert_eq!(keys.open_link_token(&format!("{token}AAAA")), None);
        for n in LINK_PREFIX.len()..token.len() {
            assert_eq!(keys.open_link_token(&token[..n]), None);
            let other = if &token[n..=n] == "A" { "B" } else { "A" };
            let forged = format!("{}{other}{}", &token[..n], &token[n + 1..]);
            assert_eq!(keys.open_link_token(&forged), None, "{n}");
        }
    }

    #[test]
    fn a_repeated_request_gets_the_same_token() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        assert_eq!(
            keys.token_for("invite", "r1"),
            keys.token_for("invite", "r1")
        );
        assert_ne!(
            keys.token_for("invite", "r1"),
            keys.token_for("invite", "r2")
        );
        assert_ne!(
            keys.token_for("invite", "r1"),
            keys.token_for("operator", "r1")
        );
        assert_eq!(keys.token_for("invite", "r1").expose().len(), 43);
    }
}
