//! Who may use a route, beyond being signed in: by what the session knows of the person.

use crate::oauth::permissions::PermissionName;
use crate::oauth::provider::BusinessUnit;
use crate::session::model::Person;
use crate::telemetry::metrics::labels::Rule as Kind;

/// What `require` and `business_unit` of a route ask for: of every kind that is named, any of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Enterprise ids (EID).
    pub enterprises: Box<[u64]>,
    /// What follows the last `@` of the mail address, without regard to ASCII case.
    pub email_domains: Box<[Box<str>]>,
    /// Permissions of the person in the present unit.
    pub permissions: Box<[PermissionName]>,
    /// Business units (MID).
    pub units: Box<[BusinessUnit]>,
    /// The one unit that the page offers to switch to.
    pub target: Option<BusinessUnit>,
}

impl Rule {
    /// The first kind that refuses `person`. The unit comes last: of all it is what a person can change.
    pub fn refuses(&self, person: &Person) -> Option<Kind> {
        let enterprise = |id: u64| self.enterprises.contains(&id);
        if !self.enterprises.is_empty() && !person.enterprise.is_some_and(enterprise) {
            return Some(Kind::Enterprise);
        }
        if !self.email_domains.is_empty() && !self.admits_email(person.email.as_deref()) {
            return Some(Kind::EmailDomain);
        }
        let has = |name: &PermissionName| person.permissions.iter().any(|has| has == name.as_str());
        if !self.permissions.is_empty() && !self.permissions.iter().any(has) {
            return Some(Kind::Permission);
        }
        let unit = |mid: u64| self.admits_unit(mid);
        if !self.units.is_empty() && !person.business_unit.is_some_and(unit) {
            return Some(Kind::BusinessUnit);
        }
        None
    }

    /// Whether the unit is one of them.
    pub fn admits_unit(&self, mid: u64) -> bool {
        self.units.iter().any(|unit| unit.mid() == mid)
    }

    fn admits_email(&self, email: Option<&str>) -> bool {
        let domain = email.and_then(|email| email.rsplit_once('@'));
        domain.is_some_and(|(local, domain)| {
            let mut domains = self.email_domains.iter();
            !local.is_empty()
                && !local.contains(is_ambiguous)
                && domains.any(|listed| listed.eq_ignore_ascii_case(domain))
        })
    }
}

/// Where readers of mail addresses differ about which is the domain, or how many addresses there are
/// (RFC 5322 §3.4: quotes, comments, lists).
fn is_ambiguous(c: char) -> bool {
    c.is_whitespace() || matches!(c, '@' | ',' | ';' | '<' | '>' | '(' | ')' | '"' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            sub: "1".to_owned(),
            email: Some("Ada@Example.COM".to_owned()),
            enterprise: Some(10),
            business_unit: Some(20),
            permissions: vec!["Email.Read".to_owned()],
            ..Person::default()
        }
    }

    fn domains(domains: &[&str]) -> Rule {
        Rule {
            email_domains: domains.iter().map(|&domain| domain.into()).collect(),
            ..Rule::default()
        }
    }

    #[test]
    fn a_domain_is_the_whole_domain() {
        assert_eq!(
            domains(&["other.org", "example.com"]).refuses(&person()),
            None
        );
        for email in [
            None,
            Some("ada@evil-example.com"),
            Some("ada@example.com.evil.org"),
            Some("ada@sub.example.com"),
            Some("ada@example.com@evil.org"),
            Some("example.com"),
            Some("@example.com"),
            Some("ada@"),
            Some("ada@example.com "),
            Some("ada@ex\u{e4}mple.com"),
            Some("ada@evil.org@example.com"),
            Some("ada@evil.org,bob@example.com"),
            Some("ada@evil.org;bob@example.com"),
            Some("<ada@evil.org>@example.com"),
            Some("\"ada@evil.org\"@example.com"),
            Some("ada(@evil.org)@example.com"),
            Some("ada bob@example.com"),
        ] {
            let person = Person {
                email: email.map(str::to_owned),
                ..person()
            };
            let refused = domains(&["example.com"]).refuses(&person);
            assert_eq!(refused, Some(Kind::EmailDomain), "{email:?}");
        }
    }

    #[test]
    fn every_kind_has_to_hold_and_any_value_will_do() {
        let unit = |mid| BusinessUnit::of(mid).expect("not zero");
        let name = |text| PermissionName::parse(text).expect(text);
        let rule = Rule {
            enterprises: [9, 10].into(),
            permissions: [name("Email.Write"), name("Email.Read")].into(),
            units: [unit(19), unit(20)].into(),
            ..domains(&["example.com"])
        };
        assert_eq!(rule.refuses(&person()), None);
        assert_eq!(Rule::default().refuses(&Person::default()), None);
        let without = |change: fn(&mut Person)| {
            let mut person = person();
            change(&mut person);
            rule.refuses(&person)
        };
        assert_eq!(without(|p| p.enterprise = Some(11)), Some(Kind::Enterprise));
        assert_eq!(without(|p| p.enterprise = None), Some(Kind::Enterprise));
        assert_eq!(without(|p| p.email = None), Some(Kind::EmailDomain));
        assert_eq!(without(|p| p.permissions.clear()), Some(Kind::Permission));
        assert_eq!(
            without(|p| p.business_unit = None),
            Some(Kind::BusinessUnit)
        );
        assert_eq!(
            without(|p| p.business_unit = Some(2)),
            Some(Kind::BusinessUnit)
        );
    }
}
