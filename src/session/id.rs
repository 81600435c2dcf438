//! The name of a session.

use std::fmt;

use crate::crypto::Entropy;

/// Names a session in logs and in the list of what is revoked; 128 random bits. It opens nothing, so
/// it may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Reads what [`Display`](fmt::Display) writes: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = plain.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Self(bits.to_be_bytes()))
    }

    /// A new id.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    pub(super) const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A number that differs between sessions and stays the same within one.
    pub const fn spread(self) -> u8 {
        let [first, ..] = self.0;
        first
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        let id = SessionId::generate(&crate::crypto::OsEntropy);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for bad in ["", "07", &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }
}
