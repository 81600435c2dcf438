//! The key ring in force, which can be replaced while requests run.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;

use super::entropy::Entropy;
use super::envelope::Binding;
use super::envelope::OpenError;
use super::envelope::Opened;
use super::keyring::KeyRing;

/// The present ring. Using it costs an atomic load.
#[derive(Debug)]
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    generation: AtomicU64,
}

impl Keys {
    /// Seals with the present ring: see [`KeyRing::seal`].
    pub fn seal(&self, binding: &Binding<'_>, plaintext: &[u8], entropy: &dyn Entropy) -> String {
        self.ring.load().seal(binding, plaintext, entropy)
    }

    /// Opens with the present ring: see [`KeyRing::open`].
    pub fn open(&self, binding: &Binding<'_>, text: &[u8]) -> Result<Opened, OpenError> {
        self.ring.load().open(binding, text)
    }

    /// Whether an envelope was sealed with a key that no longer seals.
    pub fn is_retired(&self, text: &[u8]) -> bool {
        self.ring.load().is_retired(text)
    }

    /// The present ring.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// A number that changes with the ring: what was opened under another one has to be opened again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts another ring into force, unless it has the same keys in the same order. Answers whether it did.
    pub fn adopt(&self, ring: KeyRing) -> bool {
        if self.ring().ids().eq(ring.ids()) {
            return false;
        }
        self.replace(ring);
        true
    }

    /// Puts another ring into force.
    pub fn replace(&self, ring: KeyRing) {
        self.ring.store(Arc::new(ring));
        // Afterwards, so that nothing opened with the old ring passes for opened with the new one.
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl From<KeyRing> for Arc<Keys> {
    /// Several sites may share them: a new ring is then in force at all of them at once.
    fn from(ring: KeyRing) -> Self {
        Self::new(Keys {
            ring: ArcSwap::from_pointee(ring),
            generation: AtomicU64::new(0),
        })
    }
}
