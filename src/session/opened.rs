//! Sessions a worker has opened lately, so that a browser's next request need not be decrypted.

use std::collections::HashMap;
use std::sync::Arc;

use super::live::Live;

/// Opened sessions by the sealed text. Bounded: two generations, of which the older is dropped when
/// the younger is full.
#[derive(Debug, Default)]
pub struct OpenedSessions {
    young: HashMap<Box<[u8]>, Arc<Live>>,
    old: HashMap<Box<[u8]>, Arc<Live>>,
    /// Of the key ring that they were opened with.
    generation: u64,
}

impl OpenedSessions {
    /// Forgets everything that was opened with another key ring: its key may be gone.
    pub fn keep_to(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Self {
                generation,
                ..Self::default()
            };
        }
    }

    /// The session of exactly this sealed text. Whether it is still alive is for the caller to see.
    pub fn get(&mut self, sealed: &[u8]) -> Option<Arc<Live>> {
        if let Some(live) = self.young.get(sealed) {
            return Some(Arc::clone(live));
        }
        let (key, live) = self.old.remove_entry(sealed)?;
        self.keep(key, Arc::clone(&live));
        Some(live)
    }

    /// Remembers an opened session.
    pub fn insert(&mut self, sealed: &[u8], live: Arc<Live>) {
        self.keep(sealed.into(), live);
    }

    fn keep(&mut self, sealed: Box<[u8]>, live: Arc<Live>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(sealed, live);
    }

    /// Forgets a session.
    pub fn remove(&mut self, sealed: &[u8]) {
        self.young.remove(sealed);
        self.old.remove(sealed);
    }
}

/// Sessions in one generation; one is about 6 KB.
const GENERATION: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::tests::session;
    use crate::time::UnixTime;

    #[test]
    fn no_use_makes_it_grow_beyond_two_generations() {
        let mut opened = OpenedSessions::default();
        let live = || Arc::new(Live::new(Arc::new(session("token", UnixTime::default()))));
        for number in 0..10 * GENERATION {
            opened.insert(number.to_string().as_bytes(), live());
            for earlier in number.saturating_sub(GENERATION)..number {
                opened.get(earlier.to_string().as_bytes());
            }
            assert!(opened.young.len() <= GENERATION && opened.old.len() <= GENERATION);
        }
        assert!(opened.get(b"0").is_none());
        let last = (10 * GENERATION - 1).to_string();
        assert!(opened.get(last.as_bytes()).is_some());
        opened.remove(last.as_bytes());
        assert!(opened.get(last.as_bytes()).is_none());
    }
}
