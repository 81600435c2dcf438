//! From options to keys: what stands outside of routes and the store.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::account::Accounts;
use super::document::Document;
use super::document::PLACEHOLDER;
use super::document::list;
use super::document::scalar;
use super::routes;
use super::source::Given;
use super::store;
use crate::fault::CommandFault;
use crate::gateway::route::PathPrefix;
use crate::http::Origin;
use crate::http::Scheme;
use crate::oauth::Subdomain;
use crate::oauth::provider::ClientId;
use crate::oauth::provider::Scope;

/// Turns all options into a configuration.
pub(super) fn convert(accounts: &mut Accounts) -> Document {
    let mut document = Document::default();
    let prefix = public_url(accounts, &mut document);
    listener(accounts, &mut document);
    trusted_proxies(accounts, &mut document);
    if let Some(prefix) = prefix.filter(|prefix| prefix != "/oauth2/") {
        document.put(0, "endpoint_prefix", &scalar(&prefix));
    }
    marketing_cloud(accounts, &mut document);
    session(accounts, &mut document);
    routes::convert(accounts, &mut document);
    if let Some(given) = accounts.take("upstream_timeout") {
        let key = "timeouts.upstream_response";
        if let Some(span) = span(accounts, &given, key, Duration::from_hours(24)) {
            document.put(0, "timeouts", "");
            document.put(1, "upstream_response", &span);
        }
    }
    log(accounts, &mut document);
    document
}

/// The public URL; gives the prefix of the endpoints, if the source names one.
fn public_url(accounts: &mut Accounts, document: &mut Document) -> Option<String> {
    let redirect = accounts.take("redirect_url");
    let own = accounts.take("proxy_prefix").and_then(|given| {
        let prefix = format!("/{}/", given.text().trim_matches('/'));
        match PathPrefix::parse(&prefix) {
            Ok(_) if prefix != "//" => {
                accounts.taken(&given, "endpoint_prefix");
                Some(prefix)
            }
            _ => {
                let why = "is no path that the endpoints can have here";
                accounts.none(&given, why, "set endpoint_prefix");
                None
            }
        }
    });
    let url = redirect.as_ref().and_then(|given| {
        let url = Url::parse(given.text()).ok()?;
        let origin = Origin::parse(&url.origin().ascii_serialization()).ok()?;
        let usable = origin.scheme() == Scheme::Https || origin.is_loopback();
        usable.then_some((url, origin))
    });
    let (Some(given), Some((url, origin))) = (&redirect, url) else {
        let instead = "what browsers type, such as https://tool.example.com; http on loopback only";
        match &redirect {
            Some(given) => {
                let why = "public_url has to be https, or http on loopback";
                accounts.tell(given, CommandFault::FillIn, why, instead);
            }
            None => accounts.fill_in("public_url", "the source does not say it", instead),
        }
        document.put(0, "public_url", PLACEHOLDER);
        return own;
    };
    document.put(0, "public_url", &scalar(&origin.to_string()));
    let asked = own.as_deref().unwrap_or("/oauth2/");
    let expected = format!("{asked}callback");
    if url.path() == expected {
        accounts.taken(given, "public_url");
    } else {
        let why = format!("the redirect URI to register is {origin}{expected}");
        accounts.differs(given, &why);
    }
    own
}

