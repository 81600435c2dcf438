//! The request target: refused where it can be read in two ways, else kept byte for byte.
//!
//! What is decided on is what is forwarded, so nothing here decodes, normalises or rewrites.

mod readings;

use http::Uri;

/// An origin-form target (RFC 9112 §3.2.1) that every reader splits into the same segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    path: &'a str,
    query: Option<&'a str>,
    opaque: bool,
}

impl<'a> Target<'a> {
    /// Checks path and query of `uri`.
    pub fn parse(uri: &'a Uri) -> Result<Self, AmbiguousTarget> {
        Self::from_parts(uri.path(), uri.query())
    }

    /// Checks a path and a query.
    pub fn from_parts(path: &'a str, query: Option<&'a str>) -> Result<Self, AmbiguousTarget> {
        if !path.starts_with('/') || path.len() + query.map_or(0, str::len) > MAX_TARGET_LENGTH {
            return Err(AmbiguousTarget);
        }
        if query.is_some_and(|query| !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#')) {
            return Err(AmbiguousTarget);
        }
        let opaque = if is_plain(path) {
            false
        } else {
            check_path(path)?
        };
        Ok(Self {
            path,
            query,
            opaque,
        })
    }

    /// The path, starting with `/`.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What readers could make of the path who decode, cut or normalise it: itself where that changes
    /// nothing. `None` if that is more than anybody needs.
    pub fn readings(&self) -> Option<Vec<String>> {
        readings::of(self.path)
    }

    /// Whether every reader takes the path as it is.
    pub fn is_read_as_written(&self) -> bool {
        // The other marks of a second reading are refused in a target.
        memchr::memchr2(b'%', b';', self.path.as_bytes()).is_none()
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Whether the path holds `%2f`, `%25` or `;`. Readers disagree about these, so they pass only
    /// to an API whose keys are known to hold them.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }
}

/// Dot or empty segments, a backslash, a control, a broken escape …, in any encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the target can be read in two ways")]
pub struct AmbiguousTarget;

/// Longest path and query, together.
pub const MAX_TARGET_LENGTH: usize = 16 * 1024;

/// The quick yes for nearly every path: characters without a second meaning, no `//` and no `/.`.
fn is_plain(path: &str) -> bool {
    let mut slash = false;
    for byte in path.bytes() {
        let fine = match byte {
            b'/' | b'.' => !slash,
            byte => byte.is_ascii_alphanumeric() || b"-_~!$&'()*+,=:@".contains(&byte),
        };
        if !fine {
            return false;
        }
        slash = byte == b'/';
    }
    true
}

/// The slow road. Answers whether the path holds `%2f`, `%25` or `;`.
fn check_path(path: &str) -> Result<bool, AmbiguousTarget> {
    let mut opaque = false;
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let high = bytes.next().and_then(hex_digit).ok_or(AmbiguousTarget)?;
                let low = bytes.next().and_then(hex_digit).ok_or(AmbiguousTarget)?;
                let byte = high << 4 | low;
                opaque |= matches!(byte, b'/' | b'%' | b';');
                byte
            }
            b'\\' | b'#' | 0..=0x20 | 0x7f.. => return Err(AmbiguousTarget),
            b';' => {
                opaque = true;
                byte
            }
            _ => byte,
        };
        if byte.is_ascii_control() || byte == b'\\' {
            return Err(AmbiguousTarget);
        }
        decoded.push(byte);
    }
    // Overlong forms such as %c0%ae are not UTF-8, and what is not UTF-8 is read by guessing.
    let decoded = std::str::from_utf8(&decoded).map_err(|_| AmbiguousTarget)?;
    if path.contains("//") {
        return Err(AmbiguousTarget);
    }
    decode_again(decoded)?.split('/').try_for_each(|segment| {
        // Servlet containers cut parameters off before they look for dots: `..;x`.
        match segment.split(';').next().unwrap_or(segment) {
            "." | ".." => Err(AmbiguousTarget),
            _ => Ok(()),
        }
    })?;
    Ok(opaque)
}

