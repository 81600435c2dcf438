//! Whether the configuration has changed, and is there to stay.

use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::time::Instant;

use super::Reload;
use super::Reloader;
use super::Standing;
use super::Trigger;
use super::authorities;
use super::is_to_follow;
use crate::app::reread::Settling;
use crate::config::file::Hash;

/// What was found so far.
#[derive(Default)]
pub(super) struct Looks {
    next: Settling<Sight>,
    /// The text that stays.
    settled: Option<Hash>,
}

/// What a look finds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    text: Hash,
    /// Of those who vouch for clients. They are part of the listener's TLS, which is made with the rest.
    authorities: Option<[u8; 32]>,
    /// Whether a text that was refused is good by now.
    mended: bool,
}

impl Reloader {
    /// Looks at the configuration and the files that it names. Those are read again also beside a
    /// configuration that is no good. What may still be written is left alone; answers whether there was
    /// any such.
    pub(in crate::app) fn look(&self, now: Instant) -> bool {
        // Kept to the end: between two readings nobody else takes anything over.
        let mut standing = self.standing();
        let unsettled = self.look_at_text(&mut standing, now);
        self.rereader.reread_settled(now) || unsettled
    }

    fn look_at_text(&self, standing: &mut Standing, now: Instant) -> bool {
        let followed = self.followed(standing);
        let Some((file, seen)) = followed.filter(|(file, _)| is_to_follow(file)) else {
            return false;
        };
        let shown = standing.tls.as_ref();
        let in_force = shown.map(|shown| shown.of.2);
        let authorities = shown.map(|shown| authorities(&shown.of.0));
        // What was refused may be good by now without a change of its text: a secret has come.
        let waits = self.ground.reloads.state().refused.is_some();
        let text = file.hash();
        let mut looks = self.looks();
        if text == seen && authorities == in_force && !waits {
            looks.next.forget();
            return false;
        }
        let sight = Sight {
            mended: waits && file.read().outcome.is_ok(),
            authorities,
            text,
        };
        // The files are part of it: a text that is whole may name a list that is not yet.
        if !looks.next.is_settled(sight.clone(), now) || self.rereader.is_unsettled(now) {
            return true;
        }
        looks.settled = Some(sight.text);
        drop(looks);
        self.turn(standing, Trigger::Change) == Reload::Unchanged
    }

    /// Whether this is the text that stays.
    pub(super) fn has_settled(&self, text: &Hash) -> bool {
        self.looks().settled.as_ref() == Some(text)
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
