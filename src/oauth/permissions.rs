//! Which of a person's permissions are worth keeping: an administrator has hundreds of them.

use std::borrow::Cow;

use serde::Deserialize;

use super::reply;

/// The permissions that are kept of a userinfo reply: those that rules name, then those that tools are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    required: Vec<PermissionName>,
    told: Vec<Pattern>,
}

impl Permissions {
    /// Keeps what `told` matches, for tools to see.
    pub const fn new(told: Vec<Pattern>) -> Self {
        Self {
            required: Vec::new(),
            told,
        }
    }

    /// Keeps these, too, for rules.
    pub fn require(&mut self, names: impl IntoIterator<Item = PermissionName>) {
        for name in names {
            if !self.required.contains(&name) {
                self.required.push(name);
            }
        }
    }

    /// Whether tools are told.
    pub const fn are_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// Whether nothing is kept.
    pub const fn is_empty(&self) -> bool {
        self.told.is_empty() && self.required.is_empty()
    }

    /// The names to keep of a userinfo reply. Entries that make no name are nobody's permission.
    pub fn of(&self, body: &[u8]) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let raw: RawReply<'_> = reply::object(body).unwrap_or_default();
        let names = raw.permissions.into_iter().filter_map(RawPermission::name);
        let mut kept: Vec<(bool, PermissionName)> = names
            .filter_map(|name| {
                let required = self.required.contains(&name);
                let wanted = required || self.told.iter().any(|pattern| pattern.matches(&name));
                // Rules come first where there is not room for all.
                wanted.then_some((!required, name))
            })
            .collect();
        kept.sort_unstable();
        kept.dedup();
        let all = kept.len();
        let mut room = MAX_BYTES;
        let fits = |(_, name): &(bool, PermissionName)| {
            room = room.saturating_sub(name.0.len() + 1);
            room > 0
        };
        let kept: Vec<String> = kept
            .into_iter()
            .take_while(fits)
            .map(|(_, name)| name.0.into())
            .collect();
        if kept.len() < all {
            tracing::warn!(
                event = "permissions.cut",
                kept = kept.len(),
                all,
                "Not all permissions fit the session; ask for fewer in marketing_cloud.permissions."
            );
        }
        kept
    }
}

/// A permission as `Object.Operation`, such as `Email.Update`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(Box<str>);

impl PermissionName {
    /// Reads `Object.Operation`.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        let plain = text.len() <= MAX_NAME
            && !text.contains(|c: char| c.is_control() || c == ',')
            && text.trim().len() == text.len();
        let whole = text
            .rsplit_once('.')
            .is_some_and(|(object, operation)| !object.is_empty() && !operation.is_empty());
        if plain && whole && !text.contains('*') {
            Ok(Self(text.into()))
        } else {
            Err(PermissionError)
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A permission, or all operations on an object: `Email.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Just this one.
    One(PermissionName),
    /// Every operation on the object; its name and the dot.
    Object(Box<str>),
}

impl Pattern {
    /// Reads `Object.Operation` or `Object.*`.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        match text.strip_suffix('*') {
            Some(object) if object.ends_with('.') => {
                // Any operation will do to see that the object can be one.
                PermissionName::parse(&format!("{object}x"))?;
                Ok(Self::Object(object.into()))
            }
            _ => PermissionName::parse(text).map(Self::One),
        }
    }

    fn matches(&self, name: &PermissionName) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Object(object) => name.0.starts_with(&**object),
        }
    }
}

/// The text names no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be Object.Operation as userinfo names them, such as Email.Update")]
pub struct PermissionError;

#[derive(Default, Deserialize)]
struct RawReply<'a> {
    #[serde(borrow, default)]
    permissions: Vec<RawPermission<'a>>,
}

#[derive(Deserialize)]
struct RawPermission<'a> {
    #[serde(borrow, rename = "objectTypeName")]
    object: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "operationName")]
    operation: Option<Cow<'a, str>>,
}

impl RawPermission<'_> {
    fn name(self) -> Option<PermissionName> {
        PermissionName::parse(&format!("{}.{}", self.object?, self.operation?)).ok()
    }
}

/// Longest name taken, in bytes.
const MAX_NAME: usize = 128;

/// What all kept names may take together: they travel in the cookie and in a header field.
pub const MAX_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn keeping(required: &[&str], told: &[&str]) -> Permissions {
        let told = told.iter().map(|text| Pattern::parse(text).expect(text));
        let mut kept = Permissions::new(told.collect());
        let required: Vec<_> = required
            .iter()
            .map(|text| PermissionName::parse(text).expect(text))
            .collect();
        kept.require(required);
        kept
    }

    fn reply(names: &[(&str, &str)]) -> Vec<u8> {
        let entries: Vec<_> = names
            .iter()
            .map(|(object, operation)| {
                json!({ "objectTypeName": object, "operationName": operation, "name": "x", "id": 1 })
            })
            .collect();
        json!({ "user": { "sub": "1" }, "permissions": entries })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let body = reply(&[
            ("Email", "Update"),
            ("Email", "Read"),
            ("Emails", "Read"),
            ("Asset", "Read"),
            ("Asset", "Read"),
            ("", "Read"),
            ("A,B", "Read"),
            ("A\nB", "Read"),
        ]);
        assert_eq!(
            keeping(&[], &["Email.*"]).of(&body),
            ["Email.Read", "Email.Update"]
        );
        assert_eq!(
            keeping(&["Asset.Read"], &["Email.Read"]).of(&body),
            ["Asset.Read", "Email.Read"]
        );
        assert!(keeping(&[], &[]).of(&body).is_empty());
        assert!(keeping(&["Asset.Write"], &[]).of(&body).is_empty());
    }

    #[test]
    fn there_is_a_limit_and_rules_come_first() {
        let operations: Vec<String> = (0..500)
            .map(|number| format!("Operation{number}"))
            .collect();
        let mut names: Vec<_> = operations
            .iter()
            .map(|name| ("Aaa", name.as_str()))
            .collect();
        names.push(("Zzz", "Read"));
        let kept = keeping(&["Zzz.Read"], &["Aaa.*"]).of(&reply(&names));
        assert_eq!(kept.first().map(String::as_str), Some("Zzz.Read"));
        assert!(kept.join(",").len() <= MAX_BYTES && kept.len() > 40);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "Email",
            ".",
            "Email.",
            ".Read",
            "*",
            "*.*",
            "E*.Read",
            "a\n.b",
            "a,b.c",
            " Email.Read",
            "Email.Read ",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(PermissionName::parse("Email.*").is_err());
        assert!(PermissionName::parse(&format!("a.{}", "x".repeat(MAX_NAME))).is_err());
    }

    proptest! {
        #[test]
        fn no_reply_panics(body in ".{0,200}") {
            drop(keeping(&["A.B"], &["A.*"]).of(body.as_bytes()));
        }
    }
}
