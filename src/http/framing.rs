//! Who may show this site in a frame (CSP Level 3, `frame-ancestors`).

use std::fmt;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use super::headers::SEC_FETCH_DEST;
use super::headers::SEC_FETCH_MODE;
use super::origin::Origin;
use super::origin::Scheme;

/// The sites that may frame this one, as both our own pages and the tool's answers say it.
#[derive(Clone, Debug)]
pub struct Framing {
    ancestors: String,
    policy: HeaderValue,
}

impl Framing {
    /// Lets `ancestors` frame this site, beside the site itself.
    pub fn new(ancestors: &[Ancestor]) -> Self {
        let mut text = "frame-ancestors 'self'".to_owned();
        for ancestor in ancestors {
            text.push(' ');
            text.push_str(&ancestor.0);
        }
        // An ancestor holds nothing that a field cannot; without it nobody may.
        let none = HeaderValue::from_static("frame-ancestors 'none'");
        Self {
            policy: HeaderValue::try_from(&text).unwrap_or(none),
            ancestors: text,
        }
    }

    /// Marketing Cloud's own pages, wherever a stack's host is.
    pub fn marketing_cloud() -> Self {
        let usual = MARKETING_CLOUD.map(|source| Ancestor(source.into()));
        Self::new(&usual)
    }

    /// Opens a policy of one of our own pages to the ancestors.
    pub fn open(&self, headers: &mut HeaderMap) {
        let Some(policy) = headers.get(header::CONTENT_SECURITY_POLICY) else {
            return;
        };
        let opened = policy
            .to_str()
            .map(|policy| policy.replace("frame-ancestors 'none'", &self.ancestors));
        if let Some(opened) = opened
            .ok()
            .and_then(|text| HeaderValue::try_from(text).ok())
        {
            headers.insert(header::CONTENT_SECURITY_POLICY, opened);
        }
    }

    /// Adds the ancestors to a tool's answer by a policy of their own; each policy counts for itself. A
    /// tool that names its ancestors has decided, and is left alone.
    ///
    /// With `frame-ancestors` there, browsers pass over `X-Frame-Options`. Older ones don't: beside our
    /// policy it goes. A tool that must not be framed says so by `frame-ancestors`.
    pub fn guard(&self, headers: &mut HeaderMap) {
        let decided = headers
            .get_all(header::CONTENT_SECURITY_POLICY)
            .iter()
            .any(|policy| names_ancestors(policy.as_bytes()));
        if !decided {
            headers.append(header::CONTENT_SECURITY_POLICY, self.policy.clone());
            headers.remove(header::X_FRAME_OPTIONS);
        }
    }

    /// Whether a request loads a document into a frame.
    pub fn is_frame(headers: &HeaderMap) -> bool {
        let is = |name: &HeaderName, value: &str| headers.get(name).is_some_and(|one| one == value);
        is(&SEC_FETCH_MODE, "navigate")
            && (is(&SEC_FETCH_DEST, "iframe") || is(&SEC_FETCH_DEST, "frame"))
    }
}

/// Whether a serialized policy list has the directive; names are read without regard to case.
fn names_ancestors(policies: &[u8]) -> bool {
    let directives = policies.split(|&b| b == b';' || b == b',');
    directives
        .map(<[u8]>::trim_ascii)
        .filter_map(|directive| directive.split(u8::is_ascii_whitespace).next())
        .any(|name| name.eq_ignore_ascii_case(b"frame-ancestors"))
}

/// A host-source: `https://host`, `https://*.host`, with a port if it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor(Box<str>);

impl Ancestor {
    /// Reads an origin whose first label may be `*`. Plain http is for loopback.
    pub fn parse(text: &str) -> Result<Self, AncestorError> {
        // A wildcard needs two labels behind it: `https://*.com` would be everybody.
        let (named, wildcard) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        let origin = Origin::parse(&named).map_err(|_| AncestorError::NotAnOrigin)?;
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(AncestorError::PlainText);
        }
        let labels = origin.host().split('.').filter(|label| !label.is_empty());
        let numeric = origin
            .host()
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.');
        if wildcard && (labels.count() < 2 || numeric) {
            return Err(AncestorError::TooWide);
        }
        let star = if wildcard { "*." } else { "" };
        let scheme = origin.scheme().as_str();
        Ok(Self(
            format!("{scheme}://{star}{}", origin.authority()).into(),
        ))
    }
}

