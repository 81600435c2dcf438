//! What the operator says about the listener.

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// The file.
        path: PathBuf,
        /// Who may connect, as the file's permissions.
        mode: u32,
    },
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Public listeners, at most: as many descriptors pass to a successor at once.
pub const MAX_LISTENERS: usize = 16;

/// What is spoken on the public listener beside HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).
    pub h2c: bool,
    /// Every connection begins with a PROXY protocol header, of a trusted proxy.
    pub proxy_protocol: bool,
}

/// How long a client may take for each step. Counted in ticks of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// From accept to the end of the TLS handshake, a PROXY protocol header included.
    pub tls_handshake: Duration,
    /// From there to the first byte; with HTTP/2, to the first whole request, since browsers connect
    /// ahead of need.
    pub first_byte: Duration,
    /// From a head's first byte to its last.
    pub head: Duration,
    /// Without any progress: of the client's body that we wait for, or of the answer that the client
    /// does not read.
    pub body_progress: Duration,
    /// Without a byte either way, once the answer has begun while the client's body has not ended.
    pub stream_idle: Duration,
    /// Between requests.
    pub keep_alive: Duration,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            head: Duration::from_secs(10),
            body_progress: Duration::from_secs(30),
            // A call that stands by for events; HTTP/2 asks every 20 seconds whether its client lives.
            stream_idle: Duration::from_hours(1),
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// From the readiness probe's turning red until nothing is accepted any more: time for balancers to
    /// notice.
    pub delay: Duration,
    /// From there until what is not finished is cut.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        // Orchestrators kill after 30 s, some after 10.
        Self {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(8),
        }
    }
}

/// How much a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head.
    pub head_size: usize,
    /// Fields of a head.
    pub header_count: usize,
    /// Bytes of a request target.
    pub target_length: usize,
    /// Bytes of a request's body, where the route says nothing else.
    pub body_size: u64,
    /// Connections at once.
    pub connections: NonZeroUsize,
    /// Connections at once of one IPv4 address, or one IPv6 network of 64 bits.
    pub connections_per_address: NonZeroUsize,
    /// Requests at once on one HTTP/2 connection.
    pub concurrent_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_size: 32 * 1024,
            header_count: 100,
            target_length: 16 * 1024,
            body_size: 1024 * 1024 * 1024,
            connections: NonZeroUsize::MIN.saturating_add(9_999),
            connections_per_address: NonZeroUsize::MIN.saturating_add(999),
            concurrent_streams: 100,
        }
    }
}

/// Where the certificate of the public listener comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// PEM files.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The leaf's private key.
        key: PathBuf,
        /// Who vouches for clients, if they are asked.
        clients: Option<ClientCertificates>,
    },
    /// A certificate made at start, for development.
    SelfSigned,
}

impl Tls {
    /// Whether tools are told of the certificates of clients.
    pub fn tells_certificates(&self) -> bool {
        match self {
            Self::Files { clients, .. } => clients.as_ref().is_some_and(|clients| clients.told),
            Self::SelfSigned => false,
        }
    }
}

/// Certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities, in PEM.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
    /// Whether tools are told of the certificate.
    pub told: bool,
}

/// Peers whose `X-Forwarded-*` are believed. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether `peer` may speak for others. An IPv4 peer on an IPv6 socket counts as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|net| net.contains(&peer))
    }
}
