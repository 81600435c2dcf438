//! A tenant's subdomain and the authorization host that follows from it.

use std::fmt;

use crate::http::Origin;
use crate::http::Scheme;

/// Holding one proves the text is a single DNS label in lower case, so it can be placed in a host name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subdomain(Box<str>);

impl Subdomain {
    /// Reads `^[a-z0-9-]{1,63}$`. Hyphens may stand anywhere: real tenants end in one.
    pub fn parse(text: &str) -> Result<Self, SubdomainError> {
        if text.is_empty() || text.len() > 63 {
            return Err(SubdomainError::Length);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.bytes().all(allowed) {
            return Err(SubdomainError::Character);
        }
        Ok(Self(text.into()))
    }

    /// Whether it looks as all subdomains do that Marketing Cloud gives out: 28 characters, `mc` first.
    pub fn is_given_out(&self) -> bool {
        self.0.len() == GIVEN_OUT && self.0.starts_with("mc")
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `https://{subdomain}.auth.marketingcloudapis.com`.
    #[expect(clippy::expect_used, reason = "a label under a fixed suffix is a host")]
    pub fn auth_origin(&self) -> Origin {
        let authority = format!("{}.auth.marketingcloudapis.com", self.0);
        Origin::from_authority(Scheme::Https, &authority)
            .expect("a label under a fixed suffix is a host")
    }
}

impl fmt::Display for Subdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters of a subdomain of Marketing Cloud's.
const GIVEN_OUT: usize = 28;

/// Why a text is not a subdomain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubdomainError {
    /// Empty, or more than 63 characters.
    #[error("must have 1 to 63 characters")]
    Length,
    /// Anything but `a-z`, `0-9` and `-`.
    #[error(
        "may hold only a-z, 0-9 and -, and no dot: just the part before .auth.marketingcloudapis.com"
    )]
    Character,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_built_from_a_fixed_suffix() {
        let subdomain = Subdomain::parse("mc563885gzs27c5t9-63k636ttgm").expect("a real one");
        assert_eq!(
            subdomain.auth_origin().to_string(),
            "https://mc563885gzs27c5t9-63k636ttgm.auth.marketingcloudapis.com"
        );
    }

    #[test]
    fn what_could_leave_the_suffix_is_refused() {
        for text in [
            "",
            "a.b",
            "a/b",
            "a@b",
            "a:b",
            "A",
            "a b",
            "a%2e",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(Subdomain::parse(text).is_err(), "{text}");
        }
    }
}