impl fmt::Display for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text names no ancestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AncestorError {
    /// Not `https://host[:port]`.
    #[error("must be an origin such as https://*.exacttarget.com")]
    NotAnOrigin,
    /// `http` outside loopback.
    #[error("must be https")]
    PlainText,
    /// A wildcard in front of less than a domain of somebody's own.
    #[error("must have a domain of two labels or more behind *")]
    TooWide,
}

/// Where Marketing Cloud shows apps.
const MARKETING_CLOUD: [&str; 2] = [
    "https://*.exacttarget.com",
    "https://*.marketingcloudapps.com",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(fields: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let field = |&(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let mut headers: HeaderMap = fields.iter().map(field).collect();
        Framing::marketing_cloud().guard(&mut headers);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().expect("text").to_owned())
        };
        headers.iter().map(text).collect()
    }

    const OURS: &str =
        "frame-ancestors 'self' https://*.exacttarget.com https://*.marketingcloudapps.com";
    const CSP: &str = "content-security-policy";
    const REPORTS: &str = "content-security-policy-report-only";

    #[test]
    fn a_tool_that_says_nothing_of_frames_gets_a_policy_beside_its_own() {
        for (given, expected) in [
            (&[][..], &[(CSP, OURS)][..]),
            (&[("x-frame-options", "DENY")], &[(CSP, OURS)]),
            (
                &[
                    (CSP, "default-src 'self'"),
                    ("x-frame-options", "SAMEORIGIN"),
                ],
                &[(CSP, "default-src 'self'"), (CSP, OURS)],
            ),
            // A report-only policy forbids nothing, and a word in a value is no directive.
            (
                &[
                    (REPORTS, "frame-ancestors 'none'"),
                    ("x-frame-options", "DENY"),
                ],
                &[(REPORTS, "frame-ancestors 'none'"), (CSP, OURS)],
            ),
            (
                &[(CSP, "report-uri /frame-ancestors")],
                &[(CSP, "report-uri /frame-ancestors"), (CSP, OURS)],
            ),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(guarded(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_tool_that_decides_on_frames_is_left_alone() {
        for policy in [
            "frame-ancestors 'none'",
            "default-src 'self';FRAME-Ancestors https://a.example",
            "default-src 'self', frame-ancestors 'self'",
            " frame-ancestors\t'self'",
        ] {
            let given = [(CSP, policy), ("x-frame-options", "DENY")];
            assert_eq!(guarded(&given).len(), 2, "{policy}");
            // In whichever of its fields it says so.
            let given = [(CSP, "img-src 'self'"), (CSP, policy), (CSP, "base-uri x")];
            assert_eq!(guarded(&given).len(), 3, "{policy}");
        }
    }

    #[test]
    fn our_own_pages_are_opened() {
        let mut headers: HeaderMap = [(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        )]
        .into_iter()
        .collect();
        Framing::marketing_cloud().open(&mut headers);
        let expected = format!("default-src 'none'; {OURS}");
        assert_eq!(headers.get(CSP).expect("there"), expected.as_str());
    }

    #[test]
    fn ancestors_are_https_and_somebodys_own() {
        for (text, expected) in [
            ("https://*.exacttarget.com", Ok("https://*.exacttarget.com")),
            (
                "https://MC.Example.com:8443",
                Ok("https://mc.example.com:8443"),
            ),
            ("https://a.example/", Ok("https://a.example")),
            ("http://localhost:9100", Ok("http://localhost:9100")),
            ("http://mc.example.com", Err(AncestorError::PlainText)),
            ("https://*.com", Err(AncestorError::TooWide)),
            ("https://*.10.0.0.1", Err(AncestorError::TooWide)),
            ("https://*", Err(AncestorError::NotAnOrigin)),
            ("https://a.*.com", Err(AncestorError::NotAnOrigin)),
            (
                "https://a.example; script-src *",
                Err(AncestorError::NotAnOrigin),
            ),
            (
                "https://a.example, https://b",
                Err(AncestorError::NotAnOrigin),
            ),
            ("https://a.example/x", Err(AncestorError::NotAnOrigin)),
            ("*.exacttarget.com", Err(AncestorError::NotAnOrigin)),
            ("https:", Err(AncestorError::NotAnOrigin)),
            ("'self'", Err(AncestorError::NotAnOrigin)),
            ("", Err(AncestorError::NotAnOrigin)),
        ] {
            let parsed = Ancestor::parse(text).map(|ancestor| ancestor.to_string());
            assert_eq!(
                parsed.as_deref(),
                expected.as_ref().map(|text| *text),
                "{text}"
            );
        }
    }
}
