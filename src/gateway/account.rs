//! What the browser may know about its session. Never a token (CVE-2024-39315).

use http::request::Parts;
use serde_json::Value;
use serde_json::json;

use super::worker::Worker;
use crate::http::pages::Account;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::oauth::Subdomain;
use crate::oauth::provider::Scope;
use crate::session::Policy;
use crate::session::Session;
use crate::session::model::Person;
use crate::session::person::RecentUnit;
use crate::time::UnixTime;

impl Worker {
    /// `GET /oauth2/userinfo`.
    pub(super) fn userinfo(&self, session: &Session) -> Reply {
        reply::json(&describe(
            session,
            self.tenant(session),
            self.gateway.clock.now(),
            self.gateway.store.policy,
        ))
    }

    /// The subdomain of the person's tenant.
    fn tenant<'a>(&'a self, session: &'a Session) -> &'a Subdomain {
        let configured = &self.gateway.provider.subdomain;
        session.tenant.as_ref().unwrap_or(configured)
    }

    /// `GET /oauth2/`.
    pub(super) fn account(&self, parts: &Parts, session: &Session) -> Reply {
        let (gateway, person) = (&self.gateway, &session.person);
        let here = person.recent.first();
        let number = || person.business_unit.map(|id| id.to_string());
        let others = person.recent.iter();
        let others = others.filter(|unit| Some(unit.id) != person.business_unit);
        let units: Vec<_> = others.map(label).collect();
        let asked = gateway.provider.scope.as_ref().map(Scope::as_str);
        let now = gateway.clock.now();
        let (switch, sign_out) = (
            gateway.site.path("business_unit"),
            gateway.site.path("sign_out"),
        );
        self.voice(parts).account(&Account {
            name: person.name.as_deref().unwrap_or(&person.sub),
            user: person.preferred_username.as_deref().unwrap_or(&person.sub),
            email: person.email.as_deref(),
            tenant: self.tenant(session).as_str(),
            enterprise: person.enterprise,
            unit: here.map(|unit| label(unit).1).or_else(number),
            scope: session.scope.as_deref().or(asked),
            now,
            signed_in_at: session.signed_in_at,
            // Looking at the page is a use of the session.
            idle_until: now.plus(gateway.store.policy.idle_timeout),
            ends_at: session.end(gateway.store.policy),
            token_until: session.tokens.expires_at,
            streams: gateway.standing.of(session.id),
            units: &units,
            switch: &switch,
            sign_out: &sign_out,
        })
    }
}

/// A unit's MID, and what it is called.
pub(super) fn label(unit: &RecentUnit) -> (u64, String) {
    let id = unit.id;
    let name = unit.name.as_ref();
    (
        id,
        name.map_or_else(|| id.to_string(), |name| format!("{name} ({id})")),
    )
}

/// The units that a session was in, the present one first.
pub(super) fn recent(person: &Person) -> Value {
    let units = person.recent.iter();
    units
        .map(|unit| json!({ "id": unit.id, "name": unit.name }))
        .collect()
}

fn describe(session: &Session, tenant: &Subdomain, now: UnixTime, policy: Policy) -> Value {
    let person = &session.person;
    let (end, idle_end) = (session.end(policy), session.idle_end(policy));
    json!({
        "user": {
            "sub": person.sub,
            "name": person.name,
            "email": person.email,
            "preferred_username": person.preferred_username,
        },
        "tenant": tenant.as_str(),
        "organization": { "enterprise_id": person.enterprise, "member_id": person.business_unit },
        "business_unit": person.business_unit,
        "recent_units": recent(person),
        "permissions": person.permissions,
        "scope": session.scope,
        "expires_in": end.min(idle_end).since(now).as_secs(),
        "session": {
            "signed_in_at": session.signed_in_at.as_secs(),
            "expires_at": end.as_secs(),
            "idle_expires_at": idle_end.as_secs(),
        },
        "token": {
            "expires_at": session.tokens.expires_at.as_secs(),
            "expires_in": session.tokens.expires_at.since(now).as_secs(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::tests::POLICY;
    use crate::session::model::tests::session;

    #[test]
    fn no_token_is_told() {
        let tenant = Subdomain::parse("mcabc").expect("a label");
        let text = describe(
            &session("hunter2", UnixTime::from_millis(5_000)),
            &tenant,
            UnixTime::from_millis(6_000),
            POLICY,
        )
        .to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("\"expires_in\":3599"), "{text}");
    }
}
