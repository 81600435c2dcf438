//! Where sessions are: cookies or Redis.

use url::Url;

use super::account::Accounts;
use super::convert::variable_of;
use super::document::Document;
use super::document::list;
use super::document::scalar;
use super::source::Given;
use crate::fault::CommandFault;

/// `session.store`, if it is not cookies.
pub(super) fn convert(accounts: &mut Accounts, document: &mut Document) {
    let Some(store) = accounts.take("session_store_type") else {
        return;
    };
    if store.text() != "redis" {
        accounts.unneeded(&store, "sessions are in cookies unless a store is named");
        return;
    }
    accounts.taken(&store, "session.store.redis");
    document.put(1, "store", "");
    document.put(2, "redis", "");
    let cluster = accounts.switch("redis_use_cluster");
    let sentinel = accounts.switch("redis_use_sentinel");
    let on = |switch: &Option<(Given, bool)>| switch.as_ref().is_some_and(|(_, on)| *on);
    let (urls, topology) = if on(&sentinel) {
        ("redis_sentinel_connection_urls", Some("sentinel"))
    } else if on(&cluster) {
        ("redis_cluster_connection_urls", Some("cluster"))
    } else {
        ("redis_connection_url", None)
    };
    for (switch, _) in cluster.into_iter().chain(sentinel) {
        accounts.taken(&switch, "session.store.redis.topology");
    }
    let mut login = Login::default();
    addresses(accounts, document, urls, &mut login);
    if let Some(topology) = topology {
        document.put(3, "topology", topology);
    }
    if let Some(given) = accounts.take("redis_sentinel_master_name") {
        if topology == Some("sentinel") {
            document.put(3, "sentinel_master", &scalar(given.text()));
            accounts.taken(&given, "session.store.redis.sentinel_master");
        } else {
            accounts.unneeded(&given, "does nothing without sentinels");
        }
    }
    if let Some(given) = accounts.take("redis_username") {
        login.user = Some(given.text().to_owned());
        accounts.taken(&given, "session.store.redis.username");
    }
    if let Some(user) = login.user.filter(|user| !user.is_empty()) {
        document.put(3, "username", &scalar(&user));
    }
    if let Some(given) = accounts.take("redis_password") {
        login.password = true;
        if let Some(name) = variable_of(&given) {
            document.put(3, "password", &format!("{{ env: {} }}", scalar(&name)));
            accounts.taken(&given, "session.store.redis.password.env");
            login.password = false;
        } else {
            let why = "is not copied: a secret belongs into a file";
            accounts.tell(&given, CommandFault::FillIn, why, PASSWORD);
        }
    }
    if login.password {
        document.put(3, "password", "{ file: redis-password }");
    }
    if let Some(given) = accounts.take("redis_ca_path") {
        document.put(3, "ca_file", &scalar(given.text()));
        accounts.taken(&given, "session.store.redis.ca_file");
    }
}

/// Who signs in to the store, as far as its address says so.
#[derive(Default)]
struct Login {
    user: Option<String>,
    password: bool,
}

fn addresses(accounts: &mut Accounts, document: &mut Document, name: &str, login: &mut Login) {
    let Some(given) = accounts.take(name) else {
        document.put(3, "url", super::document::PLACEHOLDER);
        let why = "the source does not say it";
        accounts.fill_in(
            "session.store.redis.url",
            why,
            "such as rediss://redis.example.com:6380/0",
        );
        return;
    };
    let mut urls = Vec::new();
    for text in given.list() {
        let Ok(mut url) = Url::parse(&text) else {
            continue;
        };
        if url.password().is_some() {
            login.password = true;
        }
        if !url.username().is_empty() {
            login.user = Some(url.username().to_owned());
        }
        // Fails for addresses that cannot have any, which is as good.
        let _user = url.set_username("");
        let _password = url.set_password(None);
        urls.push(url.to_string());
    }
    match urls.as_slice() {
        [] => {
            document.put(3, "url", super::document::PLACEHOLDER);
            let why = "is no address of a store";
            accounts.tell(
                &given,
                CommandFault::FillIn,
                why,
                "such as rediss://redis.example.com:6380/0",
            );
        }
        [url] => document.put(3, "url", &scalar(url)),
        urls => document.put(3, "url", &list(urls)),
    }
    if login.password {
        let why = "its password is not copied: a secret belongs into a file";
        accounts.tell(&given, CommandFault::FillIn, why, PASSWORD);
    } else if !urls.is_empty() {
        accounts.taken(&given, "session.store.redis.url");
    }
}

const PASSWORD: &str =
    "put the password into the file redis-password beside the configuration (chmod 600)";
