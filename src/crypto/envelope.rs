//! Sealed envelopes: what a browser keeps for us and can neither read, change nor move.
//!
//! On the wire an envelope is base64url without padding of `version | key id | salt | ciphertext |
//! tag`. Key and nonce are derived from a master key and the envelope's own salt, so the bound of
//! 2^32 calls with one key (SP 800-38D §8.3) is never near, however many replicas seal.

use aes_gcm::AeadInOut as _;
use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::entropy::Entropy;
use super::keyring::KeyId;
use super::keyring::KeyRing;
use super::keyring::Subkey;

/// Where an envelope belongs. Sealed in as associated data: elsewhere it does not open.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The name of the cookie, without the number of a chunk.
    pub cookie: &'a str,
    /// The public host and port that the cookie was set for.
    pub host: &'a str,
    /// The tenant's name.
    pub tenant: &'a str,
}

/// What an envelope is for. Purposes have keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A signed-in person's session.
    Session,
    /// A sign-in under way.
    Login,
    /// Where a session is kept, and the key to it.
    Ticket,
    /// A session that is kept outside the browser.
    Record,
    /// What replicas tell each other about sessions that ended.
    Ending,
    /// A session on its way from a window to a frame.
    Handover,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Session => "sidegate envelope 1 session",
            Self::Login => "sidegate envelope 1 login",
            Self::Ticket => "sidegate envelope 1 ticket",
            Self::Record => "sidegate envelope 1 record",
            Self::Ending => "sidegate envelope 1 ending",
            Self::Handover => "sidegate envelope 1 handover",
        }
    }
}

impl KeyRing {
    /// Seals `plaintext` with the first key. The text fits a cookie's value as it stands; one of
    /// more than [`MAX_TEXT`] bytes will not open.
    pub fn seal(&self, binding: &Binding<'_>, plaintext: &[u8], entropy: &dyn Entropy) -> String {
        let key = self.first();
        let salt: [u8; SALT] = entropy.bytes();
        let subkey = key.subkey(&salt, binding.purpose.label());
        let mut envelope = Vec::with_capacity(HEAD + plaintext.len() + TAG);
        envelope.push(VERSION);
        envelope.extend_from_slice(&key.id().0);
        envelope.extend_from_slice(&salt);
        envelope.extend_from_slice(plaintext);
        let (_, body) = envelope.split_at_mut(HEAD);
        let tag = encrypt(&subkey, &associated_data(binding, key.id()), body);
        envelope.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(&envelope)
    }

    /// Opens what [`KeyRing::seal`] made under the same binding.
    ///
    /// To the client every error is the same as no envelope at all (ASVS 16.5.1).
    pub fn open(&self, binding: &Binding<'_>, text: &[u8]) -> Result<Opened, OpenError> {
        let head = text.first_chunk::<HEAD_TEXT>().ok_or(OpenError::Length)?;
        if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) {
            return Err(OpenError::Length);
        }
        let Head { key: id, salt } = Head::parse(head)?;
        let key = self.find(id).ok_or(OpenError::UnknownKey)?;
        // The head is a whole number of base64 groups, so the rest decodes on its own and into its
        // final place.
        let rest = text.get(HEAD_TEXT..).unwrap_or_default();
        let body = URL_SAFE_NO_PAD.decode(rest);
        let mut body = Zeroizing::new(body.map_err(|_| OpenError::Encoding)?);
        let (ciphertext, tag) = body.split_last_chunk_mut().ok_or(OpenError::Length)?;
        let length = ciphertext.len();
        let subkey = key.subkey(&salt, binding.purpose.label());
        decrypt(&subkey, &associated_data(binding, id), ciphertext, tag)?;
        body.truncate(length);
        Ok(Opened {
            plaintext: body,
            key: id,
            retired: id != self.first().id(),
        })
    }
}

impl KeyRing {
    /// Whether an envelope was sealed with another key than the first, as far as its head tells.
    pub fn is_retired(&self, text: &[u8]) -> bool {
        let head = text.first_chunk().map(Head::parse);
        matches!(head, Some(Ok(Head { key, .. })) if key != self.first().id())
    }
}

/// An opened envelope.
pub struct Opened {
    /// What was sealed.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The key it was sealed with.
    pub key: KeyId,
    /// Whether that key no longer seals, so the envelope is due to be sealed again.
    pub retired: bool,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({}, retired: {})", self.key, self.retired)
    }
}

/// Why an envelope does not open. For counters only: callers treat all of them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OpenError {
    /// Shorter or longer than any envelope.
    #[error("shorter or longer than any envelope")]
    Length,
    /// Not canonical base64url without padding.
    #[error("not canonical base64url")]
    Encoding,
    /// Made by another release.
    #[error("of an unknown version")]
    Version,
    /// Sealed with a key that is not on the ring.
    #[error("sealed with a key that is not on the ring")]
    UnknownKey,
    /// Altered, made up, or sealed under another binding.
    #[error("altered, or moved from where it belongs")]
    Forged,
}

/// The longest text that is opened, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const SALT: usize = 16;
const TAG: usize = 16;
const HEAD: usize = 1 + KEY_ID + SALT;
/// How much of the text tells an envelope from every other: up to the end of its salt.
pub const HEAD_TEXT: usize = HEAD / 3 * 4;
const _: () = assert!(HEAD.is_multiple_of(3), "the head ends at a base64 group");
/// An empty plaintext's envelope.
const MIN_TEXT: usize = HEAD_TEXT + (TAG * 4).div_ceil(3);

struct Head {
    key: KeyId,
    salt: [u8; SALT],
}

impl Head {
    fn parse(text: &[u8; HEAD_TEXT]) -> Result<Self, OpenError> {
        let mut head = [0; HEAD];
        URL_SAFE_NO_PAD
            .decode_slice(text, &mut head)
            .map_err(|_| OpenError::Encoding)?;
        let [VERSION, rest @ ..] = head else {
            return Err(OpenError::Version);
        };
        let (key, salt) = rest.split_first_chunk().ok_or(OpenError::Length)?;
        Ok(Self {
            key: KeyId(*key),
            salt: salt.try_into().map_err(|_| OpenError::Length)?,
        })
    }
}

/// Every field with its length in front, so that no two bindings give the same bytes.
fn associated_data(binding: &Binding<'_>, key: KeyId) -> Vec<u8> {
    let fields: [&[u8]; 7] = [
        b"sidegate",
        &[VERSION],
        &key.0,
        binding.purpose.label().as_bytes(),
        binding.cookie.as_bytes(),
        binding.host.as_bytes(),
        binding.tenant.as_bytes(),
    ];
    let length = fields.iter().map(|field| 8 + field.len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for field in fields {
        let length = u64::try_from(field.len()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[expect(
    clippy::expect_used,
    reason = "GCM takes 64 GiB at once (SP 800-38D §5.2.1.1); going on would send plaintext"
)]
fn encrypt(subkey: &Subkey, associated: &[u8], body: &mut [u8]) -> [u8; TAG] {
    Aes256Gcm::new((&subkey.key).into())
        .encrypt_inout_detached((&subkey.nonce).into(), associated, body.into())
        .expect("an envelope is far below GCM's limit")
        .into()
}

/// Leaves `body` as it was when the tag does not match.
fn decrypt(
    subkey: &Subkey,
    associated: &[u8],
    body: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), OpenError> {
    Aes256Gcm::new((&subkey.key).into())
        .decrypt_inout_detached((&subkey.nonce).into(), associated, body.into(), tag.into())
        .map_err(|_| OpenError::Forged)
}

#[cfg(test)]
mod tests;
