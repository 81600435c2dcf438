//! Where a browser goes after signing in or out: a path of our own origin and nothing else.

use std::fmt;

use percent_encoding::percent_decode_str;

/// An absolute path, perhaps with a query, that no browser can take for another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(Box<str>);

impl ReturnPath {
    /// Reads what a positive grammar allows (RFC 9700 §4.11, ASVS 3.7.2): `/segment/…[?query]` in
    /// visible ASCII, without empty or dot segments, separators or controls in any encoding.
    pub fn parse(text: &str) -> Result<Self, NotAReturnPath> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let good = text.len() <= MAX_LENGTH && is_path(path) && is_query(query);
        good.then(|| Self(text.into())).ok_or(NotAReturnPath)
    }

    /// The same, perhaps with a fragment, which browsers keep to themselves unless a script tells.
    pub fn parse_with_fragment(text: &str) -> Result<Self, NotAReturnPath> {
        let Some((path, fragment)) = text.split_once('#') else {
            return Self::parse(text);
        };
        let path = Self::parse(path)?;
        if fragment.len() > MAX_FRAGMENT || !is_query(fragment) {
            return Err(NotAReturnPath);
        }
        Ok(Self(format!("{path}#{fragment}").into()))
    }

    /// `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The path as it was asked for, fit for a `Location` field.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text may lead elsewhere; [`ReturnPath::root`] stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a path of this host")]
pub struct NotAReturnPath;

/// Longest path and query, in bytes: it has to fit the sign-in's cookie.
pub const MAX_LENGTH: usize = 2048;

/// Longest fragment, in bytes.
pub const MAX_FRAGMENT: usize = 512;

fn is_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@|[]%/".contains(&b);
    path.starts_with('/')
        && path.bytes().all(plain)
        && !path.contains("//")
        && has_good_escapes(path)
        && path.split('/').all(is_segment)
}

/// What the escapes stand for must be harmless too: somebody on the way may decode them.
fn is_segment(segment: &str) -> bool {
    let separator = |c: char| c.is_control() || matches!(c, '/' | '\\' | '%');
    percent_decode_str(segment)
        .decode_utf8()
        .is_ok_and(|text| !matches!(text.as_ref(), "." | "..") && !text.contains(separator))
}

fn is_query(query: &str) -> bool {
    // A browser escapes the other visible characters (WHATWG URL, special-query percent-encode set).
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"#<>\\".contains(&b);
    query.bytes().all(plain) && has_good_escapes(query)
}

/// Whether two hexadecimal digits follow each `%` (RFC 3986 §2.1).
pub(crate) fn has_good_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        rest.as_bytes()
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const OURS: &str = "https://tool.example.com/oauth2/callback";

    #[test]
    fn paths_of_our_own_are_taken_as_they_are() {
        for text in [
            "/",
            "/a",
            "/a/",
            "/a/b.html",
            "/a/.hidden/...",
            "/a?b=c&d=%2F%2Fx",
            "/?next=//evil.example",
            "/?x={1}|[2]^`",
            "/key:1/@me/a=b,c",
            "/caf%C3%A9",
            "/a%20b",
            "/?",
            "/a?b?c=/../",
        ] {
            let parsed = ReturnPath::parse(text).map(|path| path.to_string());
            assert_eq!(parsed.as_deref(), Ok(text));
        }
        assert_eq!(ReturnPath::root().as_str(), "/");
    }

    #[test]
    fn every_known_trick_is_refused() {
        for text in [
            "",
            "a",
            "?a",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\\/evil.example",
            "/a\\b",
            "https://evil.example",
            "https:evil.example",
            "http:///evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            " //evil.example",
            " /a",
            "/ /evil.example",
            "/a b",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r/evil.example",
            "\t//evil.example",
            "/\u{0}/evil.example",
            "/\u{7f}",
            "/%09/evil.example",
            "/%0a/evil.example",
            "/%0d%0aSet-Cookie:x=y",
            "/%00",
            "/%7f",
            "/%c2%85",
            "/%2f/evil.example",
            "/%2fevil.example",
            "/%2F%2Fevil.example",
            "/%5cevil.example",
            "/%5C%5Cevil.example",
            "/%252fevil.example",
            "/%25",
            "/./evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/a/..//evil.example",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/..",
            "/%2e/",
            "/%2E%2e/",
            "/.%2e/x",
            "/a/%2e%2e//evil.example",
            "/;/evil.example",
            "/a;b",
            "/a//b",
            "/a//",
            "/a#b",
            "/#//evil.example",
            "/a?b#c",
            "/a?b c",
            "/a?b\\c",
            "/a?b\r\nc",
            "/a?b\"c",
            "/a<b>",
            "/a?<script>",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            "/a?%",
            "/a?%g0",
            "/%ff",
            "/%c0%ae%c0%ae/",
            "/%c0%af",
            "/\u{2044}evil.example",
            "/\u{ff0f}evil.example",
            "/\u{3002}evil",
            "/é",
            "@evil.example",
            ".evil.example",
            "~//evil.example",
        ] {
            assert_eq!(ReturnPath::parse(text), Err(NotAReturnPath), "{text:?}");
        }
    }

    #[test]
    fn length_is_limited() {
        let longest = format!("/{}", "a".repeat(MAX_LENGTH - 1));
        assert!(ReturnPath::parse(&longest).is_ok());
        assert!(ReturnPath::parse(&format!("{longest}a")).is_err());
    }

    fn stays_here_unchanged(path: &ReturnPath) {
        let base = Url::parse(OURS).expect("a URL");
        let joined = base.join(path.as_str()).expect("an accepted path joins");
        assert_eq!(joined.origin(), base.origin(), "{path}");
        assert_eq!(joined.path(), path.as_str().split('?').next().unwrap());
        assert_eq!(joined.username(), "");
        assert_eq!(joined.fragment(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_accepted_stays_on_our_origin(
            text in "/?([/\\\\.%@:?#;\t ]|%2[ef5]|%5c|evil\\.example|a|[\\PC]){0,12}",
        ) {
            if let Ok(path) = ReturnPath::parse(&text) {
                stays_here_unchanged(&path);
            }
        }

        #[test]
        fn plain_paths_are_accepted_and_stay(text in "(/[a-z0-9_~:@=,+-]{1,8}){1,5}/?(\\?[a-z=&/]{0,9})?") {
            let path = ReturnPath::parse(&text);
            prop_assert!(path.is_ok(), "{}", text);
            stays_here_unchanged(&path.unwrap());
        }
    }
}
