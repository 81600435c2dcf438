//! The parameters of a token request, from JSON or from a form.

use std::collections::HashMap;

use http::HeaderMap;
use http::header;
use serde_json::Value;
use url::form_urlencoded;

use crate::sandbox::oauth_error::OauthError;

/// Parameters by name. Numbers are kept as their text: `account_id` comes as either.
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, OauthError> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim();
        if content_type.eq_ignore_ascii_case("application/json") {
            Self::from_json(body)
        } else if content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::from_form(body)
        } else {
            Err(OauthError::invalid_request(
                "The content type is neither application/json nor a form.",
            ))
        }
    }

    /// Reads a form. A parameter that comes twice is refused (RFC 6749 §3.2).
    pub(super) fn from_form(body: &[u8]) -> Result<Self, OauthError> {
        let mut fields = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields
                .insert(name.to_string(), value.into_owned())
                .is_some()
            {
                return Err(OauthError::invalid_request(&format!(
                    "The parameter {name:?} comes twice."
                )));
            }
        }
        Ok(Self(fields))
    }

    fn from_json(body: &[u8]) -> Result<Self, OauthError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(OauthError::invalid_request(
                "The body is not a JSON object.",
            ));
        };
        let field = |(name, value): (String, Value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            _ => Err(OauthError::invalid_request(&format!(
                "The parameter {name:?} is not a string."
            ))),
        };
        members
            .into_iter()
            .map(field)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The parameter's text; an empty one is there, too.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                OauthError::invalid_request(&format!("The parameter {name:?} is missing."))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: &'static str, body: &str) -> Result<Fields, OauthError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static(content_type),
        );
        Fields::parse(&headers, body.as_bytes())
    }

    #[test]
    fn json_and_forms_say_the_same() {
        for (content_type, body) in [
            (
                "application/json; charset=utf-8",
                r#"{"account_id":12,"scope":""}"#,
            ),
            ("application/x-www-form-urlencoded", "account_id=12&scope="),
        ] {
            let fields = parse(content_type, body).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(
                (
                    fields.get("account_id"),
                    fields.get("scope"),
                    fields.get("code")
                ),
                (Some("12"), Some(""), None)
            );
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for (content_type, body) in [
            ("text/plain", "a=b"),
            ("application/json", "a=b"),
            ("application/json", "[]"),
            ("application/json", r#"{"code":["x"]}"#),
            ("application/x-www-form-urlencoded", "a=1&a=2"),
        ] {
            let error = parse(content_type, body).err().map(|error| error.code);
            assert_eq!(error, Some("invalid_request"), "{content_type} {body}");
        }
    }
}
