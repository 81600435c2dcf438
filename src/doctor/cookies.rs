//! Whether sessions fit the browser's cookies, with tokens of the length that has been seen and of the
//! longest that is documented.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::finding::Cause;
use super::finding::Finding;
use super::subject::Subject;
use crate::crypto::KeyRing;
use crate::crypto::MasterKey;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::RefreshToken;
use crate::fault::Fault;
use crate::http::Jar;
use crate::oauth::Fence;
use crate::oauth::TokenSet;
use crate::session::CookieStore;
use crate::session::Line;
use crate::session::Session;
use crate::session::cookie::COOKIE_BUDGET;
use crate::session::id::SessionId;
use crate::session::model::Person;
use crate::telemetry::metrics::Events;

pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let sizes: Vec<_> = LENGTHS
        .iter()
        .map(|&length| (length, size(subject, length)))
        .collect();
    let told = sizes.iter().map(|(length, size)| match size {
        Some((bytes, 1)) => format!("{bytes} bytes in one cookie with tokens of {length}"),
        Some((bytes, count)) => {
            format!("{bytes} bytes in {count} cookies with tokens of {length}")
        }
        None => format!("too large with tokens of {length}"),
    });
    let told: Vec<String> = told.collect();
    let detail = format!(
        "a session has {} characters; {COOKIE_BUDGET} bytes fit",
        told.join(", ")
    );
    vec![if sizes.iter().all(|(_, size)| size.is_some()) {
        Finding::ok(NAME, detail)
    } else {
        Finding::failed(NAME, Cause::Configuration, detail).fault(Fault::SessionTooLarge)
    }]
}

/// Bytes and number of the cookies of a session whose two tokens have `length` characters, and in
/// which everything else is as long as it gets in practice.
fn size(subject: &Subject, length: usize) -> Option<(usize, usize)> {
    let (config, now) = (&subject.loaded.config, subject.clock.now());
    let provider = &subject.tenant().provider;
    let store = CookieStore {
        // Any key makes as many bytes.
        keys: KeyRing::new(MasterKey::generate(subject.entropy.as_ref()), Vec::new()).into(),
        names: subject.site.names().clone(),
        host: subject.site.origin().authority(),
        tenant: format!("{}/{}", provider.subdomain, provider.client_id.as_str()),
        policy: config.session,
        fence: Fence::marketing_cloud(),
        entropy: Arc::clone(&subject.entropy),
        events: Events::default(),
    };
    let token = "t".repeat(length);
    let host = |kind| format!("{}.{kind}.marketingcloudapis.com", provider.subdomain);
    let long = |length| Some("x".repeat(length));
    let session = Session {
        id: SessionId::generate(subject.entropy.as_ref()),
        tenant: None,
        tokens: TokenSet {
            access: AccessToken::parse(&token).ok()?,
            refresh: Some(RefreshToken::parse(&token).ok()?),
            expires_at: now,
            lifetime: Duration::from_mins(20),
        },
        person: Person {
            sub: "1".repeat(12),
            name: long(64),
            email: long(64),
            preferred_username: long(64),
            enterprise: Some(u64::from(u32::MAX)),
            business_unit: Some(u64::from(u32::MAX)),
            ..Person::default()
        },
        rest: store.fence.admit(&host("rest")).ok(),
        soap: store.fence.admit(&host("soap")).ok(),
        scope: long(512),
        signed_in_at: now,
        ends_at: now.plus(config.session.lifetime),
        idle_until: now.plus(config.session.idle_timeout),
        line: Line::default(),
        ticket: None,
    };
    let lines = store
        .seal(&session, now)
        .ok()?
        .lines(&store, &Jar::new(&HeaderMap::new(), "/"));
    let pair = |line: &http::HeaderValue| {
        let end = line.as_bytes().iter().position(|&b| b == b';');
        end.unwrap_or(line.len())
    };
    Some((lines.iter().map(pair).sum(), lines.len()))
}

/// Characters of each token: as recorded, and as documented at most.
const LENGTHS: [usize; 2] = [512, 2048];

const NAME: &str = "cookie size";
