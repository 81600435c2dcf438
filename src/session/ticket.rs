//! What a cookie holds where sessions are kept in a store: which session, and the key to it.

use std::fmt;

use zeroize::Zeroizing;

use super::id::SessionId;
use crate::crypto::Entropy;
use crate::crypto::KeyRing;
use crate::crypto::MasterKey;
use crate::time::UnixTime;

/// A session's id and the key that seals its record. The key never leaves the cookie.
pub struct Ticket {
    id: SessionId,
    ring: KeyRing,
    ends_at: UnixTime,
}

impl Ticket {
    /// A ticket with a new key for a session that ends at `ends_at` at the latest.
    pub fn generate(id: SessionId, ends_at: UnixTime, entropy: &dyn Entropy) -> Self {
        Self {
            id,
            ring: KeyRing::new(MasterKey::generate(entropy), Vec::new()),
            ends_at,
        }
    }

    /// Which session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Seals and opens the session's record.
    pub(super) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// When the session ends at the latest.
    pub fn ends_at(&self) -> UnixTime {
        self.ends_at
    }

    /// The bytes to be sealed. They hold the key in the clear.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.id.to_bytes());
        bytes.extend_from_slice(self.ring.first().expose());
        bytes.extend_from_slice(&self.ends_at.as_millis().to_be_bytes());
        bytes
    }

    /// Reads what [`Ticket::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, rest) = bytes.split_first()? else {
            return None;
        };
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let ends_at = rest.try_into().ok().map(u64::from_be_bytes)?;
        Some(Self {
            id: SessionId::from_bytes(*id),
            ring: KeyRing::new(MasterKey::from_bytes(Zeroizing::new(*key)), Vec::new()),
            ends_at: UnixTime::from_millis(ends_at),
        })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.id)
    }
}

/// First byte of a ticket; another layout gets another number.
const FORMAT: u8 = 1;

const LENGTH: usize = 1 + 16 + 32 + 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::OsEntropy;

    #[test]
    fn a_ticket_survives_being_written() {
        let id = SessionId::generate(&OsEntropy);
        let before = Ticket::generate(id, UnixTime::from_millis(77), &OsEntropy);
        let bytes = before.to_bytes();
        assert_eq!(bytes.len(), LENGTH);
        let after = Ticket::from_bytes(&bytes).expect("our own");
        assert_eq!(
            (after.id(), after.ends_at()),
            (id, UnixTime::from_millis(77))
        );
        assert_eq!(
            after.ring().first().expose(),
            before.ring().first().expose()
        );
        assert_eq!(format!("{after:?}"), format!("Ticket({id})"));
    }

    proptest! {
        #[test]
        fn other_bytes_are_no_ticket(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let opened = Ticket::from_bytes(&bytes);
            prop_assert_eq!(opened.is_some(), bytes.len() == LENGTH && bytes.first() == Some(&FORMAT));
        }
    }
}
