//! Who signed in: the reply of `/v2/userinfo`, nested as Marketing Cloud writes it, or flat as
//! `OpenID` Connect does.

use std::borrow::Cow;

use serde::Deserialize;

use super::fence::Fence;
use super::fence::InstanceUrl;
use super::reply;
use super::reply::ReplyError;

/// A person in a business unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The stable key of the person: Marketing Cloud's employee id.
    pub sub: String,
    /// What the person is called; cut to fit.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The user name at the sign-in page.
    pub preferred_username: Option<String>,
    /// The language, such as `en-GB`.
    pub locale: Option<String>,
    /// The account above all business units (EID).
    pub enterprise: Option<u64>,
    /// The business unit that the token is good for (MID).
    pub business_unit: Option<u64>,
    /// What that unit is called: known only where it is the enterprise itself.
    pub unit_name: Option<String>,
    /// The permissions that are kept of the reply; see [`Permissions`](super::Permissions).
    pub permissions: Vec<String>,
    /// The tenant's REST base URL, for a token reply that lacks it.
    pub rest: Option<InstanceUrl>,
    /// The tenant's SOAP base URL, for a token reply that lacks it.
    pub soap: Option<InstanceUrl>,
}

impl Identity {
    /// Reads a reply's body. Everything that is not needed is passed over, above all the
    /// permissions, of which there may be thousands.
    pub fn parse(body: &[u8], fence: &Fence) -> Result<Self, ReplyError> {
        let raw: RawReply<'_> = reply::object(body)?;
        let user = raw.user.unwrap_or(RawUser {
            sub: raw.sub,
            name: raw.name,
            email: raw.email,
            preferred_username: raw.preferred_username,
            locale: raw.locale,
        });
        let organization = raw.organization.unwrap_or_default();
        let enterprise = organization.enterprise_id.and_then(Id::into_number);
        let business_unit = organization.member_id.and_then(Id::into_number);
        let is_enterprise = business_unit.is_some() && business_unit == enterprise;
        let urls = raw.rest.unwrap_or_default();
        let url = |text: Option<Cow<'_, str>>| {
            text.map(|text| reply::instance_url(&text, fence))
                .transpose()
        };
        Ok(Self {
            sub: user
                .sub
                .map(Id::into_text)
                .and_then(exact)
                .ok_or(ReplyError::Malformed("userinfo names no usable subject"))?,
            name: user.name.as_deref().and_then(cut),
            email: user.email.and_then(exact),
            preferred_username: user.preferred_username.and_then(exact),
            locale: user.locale.and_then(exact),
            enterprise,
            business_unit,
            unit_name: organization
                .enterprise_name
                .filter(|_| is_enterprise)
                .as_deref()
                .and_then(cut),
            permissions: Vec::new(),
            rest: url(urls.rest_instance_url)?,
            soap: url(urls.soap_instance_url)?,
        })
    }
}

/// Longest text taken, in characters.
pub const MAX_TEXT: usize = 256;

/// The flat claims are spelled out here, since `serde(flatten)` would keep the permissions, too.
#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(borrow)]
    user: Option<RawUser<'a>>,
    #[serde(borrow)]
    organization: Option<RawOrganization<'a>>,
    #[serde(borrow)]
    rest: Option<RawUrls<'a>>,
    #[serde(borrow)]
    sub: Option<Id<'a>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    preferred_username: Option<Cow<'a, str>>,
    #[serde(borrow)]
    locale: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawUser<'a> {
    #[serde(borrow)]
    sub: Option<Id<'a>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    preferred_username: Option<Cow<'a, str>>,
    #[serde(borrow)]
    locale: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct RawOrganization<'a> {
    #[serde(borrow)]
    enterprise_id: Option<Id<'a>>,
    #[serde(borrow)]
    member_id: Option<Id<'a>>,
    #[serde(borrow)]
    enterprise_name: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct RawUrls<'a> {
    #[serde(borrow)]
    rest_instance_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    soap_instance_url: Option<Cow<'a, str>>,
}

/// Ids come as numbers in some replies and as text in others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id<'a> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'a> Id<'a> {
    fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => text,
        }
    }

    fn into_number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// A text that others compare: as it is, or not at all, since a cut one may be another person's. Blanks
/// at its ends are cut by whoever reads a field (RFC 9110 §5.5).
fn exact(text: Cow<'_, str>) -> Option<String> {
    let plain = !text.is_empty()
        && text.chars().count() <= MAX_TEXT
        && !text.contains(char::is_control)
        && text.trim().len() == text.len();
    plain.then(|| text.into_owned())
}

