//! Master keys and the ring of them: the first seals, all of them open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

use super::entropy::Entropy;

/// 32 random bytes, from which the key of each envelope is derived.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
}

impl MasterKey {
    /// Reads 32 bytes from base64 (either alphabet, padded or not) or hexadecimal text; white space
    /// around it is dropped, as files end in a newline.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let bytes = Zeroizing::new(decode(text).ok_or(KeyError::Encoding)?);
        let bytes: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| KeyError::Length(bytes.len()))?;
        let bytes = Zeroizing::new(bytes);
        if looks_made_up(&bytes) {
            return Err(KeyError::Weak);
        }
        Ok(Self::from_bytes(bytes))
    }

    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_bytes(Zeroizing::new(entropy.bytes()))
    }

    /// The key as text that [`MasterKey::parse`] reads: 43 characters of base64url.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// The key itself, to be kept where only its owner can read it.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The key's public name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key and nonce of one envelope (RFC 5869): the same only for the same salt and label.
    pub(super) fn subkey(&self, salt: &[u8; 16], label: &str) -> Subkey {
        let schedule = Hkdf::<Sha256>::new(Some(salt), self.bytes.as_slice());
        let mut subkey = Subkey {
            key: [0; 32],
            nonce: [0; 12],
        };
        expand(&schedule, &[label.as_bytes(), b" key"], &mut subkey.key);
        expand(&schedule, &[label.as_bytes(), b" nonce"], &mut subkey.nonce);
        subkey
    }

    /// A key that was made by [`MasterKey::generate`].
    pub(crate) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let schedule = Hkdf::<Sha256>::new(Some(b"sidegate key id"), bytes.as_slice());
        let mut id = [0; 4];
        expand(&schedule, &[], &mut id);
        Self {
            bytes,
            id: KeyId(id),
        }
    }
}

/// What seals one envelope.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Subkey {
    /// For AES-256.
    pub(super) key: [u8; 32],
    /// For GCM (SP 800-38D §8.2.2 is met by the salt: the pair never repeats).
    pub(super) nonce: [u8; 12],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// Names a key without revealing it: four bytes derived from it by HKDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub(super) [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One or more keys, of which the first seals.
#[derive(Debug)]
pub struct KeyRing {
    first: MasterKey,
    rest: Vec<MasterKey>,
}

impl KeyRing {
    /// `first` seals and opens; `rest` only open.
    pub fn new(first: MasterKey, rest: Vec<MasterKey>) -> Self {
        Self { first, rest }
    }

    /// The key that seals.
    pub fn first(&self) -> &MasterKey {
        &self.first
    }

    /// The names of all keys, that of the first in front.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        std::iter::once(&self.first)
            .chain(&self.rest)
            .map(MasterKey::id)
    }

    /// The key of that name. Keys are chosen by name and never tried in turn, since GCM does not
    /// commit to its key.
    pub fn find(&self, id: KeyId) -> Option<&MasterKey> {
        std::iter::once(&self.first)
            .chain(&self.rest)
            .find(|key| key.id == id)
    }
}

/// Why a text is not a session key. Never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("the key is empty")]
    Empty,
    /// Neither base64 nor hexadecimal.
    #[error("the key is neither base64 nor hexadecimal text")]
    Encoding,
    /// Not 32 bytes.
    #[error("the key holds {0} bytes, but exactly 32 are needed")]
    Length(usize),
    /// Repetition or text where randomness should be.
    #[error("the key is not random")]
    Weak,
}

#[expect(
    clippy::expect_used,
    reason = "RFC 5869 §2.3 allows 255 * 32 bytes; callers ask for 32 at most"
)]
fn expand(schedule: &Hkdf<Sha256>, info: &[&[u8]], out: &mut [u8]) {
    schedule
        .expand_multi_info(info, out)
        .expect("a subkey is short");
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .filter_map(|d| u8::try_from(d).ok())
            .collect();
        return Some(
            digits
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
                .collect(),
        );
    }
    let bare = text.trim_end_matches('=');
    URL_SAFE_NO_PAD
        .decode(bare)
        .or_else(|_| STANDARD_NO_PAD.decode(bare))
        .ok()
}

/// Few different bytes, or nothing but printable characters: 32 random bytes are neither, but for
/// one draw in 10^13.
fn looks_made_up(bytes: &[u8; 32]) -> bool {
    let different: std::collections::HashSet<u8> = bytes.iter().copied().collect();
    different.len() < 12 || bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsEntropy;

    #[test]
    fn a_key_survives_being_written_and_read() {
        let key = MasterKey::generate(&OsEntropy);
        let again = MasterKey::parse(&format!("{}\n", *key.to_text())).expect("our own text");
        assert_eq!(key.bytes, again.bytes);
        assert_eq!(key.id(), again.id());
    }

    #[test]
    fn hexadecimal_and_both_base64_alphabets_are_read() {
        let bytes: Vec<u8> = (0..32)
            .map(|n: u8| n.wrapping_mul(37).wrapping_add(200))
            .collect();
        let hex = bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let id = MasterKey::parse(&hex).expect("hex").id();
        for text in [
            URL_SAFE_NO_PAD.encode(&bytes),
            STANDARD_NO_PAD.encode(&bytes),
            STANDARD_NO_PAD.encode(&bytes) + "=",
        ] {
            assert_eq!(MasterKey::parse(&text).expect("base64").id(), id);
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for (text, error) in [
            ("", KeyError::Empty),
            ("  \n", KeyError::Empty),
            ("correct horse battery staple", KeyError::Encoding),
            ("c2hvcnQ", KeyError::Length(5)),
            (&"0".repeat(64), KeyError::Weak),
            (
                &STANDARD_NO_PAD.encode("a passphrase of 32 characters ok"),
                KeyError::Weak,
            ),
        ] {
            assert_eq!(
                MasterKey::parse(text).map(|key| key.id()),
                Err(error),
                "{text}"
            );
        }
    }

    #[test]
    fn debug_shows_only_the_name() {
        let key = MasterKey::generate(&OsEntropy);
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }
}
