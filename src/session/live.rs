//! A session in use, with the header values that its requests get.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use http::HeaderName;
use http::HeaderValue;
use percent_encoding::AsciiSet;
use percent_encoding::CONTROLS;
use percent_encoding::utf8_percent_encode;

use super::model::Session;
use super::shared::records::RecordMark;

/// An opened session and what is added to requests in its name, made once.
#[derive(Debug)]
pub struct Live {
    /// The session.
    pub session: Arc<Session>,
    /// `Authorization: Bearer …`. Requests share its buffer, which is overwritten with the last of them.
    pub bearer: HeaderValue,
    /// The bare token.
    pub token: HeaderValue,
    /// `X-Forwarded-User` and its kin, for tools.
    pub identity: Vec<(HeaderName, HeaderValue)>,
    /// The permissions that the session keeps, for tools that are told of them.
    pub permissions: Option<HeaderValue>,
    used: AtomicBool,
    /// The record that it was read from, if sessions are kept in a store.
    pub record: Option<RecordMark>,
    /// Whether it was sealed with a key that no longer seals, and is due to be sealed again.
    pub retired: bool,
}

impl Live {
    /// Prepares the header values of `session`.
    pub fn new(session: Arc<Session>) -> Self {
        let person = &session.person;
        let number = |id: Option<u64>| id.map(|id| id.to_string());
        let text = |text: &Option<String>| text.clone();
        let fields = [
            ("x-forwarded-user", Some(person.sub.clone())),
            ("x-forwarded-email", text(&person.email)),
            (
                "x-forwarded-preferred-username",
                text(&person.preferred_username),
            ),
            (
                "x-marketing-cloud-business-unit",
                number(person.business_unit),
            ),
            ("x-marketing-cloud-enterprise", number(person.enterprise)),
            (
                "x-marketing-cloud-rest-url",
                session.rest.as_ref().map(ToString::to_string),
            ),
            (
                "x-marketing-cloud-soap-url",
                session.soap.as_ref().map(ToString::to_string),
            ),
        ];
        let field = |(name, value): (&'static str, Option<String>)| {
            // Names may hold any letter; header values go out as UTF-8 (RFC 9110 §5.5, obs-text).
            let value = HeaderValue::from_bytes(value?.as_bytes()).ok()?;
            Some((HeaderName::from_static(name), value))
        };
        Self {
            bearer: session.tokens.access.bearer(),
            token: session.tokens.access.header_value(),
            identity: fields.into_iter().filter_map(field).collect(),
            permissions: listed(&person.permissions),
            record: None,
            retired: false,
            session,
            used: AtomicBool::new(false),
        }
    }

    /// Whether this is asked for the first time.
    pub fn is_first_use(&self) -> bool {
        !self.used.load(Relaxed) && !self.used.swap(true, Relaxed)
    }
}

/// Names with commas in between; what a field cannot hold as it is, is percent-encoded.
fn listed(names: &[String]) -> Option<HeaderValue> {
    let encoded: Vec<_> = names
        .iter()
        .map(|name| utf8_percent_encode(name, UNPLAIN).to_string())
        .collect();
    let value = HeaderValue::try_from(encoded.join(",")).ok();
    value.filter(|value| !value.is_empty())
}

/// All but visible ASCII, and what would make one name two.
const UNPLAIN: &AsciiSet = &CONTROLS.add(b',').add(b'%').add(b'"').add(b'\\').add(b';');

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::tests::session;
    use crate::time::UnixTime;

    #[test]
    fn permissions_are_listed_so_that_no_name_is_two() {
        let names = ["Email.Read", "Data Extension.Écrire", "A.B,C.D%\r\n"];
        let value = listed(&names.map(str::to_owned)).expect("a field");
        assert_eq!(
            value,
            "Email.Read,Data Extension.%C3%89crire,A.B%2CC.D%25%0D%0A"
        );
        assert_eq!(listed(&[]), None);
    }

    #[test]
    fn the_identity_is_complete_and_the_token_is_hidden() {
        let live = Live::new(Arc::new(session("token", UnixTime::default())));
        let fields: Vec<_> = live
            .identity
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .collect();
        assert_eq!(
            fields,
            [
                ("x-forwarded-user", "10654321"),
                ("x-forwarded-email", "ada@example.com"),
                ("x-forwarded-preferred-username", "ada"),
                ("x-marketing-cloud-business-unit", "7281699"),
                ("x-marketing-cloud-enterprise", "7281698"),
                (
                    "x-marketing-cloud-rest-url",
                    "https://mc563885gzs27c5t9-63k636ttgm.rest.marketingcloudapis.com"
                ),
                (
                    "x-marketing-cloud-soap-url",
                    "https://mc563885gzs27c5t9-63k636ttgm.soap.marketingcloudapis.com"
                ),
            ]
        );
        assert!(!format!("{live:?}").contains("token\""), "{live:?}");
    }
}
