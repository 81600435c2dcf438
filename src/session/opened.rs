//! Sessions a worker has opened lately, so that a browser's next request need not be decrypted.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::live::Live;
use crate::crypto::ENVELOPE_HEAD_TEXT;

/// Opened sessions by the sealed text. Bounded: two generations, of which the older is dropped when
/// the younger is full.
#[derive(Debug, Default)]
pub struct OpenedSessions {
    young: Shelf,
    old: Shelf,
    /// Of the key ring that they were opened with.
    generation: u64,
}

/// By the beginning of the text, which holds the envelope's random salt: hashing all of it would cost more
/// than all else that is done with a cookie. What follows is compared.
type Shelf = HashMap<Mark, (Box<[u8]>, Arc<Live>), RandomState>;

type Mark = [u8; ENVELOPE_HEAD_TEXT];

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
        let mark = sealed.first_chunk()?;
        if let Some((text, live)) = self.young.get(mark) {
            return (**text == *sealed).then(|| Arc::clone(live));
        }
        if *self.old.get(mark)?.0 != *sealed {
            return None;
        }
        let kept = self.old.remove(mark)?;
        let live = Arc::clone(&kept.1);
        self.keep(*mark, kept);
        Some(live)
    }

    /// Remembers an opened session.
    pub fn insert(&mut self, sealed: &[u8], live: Arc<Live>) {
        // Nothing shorter was ever sealed.
        if let Some(mark) = sealed.first_chunk() {
            self.keep(*mark, (sealed.into(), live));
        }
    }

    fn keep(&mut self, mark: Mark, kept: (Box<[u8]>, Arc<Live>)) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark, kept);
    }

    /// Forgets a session.
    pub fn remove(&mut self, sealed: &[u8]) {
        let Some(mark) = sealed.first_chunk::<ENVELOPE_HEAD_TEXT>() else {
            return;
        };
        for shelf in [&mut self.young, &mut self.old] {
            if shelf.get(mark).is_some_and(|(text, _)| **text == *sealed) {
                shelf.remove(mark);
            }
        }
    }
}

/// Sessions in one generation; one is about 6 KB.
const GENERATION: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::tests::session;
    use crate::time::UnixTime;

    fn text(number: usize) -> Vec<u8> {
        format!("{number:028}.rest").into_bytes()
    }

    #[test]
    fn no_use_makes_it_grow_beyond_two_generations() {
        let mut opened = OpenedSessions::default();
        let live = || Arc::new(Live::new(Arc::new(session("token", UnixTime::default()))));
        for number in 0..10 * GENERATION {
            opened.insert(&text(number), live());
            for earlier in number.saturating_sub(GENERATION)..number {
                opened.get(&text(earlier));
            }
            assert!(opened.young.len() <= GENERATION && opened.old.len() <= GENERATION);
        }
        assert!(opened.get(&text(0)).is_none());
        let last = text(10 * GENERATION - 1);
        assert!(opened.get(&last).is_some());
        opened.remove(&last);
        assert!(opened.get(&last).is_none());
    }

    #[test]
    fn another_text_with_the_same_beginning_is_another_text() {
        let mut opened = OpenedSessions::default();
        let live = Arc::new(Live::new(Arc::new(session("token", UnixTime::default()))));
        let ours = text(7);
        opened.insert(&ours, live);
        let mut forged = ours.clone();
        forged.push(b'x');
        assert!(opened.get(&forged).is_none());
        assert!(opened.get(ours.get(..30).expect("long enough")).is_none());
        opened.remove(&forged);
        assert!(
            opened.get(&ours).is_some(),
            "nor can it push the session out"
        );
        assert!(opened.get(b"short").is_none());
    }
}
