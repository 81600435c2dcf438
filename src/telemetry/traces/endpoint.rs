//! Where spans are sent, and with which fields.

use std::fmt;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use url::Host;
use url::Url;

/// A collector's address for spans.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector(Url);

impl Collector {
    /// Reads a base URL, to which OTLP adds the path of each signal (OTLP/HTTP request).
    pub fn at_base(text: &str) -> Result<Self, EndpointError> {
        let Self(mut url) = Self::at(text)?;
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Reads a whole URL.
    pub fn at(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then_some(Self(url)).ok_or(EndpointError)
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_in_the_clear(&self) -> bool {
        let local = match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.is_plain() && !local
    }

    /// Whether it is spoken to without TLS.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No address of a collector. Does not show it: there may be a secret in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an http or https URL without user, query and fragment, such as http://127.0.0.1:4318"
)]
pub struct EndpointError;

/// Reads fields as OpenTelemetry's variables say them: `name=value`, with commas in between, values
/// percent-encoded. The values are secrets.
pub fn fields(text: &SecretString) -> Result<HeaderMap, FieldsError> {
    let mut fields = HeaderMap::new();
    let pairs = text.expose_secret().split(',').map(str::trim);
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(FieldsError)?;
        let name: HeaderName = name.trim().parse().map_err(|_| FieldsError)?;
        if OURS.contains(&name) {
            return Err(FieldsError);
        }
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| FieldsError)?;
        value.set_sensitive(true);
        fields.append(name, value);
    }
    Ok(fields)
}

/// What the exporter says itself.
const OURS: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];

/// No list of fields. Does not show it: its values are secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must hold header fields as name=value with commas in between, values percent-encoded")]
pub struct FieldsError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_gets_the_path_of_traces() {
        for (base, whole) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            (
                "https://otlp.example.com/otlp",
                "https://otlp.example.com/otlp/v1/traces",
            ),
        ] {
            assert_eq!(
                Collector::at_base(base).expect("a URL").as_str(),
                whole,
                "{base}"
            );
        }
        let whole = Collector::at("https://x.example.com/api/spans").expect("a URL");
        assert_eq!(whole.as_str(), "https://x.example.com/api/spans");
        for text in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://user:hunter2@x:4318",
            "http://x:4318/?key=hunter2",
            "http://x:4318/#a",
            "http://",
            "unix:/run/otel",
        ] {
            let error = Collector::at_base(text).expect_err(text);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn what_crosses_a_network_without_tls_is_in_the_clear() {
        for (url, clear) in [
            ("http://127.0.0.1:4318", false),
            ("http://localhost:4318", false),
            ("http://[::1]:4318", false),
            ("https://collector.example.com", false),
            ("http://collector:4318", true),
            ("http://10.0.0.1:4318", true),
        ] {
            let collector = Collector::at_base(url).expect("a URL");
            assert_eq!(collector.is_in_the_clear(), clear, "{url}");
        }
    }

    #[test]
    fn fields_are_read_and_never_shown() {
        let read = |text: &str| fields(&SecretString::from(text));
        let headers = read("Authorization=Bearer%20hunter2, x-team=a=b,").expect("fields");
        assert_eq!(headers["authorization"], "Bearer hunter2");
        assert_eq!(headers["x-team"], "a=b");
        assert!(!format!("{headers:?}").contains("hunter2"));
        for text in [
            "hunter2",
            "=hunter2",
            "a b=hunter2",
            "a=hunter2%0a",
            "host=hunter2",
            "Content-Type=hunter2",
        ] {
            let error = read(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }
}
