//! The client's secrets: the one in use, the one staged for Marketing Cloud's rotation, and which of
//! them the provider takes. They can be replaced while requests run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use arc_swap::ArcSwapOption;

use crate::crypto::secret::ClientSecret;
use crate::time::UnixTime;

/// The secrets of a web app.
#[derive(Debug)]
pub struct ClientSecrets {
    pair: ArcSwap<SecretPair>,
    in_use: ArcSwapOption<InUse>,
}

impl ClientSecrets {
    /// `first` is sent; `next` where the provider does not know the first.
    pub fn new(first: ClientSecret, next: Option<ClientSecret>) -> Self {
        Self {
            pair: ArcSwap::from_pointee(SecretPair::new(first, next)),
            in_use: ArcSwapOption::empty(),
        }
    }

    /// The present pair. One token call uses one pair.
    pub fn pair(&self) -> Arc<SecretPair> {
        self.pair.load_full()
    }

    /// Takes over other secrets. Which of them works has to be found out again.
    pub fn replace(&self, first: ClientSecret, next: Option<ClientSecret>) {
        self.pair.store(Arc::new(SecretPair::new(first, next)));
        self.in_use.store(None);
    }

    /// Takes over the secrets of `other`; `false` if they are the ones in force already.
    pub fn adopt(&self, other: &Self) -> bool {
        let (pair, new) = (self.pair.load(), other.pair());
        let text = |secret: Option<&ClientSecret>| secret.map(|it| it.expose().to_owned());
        let same = pair.first.expose() == new.first.expose()
            && text(pair.next.as_ref()) == text(new.next.as_ref());
        if !same {
            self.pair.store(new);
            self.in_use.store(None);
        }
        !same
    }

    /// Which secret the provider accepted last and since when; `None` before the first answer.
    pub fn in_use(&self) -> Option<InUse> {
        self.in_use.load().as_deref().copied()
    }

    /// The provider accepted a secret of `pair`.
    pub(crate) fn accepted(&self, pair: &Arc<SecretPair>, which: Which, now: UnixTime) {
        let next = which == Which::Next;
        pair.next_works.store(next, Ordering::Relaxed);
        let known = self.in_use().is_some_and(|known| known.which == which);
        // A call that began before the secrets were replaced says nothing about the new ones.
        if known || !Arc::ptr_eq(pair, &self.pair.load()) {
            return;
        }
        self.in_use
            .store(Some(Arc::new(InUse { which, since: now })));
        tracing::info!(
            event = "client_secret.in_use",
            secret = which.as_str(),
            since = now.to_rfc3339(),
            "The provider accepts this client secret."
        );
        if next {
            tracing::warn!(
                event = "client_secret.first_refused",
                "Only next_client_secret is accepted: make it client_secret."
            );
        }
    }
}

/// The secrets of one moment.
#[derive(Debug)]
pub struct SecretPair {
    first: ClientSecret,
    next: Option<ClientSecret>,
    /// Whether the staged secret is the one that was accepted last.
    next_works: AtomicBool,
}

impl SecretPair {
    fn new(first: ClientSecret, next: Option<ClientSecret>) -> Self {
        Self {
            first,
            next,
            next_works: AtomicBool::new(false),
        }
    }

    /// The configured secret.
    pub fn first(&self) -> &ClientSecret {
        &self.first
    }

    /// The staged secret.
    pub fn next(&self) -> Option<&ClientSecret> {
        self.next.as_ref()
    }

    /// The secret to try and the one to fall back on.
    pub(super) fn in_order(&self) -> (Choice<'_>, Option<Choice<'_>>) {
        let first = (Which::First, &self.first);
        match self.next.as_ref().map(|next| (Which::Next, next)) {
            Some(next) if self.next_works.load(Ordering::Relaxed) => (next, Some(first)),
            next => (first, next),
        }
    }
}

/// A secret and which it is.
pub(super) type Choice<'a> = (Which, &'a ClientSecret);

/// One of the two secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// `client_secret`.
    First,
    /// `next_client_secret`.
    Next,
}

impl Which {
    /// As in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Next => "next",
        }
    }
}

/// The secret that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub which: Which,
    /// Since when, as far as this process knows.
    pub since: UnixTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> ClientSecret {
        ClientSecret::parse(text).expect("a secret")
    }

    #[test]
    fn what_works_is_remembered_until_the_secrets_change() {
        let (early, late) = (UnixTime::from_millis(1), UnixTime::from_millis(2));
        let secrets = ClientSecrets::new(secret("one"), Some(secret("two")));
        assert_eq!(secrets.in_use(), None);
        let pair = secrets.pair();
        assert_eq!(pair.in_order().0.0, Which::First);
        secrets.accepted(&pair, Which::Next, early);
        secrets.accepted(&pair, Which::Next, late);
        let next = InUse {
            which: Which::Next,
            since: early,
        };
        assert_eq!(secrets.in_use(), Some(next));
        assert_eq!(pair.in_order().0.1.expose(), "two");
        secrets.replace(secret("two"), None);
        assert_eq!(secrets.in_use(), None);
        secrets.accepted(&pair, Which::First, late);
        assert_eq!(secrets.in_use(), None, "an answer about the old pair");
        let pair = secrets.pair();
        secrets.accepted(&pair, Which::First, late);
        assert_eq!(
            secrets.in_use().map(|known| known.which),
            Some(Which::First)
        );
        assert!(pair.in_order().1.is_none());
    }
}