fn listener(accounts: &mut Accounts, document: &mut Document) {
    let plain = accounts.take("http_address");
    let secure = accounts.take("https_address");
    let certificate = accounts.take("tls_cert_file");
    let key = accounts.take("tls_key_file");
    let (used, other, default) = if certificate.is_some() && key.is_some() {
        (secure, plain, "0.0.0.0:443")
    } else {
        (plain, secure, "127.0.0.1:4180")
    };
    match used {
        None => document.put(
            0,
            "listen",
            &format!("{default}    # oauth2-proxy's default"),
        ),
        Some(given) => listen(accounts, document, &given, "listen"),
    }
    if let Some(other) = other {
        let why = if key.is_some() {
            "one listener speaks TLS, and nothing listens without it"
        } else {
            "without a certificate nothing listens for TLS"
        };
        accounts.unneeded(&other, why);
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            document.put(0, "tls", "");
            document.put(1, "certificate_file", &scalar(certificate.text()));
            document.put(1, "key_file", &scalar(key.text()));
            accounts.taken(&certificate, "tls.certificate_file");
            accounts.taken(&key, "tls.key_file");
        }
        (one, other) => {
            for alone in one.iter().chain(&other) {
                accounts.none(alone, "TLS takes a certificate and its key", "set `tls`");
            }
        }
    }
    if let Some(given) = accounts.take("metrics_address") {
        listen(accounts, document, &given, "admin_listen");
    }
}

