//! Cookies: ours found and cut out byte-exactly, `Set-Cookie` lines built and recognised (RFC 6265bis).

use std::time::Duration;

use cookie::Cookie;
use cookie::SameSite;
use http::HeaderMap;
use http::HeaderValue;
use http::header;
use memchr::memchr_iter;

/// The names of our cookies and the attributes that go with them, decided by `public_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames {
    secure: bool,
    embedded: bool,
}

impl CookieNames {
    /// Names for an https site (`__Host-Http-…`, RFC 10017), or for plain http on loopback.
    pub const fn new(secure: bool) -> Self {
        Self {
            secure,
            embedded: false,
        }
    }

    /// The same inside another site's frame. The browser sends the cookies there, and keeps them apart
    /// by the site around the frame (CHIPS). Both need `Secure`, which browsers grant to plain http on
    /// loopback too.
    #[must_use]
    pub const fn embedded(self) -> Self {
        Self {
            embedded: true,
            ..self
        }
    }

    /// The session cookie; its chunks add `.1`, `.2` ….
    pub const fn session(&self) -> &'static str {
        if self.secure {
            "__Host-Http-sidegate"
        } else {
            "sidegate"
        }
    }

    /// The cookie of one sign-in; a suffix made from its state follows.
    pub const fn login_prefix(&self) -> &'static str {
        if self.secure {
            "__Host-Http-sidegate-login-"
        } else {
            "sidegate-login-"
        }
    }

    /// The secret of a frame that waits for a session from another window.
    pub const fn frame(&self) -> &'static str {
        if self.secure {
            "__Host-Http-sidegate-frame"
        } else {
            "sidegate-frame"
        }
    }

    /// Whether `name` is one of ours in any case: browsers and servers disagree about cookie case.
    pub fn is_ours(&self, name: &[u8]) -> bool {
        let base = self.session().as_bytes();
        let Some((head, tail)) = name.split_at_checked(base.len()) else {
            return false;
        };
        let marked = matches!(tail.first(), None | Some(b'.' | b'-'));
        // `sidegate-…` and `sidegate.…` are ours; `sidegateway` is not.
        marked && head.eq_ignore_ascii_case(base)
    }

    /// A `Set-Cookie` line.
    pub fn set(&self, name: &str, value: &str, max_age: Duration) -> HeaderValue {
        self.line(name, value, "/", max_age)
    }

    fn line(&self, name: &str, value: &str, path: &str, max_age: Duration) -> HeaderValue {
        let max_age =
            cookie::time::Duration::try_from(max_age).unwrap_or(cookie::time::Duration::MAX);
        let built = Cookie::build((name, value))
            .path(path)
            .http_only(true)
            .secure(self.secure || self.embedded)
            .same_site(if self.embedded {
                SameSite::None
            } else {
                SameSite::Lax
            })
            .partitioned(self.embedded)
            .max_age(max_age)
            .build();
        let mut line =
            HeaderValue::try_from(built.to_string()).unwrap_or(HeaderValue::from_static(""));
        line.set_sensitive(true);
        line
    }

    /// A `Set-Cookie` line that removes a cookie, with the attributes it was set with: a `__Host-`
    /// cookie cannot be removed without `Secure` (CVE-2025-55162).
    pub fn clear(&self, name: &str) -> HeaderValue {
        self.clear_at(name, "/")
    }

    /// The same for a cookie that somebody set at another path.
    pub fn clear_at(&self, name: &str, path: &str) -> HeaderValue {
        self.line(name, "", path, Duration::ZERO)
    }

    /// Whether the cookies are for frames of other sites.
    pub const fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// The same names in the other of a browser's jars: the one for frames, or the one for all else.
    #[must_use]
    pub const fn in_other_jar(&self) -> Self {
        Self {
            secure: self.secure,
            embedded: !self.embedded,
        }
    }

    /// Whether browsers keep cookies of these names for this host and all of its paths only.
    pub const fn are_host_bound(&self) -> bool {
        self.secure
    }
}

/// One `name=value` of a `Cookie` field, untrimmed values and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crumb<'a> {
    /// The name, without white space around it.
    pub name: &'a [u8],
    /// The value, without white space around it; quotes are part of it.
    pub value: &'a [u8],
}

impl<'a> Crumb<'a> {
    /// What the cookie is called; some readers take a nameless cookie's value for its name.
    pub fn subject(&self) -> &'a [u8] {
        if self.name.is_empty() {
            self.value
                .split(|&b| b == b'=')
                .next()
                .unwrap_or_default()
                .trim_ascii()
        } else {
            self.name
        }
    }
}

/// What a cookie takes of a `Cookie` line: `name=value; `.
pub const fn weight(name: usize, value: usize) -> usize {
    name + value + "=; ".len()
}

/// All cookies of a request, over all `Cookie` fields: HTTP/2 splits them (RFC 9113 §8.2.3).
pub fn crumbs(headers: &HeaderMap) -> impl Iterator<Item = Crumb<'_>> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|field| pieces(field.as_bytes()))
        .map(crumb)
}

/// The `Cookie` value without our cookies, the others byte for byte; `None` if nothing is left.
pub fn without_ours(headers: &HeaderMap, names: &CookieNames) -> Option<HeaderValue> {
    let mut fields = headers.get_all(header::COOKIE).iter();
    let first = fields.next()?;
    let foreign = |field: &HeaderValue| {
        pieces(field.as_bytes()).all(|piece| !names.is_ours(crumb(piece).subject()))
    };
    let more = fields.next();
    if more.is_none() && foreign(first) {
        return Some(first.clone());
    }
    let mut kept = Vec::with_capacity(first.len());
    for field in headers.get_all(header::COOKIE) {
        for piece in pieces(field.as_bytes()) {
            let is_blank = piece.trim_ascii().is_empty();
            if is_blank || names.is_ours(crumb(piece).subject()) {
                continue;
            }
            if kept.is_empty() {
                kept.extend_from_slice(piece.trim_ascii_start());
            } else {
                kept.push(b';');
                if !piece.starts_with(b" ") {
                    kept.push(b' ');
                }
                kept.extend_from_slice(piece);
            }
        }
    }
    if kept.is_empty() {
        None
    } else {
        HeaderValue::from_bytes(&kept).ok()
    }
}

