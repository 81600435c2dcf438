//! When a token is renewed: by `expires_in`, never by a fixed period.

use std::time::Duration;

use crate::oauth::token::TokenSet;
use crate::time::UnixTime;

/// How much life a token has left, in terms of what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing to do.
    Fresh,
    /// Still good, but to be renewed by the way.
    Due,
    /// Not to be used any more.
    Dead,
}

impl Freshness {
    /// Looks at `tokens`. `spread` (any number, the same for one session) moves the moment of renewal
    /// a little, so that people who signed in together do not renew together.
    pub fn of(tokens: &TokenSet, now: UnixTime, spread: u8) -> Self {
        let dead_at = tokens.expires_at.minus(safety(tokens.lifetime));
        if now >= dead_at {
            return Self::Dead;
        }
        if now >= dead_at.minus(margin(tokens.lifetime, spread)) {
            Self::Due
        } else {
            Self::Fresh
        }
    }
}

/// A token that dies on its way to the API is of no use: the last 2 % of its life, two seconds at
/// most, are not used.
fn safety(lifetime: Duration) -> Duration {
    (lifetime / 50).min(Duration::from_secs(2))
}

/// A fifth of the token's life, five minutes at most (the provider's own advice), less up to a
/// quarter of that by `spread`.
fn margin(lifetime: Duration, spread: u8) -> Duration {
    let full = (lifetime / 5).min(Duration::from_mins(5));
    full.saturating_sub(full * u32::from(spread) / (4 * 256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::AccessToken;

    fn at(seconds_before_expiry: u64, lifetime: u64, spread: u8) -> Freshness {
        let now = UnixTime::from_millis(1_000_000_000);
        let tokens = TokenSet {
            access: AccessToken::parse("t").expect("a token"),
            refresh: None,
            expires_at: now.plus(Duration::from_secs(seconds_before_expiry)),
            lifetime: Duration::from_secs(lifetime),
        };
        Freshness::of(&tokens, now, spread)
    }

    #[test]
    fn the_margin_follows_the_tokens_own_life() {
        assert_eq!(at(1079, 1079, 0), Freshness::Fresh);
        assert_eq!(at(218, 1079, 0), Freshness::Fresh);
        assert_eq!(at(217, 1079, 0), Freshness::Due);
        assert_eq!(at(3, 1079, 0), Freshness::Due);
        assert_eq!(at(2, 1079, 0), Freshness::Dead);
        assert_eq!(at(1, 1, 0), Freshness::Fresh);
        assert_eq!(at(0, 1, 0), Freshness::Dead);
        assert_eq!(at(303, 36_000, 0), Freshness::Fresh);
        assert_eq!(at(302, 36_000, 0), Freshness::Due);
    }

    #[test]
    fn the_spread_only_shortens_the_margin() {
        assert_eq!(at(210, 1079, 255), Freshness::Fresh);
        assert_eq!(at(160, 1079, 255), Freshness::Due);
    }
}