/// An address as Go writes it.
fn listen(accounts: &mut Accounts, document: &mut Document, given: &Given, key: &str) {
    let text = given.text();
    let text = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    if text.to_ascii_lowercase().starts_with("fd:") {
        let why = "sockets that systemd passes are taken by their names or addresses";
        accounts.unneeded(given, why);
        return;
    }
    if let Some(socket) = text.strip_prefix("unix://").filter(|_| key == "listen") {
        let (path, mode) = socket.split_once(",mode=").unwrap_or((socket, ""));
        document.put(0, "listen", &scalar(&format!("unix:{path}")));
        let octal =
            (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
        if octal {
            document.put(0, "listen_mode", &scalar(mode));
        }
        accounts.taken(given, "listen");
        return;
    }
    let everywhere = text.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
    let local = (text.strip_prefix("localhost:")).map(|port| format!("127.0.0.1:{port}"));
    let address = everywhere.or(local).unwrap_or_else(|| text.to_owned());
    if address.parse::<SocketAddr>().is_err() {
        let why = format!("{key} takes an IP address and a port");
        let instead = "such as 127.0.0.1:8080; until then it is the default";
        accounts.tell(given, CommandFault::FillIn, &why, instead);
        return;
    }
    document.put(0, key, &scalar(&address));
    if key == "admin_listen" {
        let why = "admin_listen: metrics are there, and with them probes and the status page, which ask for no password";
        accounts.differs(given, why);
    } else {
        accounts.taken(given, key);
    }
}

fn trusted_proxies(accounts: &mut Accounts, document: &mut Document) {
    let behind = accounts.switch("reverse_proxy");
    let named = accounts.take("trusted_proxy_ips");
    match (behind, named) {
        (Some((switch, true)), Some(named)) => {
            accounts.taken(&switch, "trusted_proxies");
            let good =
                |text: &String| text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
            let (networks, others): (Vec<_>, Vec<_>) = named.list().into_iter().partition(good);
            document.put(0, "trusted_proxies", &list(&networks));
            if others.is_empty() {
                accounts.taken(&named, "trusted_proxies");
            } else {
                let why =
                    "trusted_proxies, as far as it names addresses and networks; the rest is none";
                accounts.differs(&named, why);
            }
        }
        (Some((switch, true)), None) => {
            document.put(0, "trusted_proxies", "[127.0.0.1]");
            let why = "oauth2-proxy believes X-Forwarded-* from everybody then; here only from trusted_proxies, and 127.0.0.1 is assumed: name your proxies";
            accounts.differs(&switch, why);
        }
        (switch, named) => {
            if let Some((switch, _)) = switch {
                accounts.unneeded(
                    &switch,
                    "nobody is believed unless trusted_proxies names them",
                );
            }
            if let Some(named) = named {
                accounts.unneeded(&named, "does nothing without reverse_proxy");
            }
        }
    }
}

fn marketing_cloud(accounts: &mut Accounts, document: &mut Document) {
    let mut subdomain = None;
    for name in ["login_url", "redeem_url", "oidc_issuer_url"] {
        let Some(given) = accounts.take(name) else {
            continue;
        };
        match subdomain_of(given.text()) {
            Some(found) => {
                accounts.taken(&given, "marketing_cloud.subdomain");
                subdomain = subdomain.or(Some(found));
            }
            None => accounts.unneeded(
                &given,
                "is another provider's; ours follows from the subdomain",
            ),
        }
    }
    let ours = subdomain.is_some();
    if let Some(given) = accounts.take("provider") {
        if ours {
            accounts.unneeded(&given, "Marketing Cloud is the only provider");
        } else {
            accounts.differs(&given, "people sign in at Marketing Cloud instead");
        }
    }
    document.put(0, "marketing_cloud", "");
    let subdomain = subdomain.unwrap_or_else(|| {
        let instead = "the part before .auth.marketingcloudapis.com in Setup > Apps > Installed Packages > the package > API Integration";
        accounts.fill_in("marketing_cloud.subdomain", "the source signs in elsewhere", instead);
        PLACEHOLDER.to_owned()
    });
    document.put(1, "subdomain", &scalar(&subdomain));
    client(accounts, document, ours);
    if let Some(given) = accounts.take("scope") {
        let scopes: Vec<&str> = given.text().split_whitespace().collect();
        if ours && Scope::parse(&scopes).is_ok() {
            document.put(1, "scope", &list(&scopes));
            accounts.taken(&given, "marketing_cloud.scope");
        } else {
            let why = "names what another provider grants; without `scope` the package's own are asked for";
            accounts.differs(&given, why);
        }
    }
}

/// Id and secret: of this source only if it signs in to Marketing Cloud already.
fn client(accounts: &mut Accounts, document: &mut Document, ours: bool) {
    let id = accounts.take("client_id");
    let good = id
        .as_ref()
        .filter(|id| ours && ClientId::parse(id.text()).is_ok());
    if let Some(good) = good {
        document.put(1, "client_id", &scalar(good.text()));
    } else {
        document.put(1, "client_id", PLACEHOLDER);
    }
    match &id {
        Some(id) if good.is_some() => accounts.taken(id, "marketing_cloud.client_id"),
        Some(id) => {
            let why = "is another provider's";
            accounts.tell(id, CommandFault::FillIn, why, CLIENT_ID);
        }
        None => accounts.fill_in(
            "marketing_cloud.client_id",
            "the source does not say it",
            CLIENT_ID,
        ),
    }
    let file = accounts.take("client_secret_file");
    let text = accounts.take("client_secret");
    let source = match (&file, &text) {
        (Some(file), _) if ours => {
            accounts.taken(file, "marketing_cloud.client_secret.file");
            format!("{{ file: {} }}", scalar(file.text()))
        }
        (_, Some(text)) if ours && variable_of(text).is_some() => {
            accounts.taken(text, "marketing_cloud.client_secret.env");
            let name = variable_of(text).unwrap_or_default();
            format!("{{ env: {} }}", scalar(&name))
        }
        _ => {
            let why = if ours {
                "is not copied: a secret belongs into a file"
            } else {
                "another provider's secret opens nothing here"
            };
            for given in file.iter().chain(&text) {
                accounts.tell(given, CommandFault::FillIn, why, CLIENT_SECRET);
            }
            if file.is_none() && text.is_none() {
                let key = "marketing_cloud.client_secret";
                accounts.fill_in(key, "the source does not say it", CLIENT_SECRET);
            }
            "{ file: client-secret }".to_owned()
        }
    };
    document.put(1, "client_secret", &source);
}

/// The variable that a secret comes from, if it comes from one.
pub(super) fn variable_of(given: &Given) -> Option<String> {
    let named = |name: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        (!name.is_empty() && name.bytes().all(good)).then(|| name.to_owned())
    };
    if given.place.starts_with("OAUTH2_PROXY_") {
        return named(&given.place);
    }
    let inner = given.text().strip_prefix("${")?.strip_suffix('}')?;
    named(inner)
}