/// Whether an upstream's `Set-Cookie` line would touch our cookies. A line without a name is read
/// by its value, since a browser sends it back as a bare value (RFC 6265bis §5.7).
pub fn sets_ours(line: &HeaderValue, names: &CookieNames) -> bool {
    let pair = line
        .as_bytes()
        .split(|&b| b == b';')
        .next()
        .unwrap_or_default();
    names.is_ours(crumb(pair).subject())
}

fn pieces(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b';', field)
        .chain([field.len()])
        .filter_map(move |end| {
            let piece = field.get(start..end);
            start = end + 1;
            piece
        })
}

fn crumb(piece: &[u8]) -> Crumb<'_> {
    let (name, value) = memchr::memchr(b'=', piece)
        .and_then(|at| piece.split_at_checked(at))
        .map_or((&b""[..], piece), |(name, rest)| {
            (name, rest.get(1..).unwrap_or_default())
        });
    Crumb {
        name: name.trim_ascii(),
        value: value.trim_ascii(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: CookieNames = CookieNames::new(true);

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        let value = |field: &&[u8]| HeaderValue::from_bytes(field).expect("a field");
        fields
            .iter()
            .map(|field| (header::COOKIE, value(field)))
            .collect()
    }

    #[test]
    fn our_cookies_are_cut_out_and_the_rest_stays_byte_for_byte() {
        for (fields, left) in [
            (&[&b"a=1; b=\"x y\""[..]][..], Some("a=1; b=\"x y\"")),
            (&[b"a=1; __Host-Http-sidegate=s; b=2"], Some("a=1; b=2")),
            (&[b"__host-HTTP-SIDEGATE.1=s;b=2"], Some("b=2")),
            (
                &[b"__Host-Http-sidegate-login-x=s; __Host-Http-sidegate=s"],
                None,
            ),
            (
                &[b"__Host-Http-sidegateway=mine"],
                Some("__Host-Http-sidegateway=mine"),
            ),
            (
                &[b"a=1", b"__Host-Http-sidegate=s", b"c=3"],
                Some("a=1; c=3"),
            ),
            (&[b"a=1;b=2;__Host-Http-sidegate=s"], Some("a=1; b=2")),
            (&[b";;", b" ; "], None),
            (&[b"sidegate=other"], Some("sidegate=other")),
            (&[], None),
        ] {
            let kept = without_ours(&headers(fields), &NAMES);
            assert_eq!(
                kept.as_ref().map(HeaderValue::as_bytes),
                left.map(str::as_bytes),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn an_upstream_cannot_set_our_cookies() {
        for (line, ours) in [
            ("__Host-Http-sidegate=x; Path=/", true),
            (" __HOST-http-sidegate.2 =x", true),
            ("=__Host-Http-sidegate=x", true),
            ("__Host-Http-sidegate", true),
            ("__Host-Http-sidegate-login-abc=x", true),
            ("theirs=__Host-Http-sidegate", false),
            ("__Host-Http-sidegateway=x", false),
        ] {
            assert_eq!(
                sets_ours(&HeaderValue::from_static(line), &NAMES),
                ours,
                "{line}"
            );
        }
    }

    #[test]
    fn lines_carry_every_attribute() {
        let line = NAMES.set("__Host-Http-sidegate", "v", Duration::from_hours(1));
        assert_eq!(
            line,
            "__Host-Http-sidegate=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        assert!(line.is_sensitive());
        let plain = CookieNames::new(false);
        assert_eq!(
            plain.clear("sidegate"),
            "sidegate=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        );
        // What is removed has to be named with the attributes that it was set with.
        for (names, line) in [
            (
                NAMES.embedded().clear("__Host-Http-sidegate.1"),
                "__Host-Http-sidegate.1=; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=0",
            ),
            (
                plain
                    .embedded()
                    .set("sidegate", "v", Duration::from_hours(1)),
                "sidegate=v; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=3600",
            ),
        ] {
            assert_eq!(names, line);
        }
    }

    proptest! {
        #[test]
        fn no_cookie_field_panics_and_ours_never_stay(field in "[a-zA-Z_\\-.=;, \"]{0,24}(__Host-Http-sidegate(-login-x|\\.1)?=v)?[;= a]{0,8}") {
            let headers = headers(&[field.as_bytes()]);
            if let Some(kept) = without_ours(&headers, &NAMES) {
                let map: HeaderMap = [(header::COOKIE, kept)].into_iter().collect();
                prop_assert!(crumbs(&map).all(|crumb| !NAMES.is_ours(crumb.name)));
            }
        }

        #[test]
        fn foreign_cookies_survive(names in proptest::collection::vec("[a-z]{1,5}", 1..5)) {
            let field = names.iter().map(|name| format!("{name}=1")).collect::<Vec<_>>().join("; ");
            let with_ours = format!("{field}; __Host-Http-sidegate=secret");
            let kept = without_ours(&headers(&[with_ours.as_bytes()]), &NAMES);
            let kept = kept.expect("foreign cookies");
            prop_assert_eq!(kept.as_bytes(), field.as_bytes());
        }
    }
}
