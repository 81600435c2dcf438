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
use crate::gateway::MAX_SCOPE;
use crate::http::Jar;
use crate::oauth::Fence;
use crate::oauth::TokenSet;
use crate::oauth::permissions::MAX_BYTES;
use crate::session::CookieStore;
use crate::session::Line;
use crate::session::Session;
use crate::session::cookie::COOKIE_BUDGET;
use crate::session::id::SessionId;
use crate::session::model::Person;
use crate::session::shared::Keeping;
use crate::session::ticket::Ticket;
use crate::telemetry::metrics::Events;

pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    if let Some((_, Keeping::Sessions)) = &subject.loaded.config.shared {
        return vec![Finding::ok(NAME, ticket(subject))];
    }
    let [seen, longest] = LENGTHS.map(|length| (length, size(subject, length)));
    let told = [seen, longest].map(|(length, size)| match size {
        Some((bytes, 1)) => format!("{bytes} bytes in one cookie with tokens of {length}"),
        Some((bytes, count)) => {
            format!("{bytes} bytes in {count} cookies with tokens of {length}")
        }
        None => format!("too many bytes with tokens of {length}"),
    });
    let detail = format!(
        "the largest session has {} characters; {COOKIE_BUDGET} bytes fit",
        told.join(", ")
    );
    vec![match (seen.1, longest.1) {
        (Some(_), Some(_)) => Finding::ok(NAME, detail),
        // Marketing Cloud's tokens have been shorter so far.
        (Some(_), None) => Finding::warning(NAME, detail).advice(ADVICE),
        (None, _) => Finding::failed(NAME, Cause::Configuration, detail)
            .advice(ADVICE)
            .fault(Fault::SessionTooLarge),
    }]
}

fn ticket(subject: &Subject) -> String {
    let now = subject.clock.now();
    let ends_at = now.plus(subject.loaded.config.session.lifetime);
    let entropy = subject.entropy.as_ref();
    let ticket = Ticket::generate(SessionId::generate(entropy), ends_at, entropy);
    let bytes = store(subject).seal_ticket(&ticket, now).weight();
    format!("{bytes} bytes: sessions are in the store, and the cookie has only the key to one")
}

/// With any keys: all of them make as many bytes.
fn store(subject: &Subject) -> CookieStore {
    CookieStore {
        keys: KeyRing::new(MasterKey::generate(subject.entropy.as_ref()), Vec::new()).into(),
        names: subject.site.names().clone(),
        host: subject.site.origin().authority(),
        tenant: subject.realm(),
        policy: subject.loaded.config.session,
        fence: Fence::marketing_cloud(),
        entropy: Arc::clone(&subject.entropy),
        events: Events::default(),
    }
}

/// Bytes and number of the cookies of a session whose two tokens have `length` characters, and in
/// which everything else is as long as it gets in practice.
fn size(subject: &Subject, length: usize) -> Option<(usize, usize)> {
    let (config, now) = (&subject.loaded.config, subject.clock.now());
    let provider = &subject.tenant().provider;
    let store = store(subject);
    let token = "t".repeat(length);
    let host = |kind| format!("{}.{kind}.marketingcloudapis.com", provider.subdomain);
    let permissions = if provider.permissions.is_empty() {
        0
    } else {
        MAX_BYTES
    };
    let session = Session {
        id: SessionId::generate(subject.entropy.as_ref()),
        // People of partner tenants have theirs in it.
        tenant: provider
            .partner
            .is_some()
            .then(|| provider.subdomain.clone()),
        tokens: TokenSet {
            access: AccessToken::parse(&token).ok()?,
            refresh: Some(RefreshToken::parse(&token).ok()?),
            expires_at: now,
            lifetime: Duration::from_mins(20),
        },
        person: Person::largest(permissions),
        rest: store.fence.admit(&host("rest")).ok(),
        soap: store.fence.admit(&host("soap")).ok(),
        scope: Some("x".repeat(MAX_SCOPE)),
        signed_in_at: now,
        ends_at: now.plus(config.session.lifetime),
        idle_until: now.plus(config.session.idle_timeout),
        seen_at: Some(now),
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

const ADVICE: &str = "Let tools and rules ask for fewer permissions, or keep sessions in a store (session.store: { redis }).";
