//! Where a request goes or comes from: scheme, host and port (RFC 6454 §4).

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain text; outside loopback only where the operator says so.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an URL need not name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An origin without user information, path, query or fragment; the host in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `scheme://host[:port][/]` and nothing more.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err(OriginError::Scheme);
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        Self::from_authority(scheme, authority)
    }

    /// Reads `host[:port]` under a known scheme.
    pub fn from_authority(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::NotBare);
        }
        if authority.contains('@') {
            return Err(OriginError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => parse_port(digits)?,
        };
        Ok(Self {
            scheme,
            host: parse_host(host)?,
            port,
        })
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, named or not.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let bare = self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(&self.host).parse().ok()
    }

    /// Whether the host is this machine, by address or by the reserved name `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.host.as_ref() == "localhost"
            || is_below_localhost(&self.host)
            || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// `host`, or `host:port` where the port is not the scheme's own: the `Host` field's value.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone().into()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither `http://` nor `https://` in front.
    #[error("must start with https:// or http://")]
    Scheme,
    /// A path, query or fragment.
    #[error("must end after the host and port")]
    NotBare,
    /// `user@host`.
    #[error("must not name a user")]
    UserInfo,
    /// An empty host, or one with characters that no host name has.
    #[error("the host is not a DNS name or an IP address")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

/// Whether `host` is a name below `localhost`. No resolver may be asked for one: it always leads to this
/// machine (RFC 6761 §6.3), whatever a name server says.
pub fn is_below_localhost(host: &str) -> bool {
    let suffix = ".localhost";
    host.len()
        .checked_sub(suffix.len())
        .and_then(|start| host.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), OriginError> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_once(']').ok_or(OriginError::Host)?;
        let host = authority.get(..=host.len()).ok_or(OriginError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(OriginError::Host),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn parse_port(digits: &str) -> Result<u16, OriginError> {
    let plain = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    let port = if plain { digits.parse().ok() } else { None };
    port.ok_or(OriginError::Port)
}

fn parse_host(host: &str) -> Result<Box<str>, OriginError> {
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or(OriginError::Host)?;
        let address: Ipv6Addr = inside.parse().map_err(|_| OriginError::Host)?;
        return Ok(format!("[{address}]").into());
    }
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inner)
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(OriginError::Host);
    }
    // `127.1`, `0x7f.1` and `2130706433` are addresses to a C library and names to nobody
    // (WHATWG URL, "ends in a number"): only the dotted quad is taken.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.starts_with("0x")
        || last.starts_with("0X");
    if numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(OriginError::Host);
    }
    Ok(host.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_an_origin() {
        for (text, shown) in [
            ("https://Tool.Example.com", "https://tool.example.com"),
            ("https://tool.example.com/", "https://tool.example.com"),
            ("https://tool.example.com:443", "https://tool.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("https://[0:0:0:0:0:0:0:1]", "https://[::1]"),
        ] {
            assert_eq!(
                Origin::parse(text)
                    .map(|origin| origin.to_string())
                    .as_deref(),
                Ok(shown),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not() {
        for text in [
            "",
            "https://",
            "ftp://x",
            "//x",
            "https:/x",
            "https://x/y",
            "https://x?y",
            "https://x#y",
            "https://u@x",
            "https://x\\y",
            "https://x:",
            "https://x:0",
            "https://x:070",
            "https://x:65536",
            "https://x:+1",
            "https://a..b",
            "https://a b",
            "https://[::1",
            "https://[::1]x",
            "https://[v1.x]",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://2130706433",
            "https://exämple.com",
            "https://x%2ecom",
            "https://x//",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (text, loopback) in [
            ("http://127.0.0.1", true),
            ("http://127.8.9.1:1", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://localhost.example.com", false),
            ("http://mcabc.LOCALHOST:9100", true),
            ("http://notlocalhost", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(
                Origin::parse(text).map(|origin| origin.is_loopback()),
                Ok(loopback),
                "{text}"
            );
        }
    }
}
