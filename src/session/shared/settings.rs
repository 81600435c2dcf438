//! Where the shared store is and how to get in.

use std::fmt;

use redis::ClientTlsConfig;
use redis::ConnectionAddr;
use redis::ConnectionInfo;
use redis::IntoConnectionInfo as _;
use redis::TlsCertificates;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

/// A Redis or Valkey server, a cluster, or what sentinels watch.
#[derive(Clone)]
pub struct RedisSettings {
    /// One server; or some nodes of a cluster; or the sentinels.
    pub nodes: Vec<RedisUrl>,
    /// How the nodes belong together.
    pub topology: Topology,
    /// ACL user; the default user if there is none.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// For `rediss`.
    pub tls: RedisTls,
}

impl RedisSettings {
    /// Whether `other` leads to the same server by the same credentials.
    pub fn is_like(&self, other: &Self) -> bool {
        let urls = |settings: &Self| -> Vec<_> {
            let said = |url: &RedisUrl| {
                let redis = url.0.redis_settings();
                let password = redis.password().map(str::to_owned);
                let user = redis.username().map(str::to_owned);
                (url.0.addr().clone(), redis.db(), user, password)
            };
            settings.nodes.iter().map(said).collect()
        };
        let password = |settings: &Self| {
            let password = settings.password.as_ref();
            password.map(|text| text.expose_secret().to_owned())
        };
        urls(self) == urls(other)
            && self.topology == other.topology
            && self.username == other.username
            && password(self) == password(other)
            && self.tls == other.tls
    }
}

/// How nodes belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// A cluster; the nodes are where to begin.
    Cluster,
    /// Sentinels that know the master by this name.
    Sentinel {
        /// The name.
        master: String,
    },
}

/// Certificates in PEM, checked when the configuration is read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Who may have signed the server's certificate; the system's roots if there is none.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisTls {
    /// As the client library takes them.
    pub(super) fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            root_cert: self.ca.clone(),
            client_tls: self
                .client
                .clone()
                .map(|(client_cert, client_key)| ClientTlsConfig {
                    client_cert,
                    client_key,
                }),
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("nodes", &self.nodes)
            .field("topology", &self.topology)
            .finish_non_exhaustive()
    }
}

/// `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database number if need be.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

impl RedisUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, BadRedisUrl> {
        let known = [
            "redis",
            "rediss",
            "valkey",
            "valkeys",
            "unix",
            "redis+unix",
            "valkey+unix",
        ];
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| known.contains(&scheme)) {
            return Err(BadRedisUrl::Scheme);
        }
        let info = text
            .into_connection_info()
            .map_err(|_| BadRedisUrl::Malformed)?;
        // The library's way to say "any certificate will do".
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(BadRedisUrl::Insecure);
        }
        Ok(Self(info))
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_plain(&self) -> bool {
        match self.0.addr() {
            ConnectionAddr::Tcp(host, _) => {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                !address.is_ok_and(|address| address.is_loopback()) && host != "localhost"
            }
            _ => false,
        }
    }

    /// Whether TLS is spoken there.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Whether the URL itself carries a password.
    pub fn has_password(&self) -> bool {
        self.0.redis_settings().password().is_some()
    }

    /// What the URL says.
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    /// The URL with the configured user in place of its own.
    pub(super) fn connection(&self, settings: &RedisSettings) -> ConnectionInfo {
        let mut redis = self.0.redis_settings().clone();
        if let Some(username) = &settings.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &settings.password {
            redis = redis.set_password(password.expose_secret());
        }
        self.0.clone().set_redis_settings(redis)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address alone: user and password stand elsewhere in it.
        write!(f, "{}", self.0.addr())
    }
}

/// Why a text is not the URL of a store. Never shows the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRedisUrl {
    /// Another scheme.
    #[error("must begin with redis://, rediss:// or unix://")]
    Scheme,
    /// Not a URL of that scheme.
    #[error("is not a URL such as rediss://redis.example.com:6380/0")]
    Malformed,
    /// `#insecure`.
    #[error("must not switch certificate checks off; name the authority in ca_file instead")]
    Insecure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_a_store_are_taken() {
        for (text, expected) in [
            ("redis://127.0.0.1:6379", None),
            ("rediss://redis.example.com:6380/3", None),
            ("valkeys://:pw@redis.example.com", None),
            ("unix:///run/redis.sock", None),
            (
                "rediss://redis.example.com/#insecure",
                Some(BadRedisUrl::Insecure),
            ),
            ("http://redis.example.com", Some(BadRedisUrl::Scheme)),
            ("redis.example.com:6379", Some(BadRedisUrl::Scheme)),
            ("", Some(BadRedisUrl::Scheme)),
            ("redis://host/x", Some(BadRedisUrl::Malformed)),
            ("redis://:port", Some(BadRedisUrl::Malformed)),
        ] {
            assert_eq!(RedisUrl::parse(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_noticed_and_never_shown() {
        let url = RedisUrl::parse("redis://ada:hunter2@redis.example.com/").expect("a URL");
        assert!(url.has_password() && url.is_plain());
        assert_eq!(format!("{url:?}"), "redis.example.com:6379");
        for (text, plain) in [
            ("redis://127.0.0.1", false),
            ("redis://[::1]:1", false),
            ("redis://localhost", false),
            ("rediss://redis.example.com", false),
            ("unix:///run/redis.sock", false),
            ("redis://10.0.0.1", true),
        ] {
            let url = RedisUrl::parse(text).expect("a URL");
            assert_eq!(
                (url.is_plain(), url.has_password()),
                (plain, false),
                "{text}"
            );
        }
    }

    #[test]
    fn the_configured_user_stands_in_front() {
        let settings = RedisSettings {
            nodes: vec![RedisUrl::parse("redis://old:old@localhost/2").expect("a URL")],
            topology: Topology::Single,
            username: Some("sidegate".to_owned()),
            password: Some("hunter2".into()),
            tls: RedisTls::default(),
        };
        let info = settings.nodes[0].connection(&settings);
        let redis = info.redis_settings();
        assert_eq!(
            (redis.username(), redis.password(), redis.db()),
            (Some("sidegate"), Some("hunter2"), 2)
        );
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
