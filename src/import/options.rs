//! Every option that oauth2-proxy documents, and what becomes of it here.

mod lost;
pub(super) mod restricting;
mod unneeded;

use lost::LOST;
use unneeded::UNNEEDED;

/// One option.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// As the file calls it.
    pub(super) name: &'static str,
    /// As the command line calls it, where a list is named in the singular there.
    singular: &'static str,
    pub(super) kind: Kind,
}

/// What kind of value an option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Text,
    List,
    /// A text that is never said again.
    Secret,
}

/// What becomes of an option.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// A conversion takes it.
    Taken,
    /// It is so without a word.
    Unneeded(&'static str),
    /// Nothing here does that.
    Lost(&'static Lost),
}

/// Options that nothing here has, for the same reason.
pub(super) struct Lost {
    pub(super) why: &'static str,
    pub(super) instead: &'static str,
    /// Values with which nothing is lost.
    pub(super) off: &'static [&'static str],
    options: &'static [Entry],
}

impl Lost {
    pub(super) const fn new(why: &'static str, instead: &'static str) -> Self {
        Self::unless(&[], why, instead)
    }

    pub(super) const fn unless(
        off: &'static [&'static str],
        why: &'static str,
        instead: &'static str,
    ) -> Self {
        Self {
            why,
            instead,
            off,
            options: &[],
        }
    }
}

/// The option of this name, in the file's spelling or the flag's with underscores.
pub(super) fn find(name: &str) -> Option<(Entry, Fate)> {
    all().find(|(option, _)| option.name == name || option.singular == name)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = (Entry, Fate)> {
    let taken = TAKEN.iter().map(|option| (*option, Fate::Taken));
    let unneeded = UNNEEDED.iter().flat_map(|(why, options)| {
        let fate = Fate::Unneeded(why);
        options.iter().map(move |option| (*option, fate))
    });
    let lost = LOST.iter().flat_map(|lost| {
        let fate = Fate::Lost(lost);
        lost.options.iter().map(move |option| (*option, fate))
    });
    taken.chain(unneeded).chain(lost)
}

const fn switch(name: &'static str) -> Entry {
    entry(name, name, Kind::Switch)
}

const fn text(name: &'static str) -> Entry {
    entry(name, name, Kind::Text)
}

const fn list(name: &'static str, singular: &'static str) -> Entry {
    entry(name, singular, Kind::List)
}

const fn secret(name: &'static str) -> Entry {
    entry(name, name, Kind::Secret)
}

const fn entry(name: &'static str, singular: &'static str, kind: Kind) -> Entry {
    Entry {
        name,
        singular,
        kind,
    }
}

const TAKEN: &[Entry] = &[
    text("client_id"),
    secret("client_secret"),
    text("client_secret_file"),
    text("cookie_expire"),
    secret("cookie_secret"),
    text("cookie_secret_file"),
    list("email_domains", "email_domain"),
    text("http_address"),
    text("https_address"),
    text("login_url"),
    text("metrics_address"),
    text("oidc_issuer_url"),
    switch("pass_access_token"),
    text("provider"),
    text("proxy_prefix"),
    text("redeem_url"),
    text("redirect_url"),
    text("redis_ca_path"),
    list(
        "redis_cluster_connection_urls",
        "redis_cluster_connection_urls",
    ),
    text("redis_connection_url"),
    secret("redis_password"),
    list(
        "redis_sentinel_connection_urls",
        "redis_sentinel_connection_urls",
    ),
    text("redis_sentinel_master_name"),
    switch("redis_use_cluster"),
    switch("redis_use_sentinel"),
    text("redis_username"),
    switch("request_logging"),
    switch("reverse_proxy"),
    text("scope"),
    text("session_store_type"),
    list("skip_auth_regex", "skip_auth_regex"),
    list("skip_auth_routes", "skip_auth_route"),
    switch("standard_logging"),
    text("tls_cert_file"),
    text("tls_key_file"),
    list("trusted_proxy_ips", "trusted_proxy_ip"),
    text("upstream_timeout"),
    list("upstreams", "upstream"),
];
