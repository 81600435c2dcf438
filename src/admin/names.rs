//! Under which names the status page is shown.

use http::HeaderMap;
use http::header;

use crate::http::Origin;

/// Names of the admin listener, beside addresses and `localhost`.
///
/// A page elsewhere can point its own name at this machine (DNS rebinding), and would then read what the
/// status page tells whoever sits here; but its browser still says that name. Probes and metrics tell
/// programs, under whatever name these find them.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    /// These host names, without ports.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(hosts.into_iter().collect())
    }

    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let origin = host
            .to_str()
            .map(|host| Origin::parse(&format!("http://{host}")));
        let Ok(Ok(origin)) = origin else { return false };
        origin.ip().is_some()
            || origin.is_loopback()
            || self.0.iter().any(|name| name == origin.host())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_name_that_anybody_could_point_here_is_not_served() {
        let names = Names::new(["status.example.com".to_owned()]);
        for (host, admitted) in [
            ("127.0.0.1:9901", true),
            ("127.0.0.1", true),
            ("10.1.2.3:9901", true),
            ("[::1]:9901", true),
            ("localhost", true),
            ("LOCALHOST:9901", true),
            ("a.localhost", true),
            ("status.example.com", true),
            ("Status.example.com:444", true),
            ("other.example.com", false),
            ("127.0.0.1.example.com", false),
            ("localhost.example.com", false),
            ("status.example.com.evil.example", false),
            ("x@127.0.0.1", false),
            ("127.0.0.1/x", false),
            ("", false),
            ("\u{fc}", false),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(host.as_bytes()).expect("a value");
            headers.append(header::HOST, value);
            assert_eq!(names.admit(&headers), admitted, "{host}");
            headers.append(header::HOST, HeaderValue::from_static("127.0.0.1"));
            assert!(!names.admit(&headers), "two of them");
        }
        assert!(!names.admit(&HeaderMap::new()));
    }
}
