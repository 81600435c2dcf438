//! A signed-in person's session and the request that a browser sends with it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::header;
use sidegate::crypto::KeyRing;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::crypto::secret::AccessToken;
use sidegate::crypto::secret::RefreshToken;
use sidegate::http::CookieNames;
use sidegate::oauth::Fence;
use sidegate::oauth::token::TokenSet;
use sidegate::session::CookieStore;
use sidegate::session::Line;
use sidegate::session::Policy;
use sidegate::session::Presented;
use sidegate::session::Session;
use sidegate::session::id::SessionId;
use sidegate::session::model::Person;
use sidegate::telemetry::metrics::Events;
use sidegate::time::Clock as _;
use sidegate::time::SystemClock;
use sidegate::time::UnixTime;

/// Seals for the site `host`.
pub(crate) fn store(key: MasterKey, names: CookieNames, host: &str) -> CookieStore {
    CookieStore {
        keys: KeyRing::new(key, vec![]).into(),
        names,
        host: host.to_owned(),
        tenant: "bench/bench".to_owned(),
        policy: POLICY,
        fence: Fence::marketing_cloud(),
        entropy: Arc::new(OsEntropy),
        events: Events::default(),
    }
}

/// A store of its own.
pub(crate) fn any_store() -> CookieStore {
    let key = MasterKey::generate(&OsEntropy);
    store(key, CookieNames::new(true), HOST)
}

/// A session with an access token of `length` characters.
pub(crate) fn session(length: usize) -> Session {
    let now = now();
    Session {
        id: SessionId::generate(&OsEntropy),
        tenant: None,
        tokens: TokenSet {
            access: AccessToken::parse(&"t".repeat(length)).expect("a token"),
            refresh: Some(RefreshToken::parse(&"r".repeat(REFRESH)).expect("a token")),
            expires_at: now.plus(POLICY.lifetime),
            lifetime: POLICY.lifetime,
        },
        person: Person {
            sub: "10654321".to_owned(),
            name: Some("Ada".to_owned()),
            email: Some("ada@example.com".to_owned()),
            preferred_username: Some("ada".to_owned()),
            enterprise: Some(7_281_600),
            business_unit: Some(7_281_698),
            ..Person::default()
        },
        rest: Some(instance("https://mc1.rest.marketingcloudapis.com/")),
        soap: Some(instance("https://mc1.soap.marketingcloudapis.com/")),
        scope: Some("email_read offline".to_owned()),
        signed_in_at: now,
        ends_at: now.plus(POLICY.lifetime),
        idle_until: now.plus(POLICY.idle_timeout),
        seen_at: Some(now),
        line: Line::default(),
        ticket: None,
    }
}

/// The session's cookies, as a browser sends them back.
pub(crate) fn cookie_line(store: &CookieStore, session: &Session) -> String {
    let sealed = store.seal(session, now()).expect("it fits");
    let headers: HeaderMap = HeaderMap::new();
    let lines = sealed.lines(store, &sidegate::http::Jar::new(&headers, "/"));
    let pairs = lines.iter().map(|line| {
        let line = line.to_str().expect("text");
        line.split(';').next().expect("a pair").to_owned()
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// What a browser sends when a page's script asks for JSON.
pub(crate) fn browser_request(cookies: &str) -> HeaderMap {
    let cookies = format!("theme=dark; _ga=GA1.1.1234567890.1700000000; {cookies}; lang=en");
    let fields = BROWSER.iter().copied();
    fields
        .chain([(header::COOKIE.as_str(), cookies.as_str())])
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("a name");
            (name, HeaderValue::try_from(value).expect("a value"))
        })
        .collect()
}

/// What a browser sends when a person follows a link and is not signed in.
pub(crate) fn navigation(path: &str) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().expect("a path");
    *request.headers_mut() = browser_request("theme=light");
    for (name, value) in [
        ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-user", "?1"),
        ("upgrade-insecure-requests", "1"),
    ] {
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
    }
    request
}

pub(crate) fn now() -> UnixTime {
    SystemClock.now()
}

fn instance(url: &str) -> sidegate::oauth::InstanceUrl {
    Fence::marketing_cloud().admit(url).expect("admitted")
}

const POLICY: Policy = Policy {
    lifetime: Duration::from_hours(12),
    idle_timeout: Duration::from_hours(1),
};

/// The public host.
pub(crate) const HOST: &str = "tool.example.com";

/// Characters of a refresh token: Marketing Cloud's documented maximum.
const REFRESH: usize = 512;

const BROWSER: [(&str, &str); 13] = [
    ("host", HOST),
    ("connection", "keep-alive"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9"),
    (
        "sec-ch-ua",
        "\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://tool.example.com/assets"),
];

/// The one sealed text of a request.
pub(crate) fn presented<'a>(headers: &'a HeaderMap, store: &CookieStore) -> Option<Cow<'a, [u8]>> {
    match Presented::of(headers, &store.names) {
        Presented::Sealed(text) => Some(text),
        _ => None,
    }
}