/// Takes further layers of encoding off dots and slashes, for the search of dot segments only. What
/// is wrapped more often than that is nobody's key.
fn decode_again(decoded: &str) -> Result<String, AmbiguousTarget> {
    let mut text = decoded.to_ascii_lowercase();
    for _ in 0..MAX_LAYERS {
        if !text.contains("%2") {
            return Ok(text);
        }
        let shorter = text
            .replace("%25", "%")
            .replace("%2e", ".")
            .replace("%2f", "/");
        if shorter.len() == text.len() {
            return Ok(text);
        }
        text = shorter;
    }
    Err(AmbiguousTarget)
}

/// Layers of percent-encoding that are looked through.
const MAX_LAYERS: usize = 4;

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths_pass() {
        for path in ["/", "/a", "/a/b.css", "/a/.well-known"] {
            let parsed = Target::from_parts(path, Some("x=%2f&y=;"));
            assert_eq!(parsed.map(|target| target.is_opaque()), Ok(false), "{path}");
        }
        for path in [
            "/key:ABC",
            "/a...b",
            "/%24page",
            "/%E2%82%AC",
            "/a%20b",
            "/{id}",
            "/a%23b",
        ] {
            assert!(
                Target::from_parts(path, None).is_ok_and(|target| !target.is_opaque()),
                "{path}"
            );
        }
    }

    #[test]
    fn opaque_paths_are_marked() {
        for path in ["/a%2fb", "/a%2Fb", "/a;b", "/a%3Bb", "/100%25", "/a%252Fb"] {
            assert!(
                Target::from_parts(path, None).is_ok_and(|target| target.is_opaque()),
                "{path}"
            );
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/%2e",
            "/%2E%2e/x",
            "/.%2e/x",
            "/a/%2e%2e%2fb",
            "/a%2f..%2fb",
            "/..;/x",
            "/..;a=b/x",
            "/%252e%252e/x",
            "/a%252f%252e%252e/x",
            "/%25252e%25252e/x",
            "/a\\b",
            "/a%5cb",
            "/a%5Cb",
            "/%00",
            "/a%0d%0ab",
            "/%7f",
            "/%",
            "/%2",
            "/%zz",
            "/%c0%ae%c0%ae/x",
            "/%ff",
            "/a b",
            "/a#b",
            "/\u{1}",
            "/ä",
        ] {
            assert_eq!(
                Target::from_parts(path, None),
                Err(AmbiguousTarget),
                "{path}"
            );
        }
        assert!(Target::from_parts("/", Some("a b")).is_err());
        assert!(Target::from_parts("/", Some("a#b")).is_err());
        assert!(Target::from_parts(&format!("/{}", "a".repeat(MAX_TARGET_LENGTH)), None).is_err());
    }

    proptest! {
        /// Whoever resolves dot segments after decoding once, as most readers do, arrives at the same place.
        #[test]
        fn no_reader_moves_an_accepted_path(path in "/([a-z./;\\\\]|%2e|%2f|%25|%5c|%c0|%ae){0,12}") {
            if let Ok(target) = Target::from_parts(&path, None) {
                let joined = url::Url::parse("http://h").unwrap().join(target.path()).unwrap();
                prop_assert_eq!(joined.path(), target.path());
                prop_assert_eq!(joined.host_str(), Some("h"));
            }
        }

        #[test]
        fn no_text_panics(path in ".{0,64}", query in proptest::option::of(".{0,32}")) {
            let _outcome = Target::from_parts(&path, query.as_deref());
        }

        /// The quick road only says yes where the slow one does.
        #[test]
        fn the_quick_road_agrees_with_the_slow(path in "/[a-z./:%2;]{0,12}") {
            if is_plain(&path) {
                prop_assert_eq!(check_path(&path), Ok(false));
            }
        }
    }
}
