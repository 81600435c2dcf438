//! What the outside sees: the public URL, sockets, TLS, trusted proxies, the endpoints' prefix.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Resolver;
use super::secret::FileFault;
use super::secret::inspect;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawTexts;
use crate::config::raw::RawTls;
use crate::gateway::route::PathPrefix;
use crate::http::Origin;
use crate::http::Scheme;
use crate::net::settings::Listen;
use crate::net::settings::MAX_LISTENERS;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;

impl Resolver<'_> {
    pub(super) fn public_url(&mut self, text: Option<String>) -> Option<Origin> {
        let path = KeyPath::root().child("public_url");
        let hint = "what browsers type, such as https://tool.example.com";
        let origin = self.required(&path, text, hint, secure_origin)?;
        if origin.scheme() == Scheme::Http {
            self.findings
                .warn(
                    Risk::PlainHttp,
                    &path,
                    "plain http: cookies are sent without Secure",
                )
                .hint("for development only");
        }
        Some(origin)
    }

    pub(super) fn listeners(
        &mut self,
        listen: Option<RawTexts>,
        listen_mode: Option<String>,
        admin_listen: Option<String>,
    ) -> (Vec<Listen>, SocketAddr) {
        let admin_path = KeyPath::root().child("admin_listen");
        let mut public = self.public_listeners(listen);
        let mode_path = KeyPath::root().child("listen_mode");
        let mode = self.optional(&mode_path, listen_mode, values::mode);
        let admin = self.optional(&admin_path, admin_listen, values::address);
        let admin = admin.unwrap_or(DEFAULT_ADMIN_LISTEN);
        let blamed = self.findings.blames(&admin_path);
        if !blamed
            && public
                .iter()
                .any(|public| taken(public, &Listen::Tcp(admin)))
        {
            self.bad(&admin_path, "must not be where listen already is");
        }
        if !admin.ip().is_loopback() {
            let message = "probes, metrics and the status page can be reached from elsewhere";
            self.findings
                .warn(Risk::AdminExposed, &admin_path, message)
                .hint("listen on loopback, or let only probes and scrapes reach the port");
        }
        let mut sockets = 0;
        for listen in &mut public {
            if let Listen::Unix { mode: known, .. } = listen {
                *known = mode.unwrap_or(*known);
                sockets += 1;
            }
        }
        if mode.is_some() && sockets == 0 {
            self.bad(&mode_path, "is for a listen that starts with unix:");
        }
        (public, admin)
    }

    /// One place or several. What is wrong is left out, and said.
    fn public_listeners(&mut self, listen: Option<RawTexts>) -> Vec<Listen> {
        let path = KeyPath::root().child("listen");
        let base = self.base;
        let parse = |text: &str| values::listen(text, base);
        let places = match listen {
            None => return vec![Listen::Tcp(DEFAULT_LISTEN)],
            Some(RawTexts::One(text)) => {
                let one = self.optional(&path, Some(text), parse);
                return one.into_iter().collect();
            }
            many => self.each(&path, many, parse).unwrap_or_default(),
        };
        if places.is_empty() && !self.findings.blames(&path) {
            self.bad(&path, "must be an address, or a list with at least one");
        }
        if places.len() > MAX_LISTENERS {
            self.bad(&path, format!("must not be more than {MAX_LISTENERS}"));
        }
        let mut public: Vec<Listen> = Vec::with_capacity(places.len());
        for (path, listen) in places {
            if public.iter().any(|other| taken(other, &listen)) {
                self.bad(&path, "must not be where another one already is");
            } else {
                public.push(listen);
            }
        }
        public
    }

    pub(super) fn tls(&mut self, raw: Option<RawTls>) -> Option<Tls> {
        let path = KeyPath::root().child("tls");
        let files = match raw? {
            RawTls::Name(name) if name == "self_signed" => return Some(Tls::SelfSigned),
            RawTls::Name(_) => {
                self.bad(
                    &path,
                    "must be self_signed or { certificate_file, key_file }",
                );
                return None;
            }
            RawTls::Files(files) => files,
        };
        let certificate = self.tls_file(&path.child("certificate_file"), files.certificate_file);
        let key_path = path.child("key_file");
        let key = self.tls_file(&key_path, files.key_file);
        if let Some((_, true)) = key {
            self.readable_by_others(&key_path);
        }
        let clients = self.client_certificates(
            &path,
            files.client_ca_file,
            files.client_auth,
            files.client_cert_header,
        );
        Some(Tls::Files {
            certificate: certificate?.0,
            key: key?.0,
            clients,
        })
    }

    /// A file that has to be there, and whether everybody may read it.
    pub(super) fn tls_file(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
    ) -> Option<(PathBuf, bool)> {
        if text.is_none() {
            self.findings.missing(path, "a PEM file");
        }
        let file = self.base.join(text?);
        match inspect(&file) {
            Ok(by_others) => Some((file, by_others)),
            Err(fault) => {
                self.unreadable(path, &fault);
                None
            }
        }
    }

    pub(super) fn unreadable(&mut self, path: &KeyPath, fault: &FileFault) {
        let base = self.base.display();
        self.findings
            .problem(Code::SecretUnreadable, path, fault.to_string())
            .hint(format!(
                "relative paths start at the configuration file's directory, {base}"
            ));
    }

    pub(super) fn readable_by_others(&mut self, path: &KeyPath) {
        let message = "every user of this machine may read the file";
        self.findings
            .warn(Risk::ReadableByOthers, path, message)
            .hint("chmod o-rwx, or mode 0440 in a Kubernetes volume");
    }

    pub(super) fn trusted_proxies(&mut self, raw: Option<RawTexts>) -> TrustedProxies {
        let path = KeyPath::root().child("trusted_proxies");
        let networks = self.each(&path, raw, values::network).unwrap_or_default();
        for (path, network) in &networks {
            if network.prefix_len() == 0 {
                self.findings
                    .warn(
                        Risk::TrustsEverybody,
                        path,
                        "every peer may say X-Forwarded-*",
                    )
                    .hint("name the networks of your proxies");
            }
        }
        TrustedProxies(networks.into_iter().map(|(_, network)| network).collect())
    }

    pub(super) fn admin_hosts(&mut self, raw: Option<RawTexts>) -> Vec<String> {
        let path = KeyPath::root().child("admin_hosts");
        let names = self.each(&path, raw, host_name).unwrap_or_default();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Always ends in `/`, so that endpoints can be appended.
    pub(super) fn endpoint_prefix(&mut self, text: Option<String>) -> Option<PathPrefix> {
        let path = KeyPath::root().child("endpoint_prefix");
        let mut text = text.unwrap_or_else(|| "/oauth2/".to_owned());
        if !text.ends_with('/') {
            text.push('/');
        }
        let prefix = self.optional(&path, Some(text), PathPrefix::parse)?;
        if prefix.as_str() == "/" {
            self.bad(&path, "must leave room for routes, such as /oauth2/");
            return None;
        }
        Some(prefix)
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// A host without a port, as browsers write it.
fn host_name(text: &str) -> Result<String, &'static str> {
    match Origin::parse(&format!("http://{text}")) {
        Ok(origin) if origin.host() == text.to_ascii_lowercase() => Ok(origin.host().to_owned()),
        _ => Err("is not a host name, such as status.example.com"),
    }
}

/// An origin that may be reached without TLS on this machine only.
pub(super) fn secure_origin(text: &str) -> Result<Origin, String> {
    let origin = Origin::parse(text).map_err(|error| error.to_string())?;
    if origin.scheme() == Scheme::Http && !origin.is_loopback() {
        return Err("must be https; plain http is for loopback only".to_owned());
    }
    Ok(origin)
}

/// Whether both cannot be bound at once. Port 0 is a new port each time.
fn taken(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
            let overlap = a == b || a.is_unspecified() || b.is_unspecified();
            one.port() == other.port() && one.port() != 0 && overlap
        }
        (Listen::Unix { path: one, .. }, Listen::Unix { path: other, .. }) => one == other,
        _ => false,
    }
}
