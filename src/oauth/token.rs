//! The token reply (RFC 6749 §5.1) with Marketing Cloud's additions.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::fence::Fence;
use super::fence::InstanceUrl;
use super::reply;
use super::reply::ReplyError;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::RefreshToken;
use crate::time::UnixTime;

/// What a session keeps of a token reply.
#[derive(Debug)]
pub struct TokenSet {
    /// For the APIs.
    pub access: AccessToken,
    /// For the next pair. A refresh reply without one leaves the old one in force (RFC 6749 §6).
    pub refresh: Option<RefreshToken>,
    /// When the access token ends.
    pub expires_at: UnixTime,
    /// How long it lives in all, from which the time to renew it follows.
    pub lifetime: Duration,
}

/// A token reply.
#[derive(Debug)]
pub struct Granted {
    /// The tokens.
    pub tokens: TokenSet,
    /// What they are good for, if the provider says so: 1.5 KB for a package with all scopes, so
    /// not for cookies.
    pub scope: Option<String>,
    /// The tenant's REST base URL.
    pub rest: Option<InstanceUrl>,
    /// The tenant's SOAP base URL.
    pub soap: Option<InstanceUrl>,
}

impl Granted {
    /// Reads a reply's body that arrived at `received`. An instance URL outside the fence refuses
    /// the whole reply.
    pub fn parse(body: &[u8], fence: &Fence, received: UnixTime) -> Result<Self, ReplyError> {
        let raw: RawGrant<'_> = reply::object(body)?;
        // RFC 6749 §7.1: a client must not use a token whose type it does not understand.
        if !raw.token_type.eq_ignore_ascii_case("bearer") {
            return Err(ReplyError::Malformed("the token type is not Bearer"));
        }
        let lifetime = lifetime(raw.expires_in)?;
        let url = |text: Option<Cow<'_, str>>| {
            text.map(|text| reply::instance_url(&text, fence))
                .transpose()
        };
        Ok(Self {
            tokens: TokenSet {
                access: short(&raw.access_token)
                    .and_then(|text| AccessToken::parse(text).ok())
                    .ok_or(ReplyError::Malformed("the access token is unusable"))?,
                refresh: raw.refresh_token.as_deref().map(refresh).transpose()?,
                expires_at: received.plus(lifetime),
                lifetime,
            },
            scope: raw.scope.map(scope).transpose()?,
            rest: url(raw.rest_instance_url)?,
            soap: url(raw.soap_instance_url)?,
        })
    }
}

/// Longest token taken, in characters; Marketing Cloud documents 512. A pair that fills more than the
/// browser's cookies is refused by its size, and fits where sessions are kept in a store.
pub const MAX_TOKEN: usize = crate::crypto::secret::MAX_TOKEN_LENGTH;

/// What an access token lives if the reply does not say: what Marketing Cloud's recorded replies do.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(1079);

/// A token that claims to live longer is a mistake.
const MAX_LIFETIME: Duration = Duration::from_hours(366 * 24);

#[derive(Deserialize)]
struct RawGrant<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
    expires_in: Option<u64>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rest_instance_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    soap_instance_url: Option<Cow<'a, str>>,
}

fn lifetime(expires_in: Option<u64>) -> Result<Duration, ReplyError> {
    let lifetime = expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
    if lifetime.is_zero() || lifetime > MAX_LIFETIME {
        return Err(ReplyError::Malformed("expires_in is out of range"));
    }
    Ok(lifetime)
}

fn refresh(text: &str) -> Result<RefreshToken, ReplyError> {
    short(text)
        .and_then(|text| RefreshToken::parse(text).ok())
        .ok_or(ReplyError::Malformed("the refresh token is unusable"))
}

fn short(text: &str) -> Option<&str> {
    (text.len() <= MAX_TOKEN).then_some(text)
}