/// A text that people read: without controls, and not too long.
fn cut(text: &str) -> Option<String> {
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect();
    Some(shown).filter(|shown| !shown.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    fn parse(reply: &Value) -> Result<Identity, ReplyError> {
        Identity::parse(reply.to_string().as_bytes(), &Fence::marketing_cloud())
    }

    fn documented() -> Value {
        json!({
            "exp": 1_527_771_992, "iss": "https://mc.exacttarget.com",
            "user": {
                "sub": "10654321", "name": "Ada L.", "preferred_username": "ada",
                "email": "ada@example.com", "locale": "en-GB", "zoneinfo": "Europe/London",
                "timezone": { "longName": "x", "shortName": "GMT+0", "offset": 0, "dst": true },
            },
            "organization": { "member_id": 7_281_698, "enterprise_id": 10_123_456, "region": "NA1" },
            "rest": {
                "rest_instance_url": "https://mcabc.rest.marketingcloudapis.com",
                "soap_instance_url": "https://mcabc.soap.marketingcloudapis.com",
            },
            "application": { "id": "x", "redirectUrl": ["https://x"], "appScopes": ["offline"] },
            "permissions": [{ "objectTypeName": "Email", "name": "Update", "id": 123 }],
        })
    }

    #[test]
    fn the_documented_reply_is_read() {
        let fence = Fence::marketing_cloud();
        assert_eq!(
            parse(&documented()),
            Ok(Identity {
                sub: "10654321".to_owned(),
                name: Some("Ada L.".to_owned()),
                email: Some("ada@example.com".to_owned()),
                preferred_username: Some("ada".to_owned()),
                locale: Some("en-GB".to_owned()),
                enterprise: Some(10_123_456),
                business_unit: Some(7_281_698),
                unit_name: None,
                permissions: Vec::new(),
                rest: fence.admit("mcabc.rest.marketingcloudapis.com").ok(),
                soap: fence.admit("mcabc.soap.marketingcloudapis.com").ok(),
            })
        );
    }

    #[test]
    fn flat_claims_stand_in_for_the_nested_ones() {
        let identity = parse(&json!({ "sub": 5, "email": "a@b", "preferred_username": "a" }));
        let identity = identity.expect("flat");
        assert_eq!(identity.sub, "5");
        assert_eq!(identity.email.as_deref(), Some("a@b"));
        // Where both are there, the nested ones count, and are not mixed with the flat ones.
        let both = parse(&json!({ "user": { "sub": "1" }, "sub": "2", "email": "a@b" }));
        let both = both.expect("nested");
        assert_eq!((both.sub.as_str(), both.email), ("1", None));
        assert!(parse(&json!({ "user": {}, "sub": "2" })).is_err());
    }

    #[test]
    fn ids_come_as_numbers_or_text() {
        let reply = json!({
            "user": { "sub": 1 }, "organization": { "member_id": "42", "enterprise_id": "x" },
        });
        let identity = parse(&reply).expect("ids of both kinds");
        assert_eq!(
            (identity.business_unit, identity.enterprise),
            (Some(42), None)
        );
    }

    #[test]
    fn a_person_without_a_usable_subject_is_nobody() {
        for sub in [
            json!(null),
            json!(""),
            json!("a\nb"),
            json!("x".repeat(MAX_TEXT + 1)),
            json!(-1),
            json!(true),
            json!(["a"]),
        ] {
            assert!(parse(&json!({ "user": { "sub": sub } })).is_err(), "{sub}");
        }
        assert!(parse(&json!({})).is_err());
        assert!(parse(&json!([])).is_err());
    }

    #[test]
    fn texts_that_could_do_harm_are_dropped_or_cut() {
        let identity = parse(&json!({ "user": {
            "sub": "1",
            "name": format!("A\r\n{}", "é".repeat(300)),
            "email": "a@b\r\nX-Evil: 1",
            "preferred_username": "x".repeat(MAX_TEXT + 1),
            "locale": "",
        }}))
        .expect("a person");
        let name = identity.name.expect("cut");
        assert_eq!(name.chars().count(), MAX_TEXT);
        assert!(!name.contains(char::is_control));
        let rest = (identity.email, identity.preferred_username, identity.locale);
        assert_eq!(rest, (None, None, None));
    }

    #[test]
    fn the_enterprise_itself_is_the_unit_whose_name_is_known() {
        let mut reply = documented();
        reply["organization"]["enterprise_name"] = json!("Aurora\n");
        assert_eq!(parse(&reply).expect("a child").unit_name, None);
        reply["organization"]["member_id"] = reply["organization"]["enterprise_id"].clone();
        let name = parse(&reply).expect("the parent").unit_name;
        assert_eq!(name.as_deref(), Some("Aurora"));
    }

    #[test]
    fn a_host_outside_the_fence_refuses_the_reply() {
        let mut reply = documented();
        reply["rest"]["rest_instance_url"] = json!("https://evil.example");
        assert!(matches!(parse(&reply), Err(ReplyError::OutsideFence(_))));
    }
}
