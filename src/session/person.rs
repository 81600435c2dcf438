//! Who signed in, and where this person works: what userinfo tells, as far as a session keeps it.

use serde::Deserialize;
use serde::Serialize;

use crate::oauth::Identity;

/// Who signed in, and to which account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Stable key of the user.
    pub sub: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// User name.
    pub preferred_username: Option<String>,
    /// Enterprise id (EID).
    pub enterprise: Option<u64>,
    /// Business unit (MID) that the token speaks for.
    pub business_unit: Option<u64>,
    /// The permissions that rules or tools ask for, as far as the person has them in this unit.
    pub permissions: Vec<String>,
    /// The units that this session was in, the present one first.
    pub recent: Vec<RecentUnit>,
}

/// A business unit that a session was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentUnit {
    /// Its MID.
    pub id: u64,
    /// Its name, where it is known.
    pub name: Option<String>,
}

impl Person {
    /// With everything as long as it gets: what userinfo tells in practice, and `permissions` bytes of
    /// permissions.
    pub fn largest(permissions: usize) -> Self {
        let long = |length| "x".repeat(length);
        let id = u64::from(u32::MAX);
        let unit = RecentUnit {
            id,
            name: Some(long(MAX_NAME)),
        };
        Self {
            sub: "1".repeat(12),
            name: Some(long(64)),
            email: Some(long(64)),
            preferred_username: Some(long(64)),
            enterprise: Some(id),
            business_unit: Some(id),
            permissions: (permissions > 0)
                .then(|| long(permissions))
                .into_iter()
                .collect(),
            recent: vec![unit; MAX_RECENT],
        }
    }

    /// The person of a new session.
    pub fn of(identity: Identity) -> Self {
        let name = identity.unit_name.as_deref().map(shortened);
        let recent = identity.business_unit.map(|id| RecentUnit { id, name });
        Self {
            sub: identity.sub,
            name: identity.name,
            email: identity.email,
            preferred_username: identity.preferred_username,
            enterprise: identity.enterprise,
            business_unit: identity.business_unit,
            permissions: identity.permissions,
            recent: recent.into_iter().collect(),
        }
    }

    /// The same person as userinfo tells now, with the units of before.
    #[must_use]
    pub fn updated(&self, identity: Identity) -> Self {
        let mut now = Self::of(identity);
        for known in &self.recent {
            match now.recent.iter_mut().find(|unit| unit.id == known.id) {
                Some(unit) => {
                    if unit.name.is_none() {
                        unit.name.clone_from(&known.name);
                    }
                }
                None => now.recent.push(known.clone()),
            }
        }
        now.recent.truncate(MAX_RECENT);
        now
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// Units that a session remembers.
const MAX_RECENT: usize = 5;

/// Characters of a unit's name: it goes into the cookie.
const MAX_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(unit: u64, name: Option<&str>) -> Identity {
        Identity {
            sub: "1".to_owned(),
            business_unit: Some(unit),
            unit_name: name.map(str::to_owned),
            ..Identity::default()
        }
    }

    #[test]
    fn recent_units_are_few_and_the_present_one_is_first() {
        let mut person = Person::of(identity(1, Some(&"é".repeat(300))));
        assert_eq!(
            person.recent[0].name.as_deref().map(|n| n.chars().count()),
            Some(40)
        );
        for unit in [2, 3, 1, 4, 5, 6, 7] {
            person = person.updated(identity(unit, None));
            assert_eq!(person.business_unit, Some(unit));
        }
        let ids: Vec<u64> = person.recent.iter().map(|unit| unit.id).collect();
        assert_eq!(ids, [7, 6, 5, 4, 1]);
        assert!(person.recent[4].name.is_some(), "a known name stays");
    }
}