fn scope(text: Cow<'_, str>) -> Result<String, ReplyError> {
    // RFC 6749 §3.3: visible ASCII and spaces; it goes into the log.
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        Ok(text.into_owned())
    } else {
        Err(ReplyError::Malformed("the scope is not ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    const RECEIVED: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    fn parse(body: &str) -> Result<Granted, ReplyError> {
        Granted::parse(body.as_bytes(), &Fence::marketing_cloud(), RECEIVED)
    }

    fn recorded() -> Value {
        json!({
            "access_token": "eyJ.a.b.c",
            "refresh_token": "eyJ.r.s.t",
            "token_type": "Bearer",
            "expires_in": 1079,
            "scope": "offline email_read",
            "rest_instance_url": "https://mcabc.rest.marketingcloudapis.com/",
            "soap_instance_url": "mcabc.soap.marketingcloudapis.com",
            "something": { "new": [1, 2] },
        })
    }

    /// The recorded reply with one member replaced, or taken out by `null`.
    fn with(name: &str, value: Value) -> Result<Granted, ReplyError> {
        let mut reply = recorded();
        reply[name] = value;
        parse(&reply.to_string())
    }

    fn without(name: &str) -> Result<Granted, ReplyError> {
        let mut reply = recorded();
        reply.as_object_mut().expect("an object").remove(name);
        parse(&reply.to_string())
    }

    #[test]
    fn a_recorded_reply_is_read() {
        let granted = parse(&recorded().to_string()).expect("well-formed");
        assert_eq!(granted.tokens.access.expose(), "eyJ.a.b.c");
        let refresh = granted.tokens.refresh.expect("is there");
        assert_eq!(refresh.expose(), "eyJ.r.s.t");
        assert_eq!(granted.tokens.lifetime, Duration::from_secs(1079));
        let end = RECEIVED.plus(Duration::from_secs(1079));
        assert_eq!(granted.tokens.expires_at, end);
        assert_eq!(granted.scope.as_deref(), Some("offline email_read"));
        let url = |url: Option<InstanceUrl>| url.expect("is there").to_string();
        assert_eq!(
            url(granted.rest),
            "https://mcabc.rest.marketingcloudapis.com"
        );
        assert_eq!(
            url(granted.soap),
            "https://mcabc.soap.marketingcloudapis.com"
        );
    }

    #[test]
    fn what_may_be_absent_may_be_absent() {
        for name in [
            "refresh_token",
            "scope",
            "rest_instance_url",
            "soap_instance_url",
        ] {
            assert!(without(name).is_ok(), "{name}");
            assert!(with(name, Value::Null).is_ok(), "{name}");
        }
        let granted = without("expires_in").expect("has a default");
        assert_eq!(granted.tokens.lifetime, DEFAULT_LIFETIME);
        assert!(with("token_type", json!("bEARER")).is_ok());
    }

    #[test]
    fn what_has_to_be_there_has_to_be_right() {
        for name in ["access_token", "token_type"] {
            assert!(without(name).is_err(), "{name}");
        }
        for (name, value) in [
            ("access_token", json!("")),
            ("access_token", json!(5)),
            ("access_token", json!(["a"])),
            ("access_token", json!("a b")),
            ("access_token", json!("a\r\nb")),
            ("access_token", json!("é")),
            ("access_token", json!("x".repeat(MAX_TOKEN + 1))),
            ("refresh_token", json!("")),
            ("refresh_token", json!(true)),
            ("refresh_token", json!("x".repeat(MAX_TOKEN + 1))),
            ("token_type", json!("")),
            ("token_type", json!("mac")),
            ("token_type", json!("Bearer ")),
            ("expires_in", json!(0)),
            ("expires_in", json!(-1)),
            ("expires_in", json!(1079.5)),
            ("expires_in", json!("1079")),
            ("expires_in", json!(u64::MAX)),
            ("expires_in", json!(true)),
            ("scope", json!("a\nb")),
            ("scope", json!(["a"])),
            ("rest_instance_url", json!(7)),
        ] {
            let error = with(name, value.clone()).expect_err(name);
            assert!(matches!(error, ReplyError::Malformed(_)), "{name} {value}");
        }
        assert!(with("access_token", json!("x".repeat(MAX_TOKEN))).is_ok());
        assert!(with("expires_in", json!(1)).is_ok());
    }

    #[test]
    fn a_host_outside_the_fence_refuses_the_reply() {
        for name in ["rest_instance_url", "soap_instance_url"] {
            for url in [
                "https://evil.example",
                "http://mcabc.rest.marketingcloudapis.com",
                "https://mcabc.rest.marketingcloudapis.com.evil.example/",
                "https://mcabc.rest.marketingcloudapis.com:8443",
                "https://user@mcabc.rest.marketingcloudapis.com",
                "https://169.254.169.254/",
                "",
            ] {
                let error = with(name, json!(url)).expect_err(url);
                assert!(matches!(error, ReplyError::OutsideFence(_)), "{url}");
            }
        }
    }

    #[test]
    fn only_one_object_with_each_key_once_is_a_reply() {
        let reply = recorded().to_string();
        for body in [
            String::new(),
            "null".into(),
            "[]".into(),
            r#"["t","Bearer",null,1,null,null,null]"#.into(),
            format!("{reply}{reply}"),
            format!("{reply}x"),
            format!("[{reply}]"),
            reply.replacen('{', r#"{"access_token":"other","#, 1),
            reply.replacen('{', r#"{"access\u005ftoken":"other","#, 1),
            reply.replace('}', ""),
            "<html></html>".into(),
        ] {
            assert!(parse(&body).is_err(), "{body}");
        }
        assert!(parse(&format!(" \r\n{reply}\n")).is_ok());
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", parse(&recorded().to_string()));
        assert!(!shown.contains("eyJ"), "{shown}");
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Granted::parse(&body, &Fence::marketing_cloud(), RECEIVED).is_err());
        }
    }
}
