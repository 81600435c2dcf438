//! What the browser may know about its session. Never a token (CVE-2024-39315).

use serde_json::Value;
use serde_json::json;

use super::worker::Worker;
use crate::http::pages;
use crate::http::pages::Account;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::oauth::Subdomain;
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
        ))
    }

    /// The subdomain of the person's tenant.
    fn tenant<'a>(&'a self, session: &'a Session) -> &'a Subdomain {
        let configured = &self.gateway.provider.subdomain;
        session.tenant.as_ref().unwrap_or(configured)
    }

    /// `GET /oauth2/`.
    pub(super) fn account(&self, session: &Session) -> Reply {
        let person = &session.person;
        let number = |id: Option<u64>| id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let here = person.recent.first();
        let unit = here.map_or_else(|| number(person.business_unit), |unit| label(unit).1);
        let mut facts = vec![
            (
                "User",
                person
                    .preferred_username
                    .clone()
                    .unwrap_or_else(|| person.sub.clone()),
            ),
            ("Tenant", self.tenant(session).to_string()),
            ("Enterprise", number(person.enterprise)),
            ("Business unit", unit),
            ("Signed in until", readable(session.ends_at)),
        ];
        if let Some(email) = &person.email {
            facts.insert(1, ("E-mail", email.clone()));
        }
        let name = person.name.as_deref().unwrap_or(&person.sub);
        let others = person.recent.iter();
        let others = others.filter(|unit| Some(unit.id) != person.business_unit);
        let units: Vec<_> = others.map(label).collect();
        let site = &self.gateway.site;
        pages::account(&Account::new(
            name,
            &facts,
            &site.path("sign_out"),
            &units,
            &site.path("business_unit"),
        ))
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

fn describe(session: &Session, tenant: &Subdomain, now: UnixTime) -> Value {
    let person = &session.person;
    let ends = session.ends_at.min(session.idle_until);
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
        "expires_in": ends.since(now).as_secs(),
        "session": {
            "signed_in_at": session.signed_in_at.as_secs(),
            "expires_at": session.ends_at.as_secs(),
            "idle_expires_at": session.idle_until.as_secs(),
        },
        "token": {
            "expires_at": session.tokens.expires_at.as_secs(),
            "expires_in": session.tokens.expires_at.since(now).as_secs(),
        },
    })
}

/// `2026-11-23 22:00 UTC`.
fn readable(at: UnixTime) -> String {
    let text = at.to_rfc3339();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::tests::session;

    #[test]
    fn no_token_is_told() {
        let tenant = Subdomain::parse("mcabc").expect("a label");
        let text = describe(
            &session("hunter2", UnixTime::from_millis(5_000)),
            &tenant,
            UnixTime::from_millis(6_000),
        )
        .to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("\"expires_in\":3599"), "{text}");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(readable(UnixTime::from_millis(0)), "1970-01-01 00:00 UTC");
    }
}
