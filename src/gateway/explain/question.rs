//! A request as it is asked about: a method, a URL and fields.

use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Uri;
use http::header;
use http::request::Parts;

use super::Terms;
use crate::fault::Fault;

/// A request that is asked about.
#[derive(Debug)]
pub struct Question {
    /// Its head, or why it would not even be read.
    pub(super) parts: Result<Parts, Fault>,
    /// Whether it has a session.
    pub(super) signed_in: bool,
}

/// Why a question makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// Not a method.
    #[error("the method is not one, such as GET")]
    Method,
    /// Neither a URL nor a path.
    #[error("must be a URL, such as https://tool.example.com/x, or a path")]
    Url,
    /// Not a field.
    #[error("must be a field, such as 'Accept: text/html'")]
    Field,
}

impl Question {
    /// A request with the target byte for byte as in `url`. A path alone is asked of the first site.
    pub fn new<'f>(
        method: &str,
        url: &str,
        fields: impl IntoIterator<Item = (&'f str, &'f str)>,
        signed_in: bool,
        sites: &[Terms<'_>],
    ) -> Result<Self, BadQuestion> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadQuestion::Method)?;
        let (host, target) = split(url)?;
        let mut parts = Request::new(()).into_parts().0;
        parts.method = method;
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.trim().as_bytes());
            let value = HeaderValue::from_bytes(value.trim().as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(BadQuestion::Field);
            };
            parts.headers.append(name, value);
        }
        if !parts.headers.contains_key(header::HOST) {
            let first = sites.first().map(|terms| terms.site.host().clone());
            let host = match host {
                Some(host) => HeaderValue::from_str(host).map_err(|_| BadQuestion::Url)?,
                None => first.ok_or(BadQuestion::Url)?,
            };
            parts.headers.insert(header::HOST, host);
        }
        // As a request's first line is read.
        let parts = match target.parse::<Uri>() {
            Ok(uri) => {
                parts.uri = uri;
                Ok(parts)
            }
            Err(_) => Err(Fault::MalformedRequest),
        };
        Ok(Self { parts, signed_in })
    }
}

/// The host and the target of a URL, which nobody normalises.
fn split(url: &str) -> Result<(Option<&str>, String), BadQuestion> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        let own = url.starts_with('/') || url == "*";
        return if own {
            Ok((None, url.to_owned()))
        } else {
            Err(BadQuestion::Url)
        };
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(end).ok_or(BadQuestion::Url)?;
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok((Some(host), format!("{slash}{target}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_and_never_normalised() {
        for (url, host, target) in [
            ("https://a.example", Some("a.example"), "/"),
            ("https://a.example?b", Some("a.example"), "/?b"),
            ("http://A:1//x/../%2f", Some("A:1"), "//x/../%2f"),
            ("/x", None, "/x"),
            ("//x", None, "//x"),
            ("*", None, "*"),
        ] {
            assert_eq!(split(url), Ok((host, target.to_owned())), "{url}");
        }
        for url in ["", "x", "ftp://a/", "a.example/x"] {
            assert_eq!(split(url), Err(BadQuestion::Url), "{url}");
        }
    }
}