fn subdomain_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let subdomain = url
        .host_str()?
        .strip_suffix(".auth.marketingcloudapis.com")?;
    Subdomain::parse(subdomain).ok()?;
    Some(subdomain.to_owned())
}

fn session(accounts: &mut Accounts, document: &mut Document) {
    document.put(0, "session", "");
    document.put(1, "keys", "[{ file: session-key }]");
    let instead = "sidegate keygen > session-key";
    let mut said = false;
    for name in ["cookie_secret", "cookie_secret_file"] {
        if let Some(given) = accounts.take(name) {
            let why = "keys are 32 bytes of their own making; everybody signs in once anew";
            accounts.tell(&given, CommandFault::FillIn, why, instead);
            said = true;
        }
    }
    if !said {
        accounts.fill_in("session.keys", "the source does not say it", instead);
    }
    if let Some(given) = accounts.take("cookie_expire") {
        if go_duration(given.text()).is_some_and(|span| span.is_zero()) {
            let why = "a session ends by its age, not with the browser";
            accounts.none(
                &given,
                why,
                "session.lifetime, 12h unless it says otherwise",
            );
        } else if let Some(span) = span(accounts, &given, "session.lifetime", Duration::MAX) {
            document.put(1, "lifetime", &span);
        }
    }
    store::convert(accounts, document);
}

/// A length of time as our file writes it. What it means is the same, unless a session may rest.
fn span(accounts: &mut Accounts, given: &Given, key: &str, longest: Duration) -> Option<String> {
    let span = go_duration(given.text()).filter(|span| *span >= Duration::from_secs(1));
    let Some(span) = span.filter(|span| *span <= longest) else {
        let why = format!("is no length of time that {key} can have");
        let instead = "such as 30s, 12h or 1h 30m; until then it is the default";
        accounts.tell(given, CommandFault::FillIn, &why, instead);
        return None;
    };
    if key == "session.lifetime" {
        let why = "session.lifetime; a session also ends after session.idle_timeout without a request, 1h unless it says otherwise";
        accounts.differs(given, why);
    } else {
        accounts.taken(given, key);
    }
    let seconds = span.as_secs();
    let parts = [
        ("h", seconds / 3600),
        ("m", seconds / 60 % 60),
        ("s", seconds % 60),
    ];
    let parts = parts.iter().filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(unit, number)| format!("{number}{unit}"))
        .collect();
    Some(scalar(&parts.join(" ")))
}

/// `168h0m0s`, `1.5h`, `90s`, as Go writes lengths of time.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number: f64 = rest.strip_suffix(unit)?.parse().ok()?;
        let (name, factor) = (UNITS.iter())
            .filter(|(name, _)| unit.starts_with(name))
            .max_by_key(|(name, _)| name.len())?;
        seconds += number * factor;
        rest = unit.strip_prefix(name)?;
    }
    (!text.is_empty()).then_some(())?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn log(accounts: &mut Accounts, document: &mut Document) {
    let mut lines = Vec::new();
    if let Some((given, on)) = accounts.switch("standard_logging") {
        if on {
            accounts.unneeded(&given, "is so here in any case");
        } else {
            lines.push(("level", "error"));
            accounts.differs(&given, "log.level: error; failures are still told");
        }
    }
    if let Some((given, on)) = accounts.switch("request_logging") {
        if on {
            accounts.unneeded(&given, "every request has a record in any case");
        } else {
            lines.push(("access", "false"));
            accounts.taken(&given, "log.access");
        }
    }
    if !lines.is_empty() {
        document.put(0, "log", "");
        for (key, value) in lines {
            document.put(1, key, value);
        }
    }
}

const CLIENT_ID: &str = "the client id that the package's API Integration shows";

const CLIENT_SECRET: &str = "put the secret of the package's API Integration into the file client-secret beside the configuration (chmod 600)";
