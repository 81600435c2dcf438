//! The authorization answer (RFC 6749 §4.1.2): what a browser brings back to the callback.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::AuthorizeError;
use super::tenant::Subdomain;
use super::transaction::State;
use crate::crypto::secret::AuthorizationCode;
use crate::fault::Fault;
use crate::http::return_path::has_good_escapes;

/// A well-formed answer. Nothing is known yet about who brings it.
#[derive(Debug)]
pub enum Callback {
    /// The provider says yes.
    Granted {
        /// To be exchanged for tokens.
        code: AuthorizationCode,
        /// Finds and has to match the sign-in.
        state: State,
        /// The tenant of the person, where the provider names it; see
        /// [`Provider::tenant_of`](super::Provider::tenant_of).
        tssd: Option<Subdomain>,
        /// The issuer's name, where the provider gives it (RFC 9207), to be compared as it is.
        iss: Option<String>,
    },
    /// The provider says no.
    Refused {
        /// Why.
        error: AuthorizeError,
        /// Finds the sign-in; a provider that could not read the request may leave it out.
        state: Option<State>,
        /// The provider's own words, cut and escaped: for the log, never for a page.
        description: Option<String>,
    },
}

impl Callback {
    /// Reads the raw query. A parameter that repeats makes the answer ambiguous, so it is refused
    /// (RFC 6749 §3.1); an empty one counts as absent; unknown ones are passed over.
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        if query.len() > MAX_QUERY {
            return Err(CallbackError::Malformed("the query is too long"));
        }
        let mut answer = Answer::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            answer.take(&decode(name)?, decode(value)?)?;
        }
        answer.finish()
    }
}

/// Why a callback is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The query is no authorization answer.
    #[error("{0}")]
    Malformed(&'static str),
    /// It names a tenant that is not ours.
    #[error("the callback names another tenant")]
    ForeignTenant,
    /// It names a tenant whose people are not let in.
    #[error("the callback names a tenant that is not listed")]
    NotAdmitted,
}

impl CallbackError {
    /// What the person is told.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Malformed(_) => Fault::MalformedCallback,
            Self::ForeignTenant => Fault::ForeignTenant,
            Self::NotAdmitted => Fault::TenantNotAdmitted,
        }
    }
}

/// Longest query, in bytes: a code has 512 characters, a description a few hundred.
const MAX_QUERY: usize = 8 * 1024;

/// How much of a description is worth a log line, in characters.
const MAX_DESCRIPTION: usize = 256;

/// The parameters that mean something, each at most once.
#[derive(Default)]
struct Answer<'a> {
    code: Option<Cow<'a, str>>,
    state: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    iss: Option<Cow<'a, str>>,
    tssd: Option<Cow<'a, str>>,
}

impl<'a> Answer<'a> {
    fn take(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), CallbackError> {
        let slot = match name {
            "code" => &mut self.code,
            "state" => &mut self.state,
            "error" => &mut self.error,
            "error_description" => &mut self.description,
            "iss" => &mut self.iss,
            "tssd" => &mut self.tssd,
            _ => return Ok(()),
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(CallbackError::Malformed("a parameter repeats")),
        }
    }

    fn finish(self) -> Result<Callback, CallbackError> {
        let present = |value: Option<Cow<'a, str>>| value.filter(|value| !value.is_empty());
        let state = present(self.state)
            .map(|text| State::parse(&text))
            .transpose()
            .map_err(|_| CallbackError::Malformed("the state is not one of ours"))?;
        match (present(self.code), present(self.error)) {
            (Some(code), None) => Ok(Callback::Granted {
                code: AuthorizationCode::parse(&code)
                    .map_err(|_| CallbackError::Malformed("the code is not visible ASCII"))?,
                state: state.ok_or(CallbackError::Malformed("the state is missing"))?,
                tssd: present(self.tssd)
                    .map(|text| Subdomain::parse(&text.to_ascii_lowercase()))
                    .transpose()
                    .map_err(|_| CallbackError::ForeignTenant)?,
                iss: present(self.iss).map(Cow::into_owned),
            }),
            (None, Some(error)) => Ok(Callback::Refused {
                error: AuthorizeError::parse(&error),
                state,
                description: present(self.description).map(|text| for_log(&text)),
            }),
            (Some(_), Some(_)) => Err(CallbackError::Malformed("both a code and an error")),
            (None, None) => Err(CallbackError::Malformed("neither a code nor an error")),
        }
    }
}

/// `application/x-www-form-urlencoded`, with nothing let through that breaks its rules.
fn decode(text: &str) -> Result<Cow<'_, str>, CallbackError> {
    if !has_good_escapes(text) {
        return Err(CallbackError::Malformed("an escape is broken"));
    }
    let not_utf8 = |_| CallbackError::Malformed("a parameter is not UTF-8");
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced)
            .decode_utf8()
            .map_err(not_utf8)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(not_utf8)
}

fn for_log(text: &str) -> String {
    text.chars()
        .take(MAX_DESCRIPTION)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn malformed(query: &str) -> &'static str {
        match Callback::parse(query) {
            Err(CallbackError::Malformed(why)) => why,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn a_code_is_taken_exactly_as_it_came() {
        for (code, sent) in [("a.b.c", "a.b.c"), ("a%2Bb%3D", "a+b="), ("a=b", "a=b")] {
            let query = format!("state={STATE}&tssd=MCabc&unknown=1&unknown=2&code={code}");
            let Ok(Callback::Granted {
                code, state, tssd, ..
            }) = Callback::parse(&query)
            else {
                panic!("{query}");
            };
            assert_eq!(code.expose(), sent);
            assert_eq!(state.to_text(), STATE);
            assert_eq!(tssd, Subdomain::parse("mcabc").ok());
        }
    }

    #[test]
    fn an_error_is_taken_with_or_without_state() {
        let query =
            format!("error=user_not_licensed&error_description=not+licensed%0A&state={STATE}");
        let Ok(Callback::Refused {
            error,
            state: Some(_),
            description,
        }) = Callback::parse(&query)
        else {
            panic!("{query}");
        };
        assert_eq!(error, AuthorizeError::UserNotLicensed);
        assert_eq!(description.as_deref(), Some("not licensed\\n"));
        let bare = Callback::parse("error=access_denied&code=");
        assert!(matches!(bare, Ok(Callback::Refused { state: None, .. })));
    }

    #[test]
    fn the_issuer_is_kept_for_comparison() {
        let query = format!("code=x&state={STATE}&iss=https%3A%2F%2Fas.example");
        let Ok(Callback::Granted { iss, .. }) = Callback::parse(&query) else {
            panic!("{query}");
        };
        assert_eq!(iss.as_deref(), Some("https://as.example"));
    }

    #[test]
    fn a_repeated_parameter_is_refused_in_every_spelling() {
        for name in ["code", "state", "error", "error_description", "iss", "tssd"] {
            let twice = format!("{name}=x&{name}=x");
            assert_eq!(malformed(&twice), "a parameter repeats");
            let spelled = format!("{name}=&%{:02x}{}=", name.as_bytes()[0], name.split_at(1).1);
            assert_eq!(malformed(&spelled), "a parameter repeats");
        }
    }

    #[test]
    fn an_incomplete_or_broken_answer_is_refused() {
        for (query, why) in [
            (String::new(), "neither a code nor an error"),
            (format!("state={STATE}"), "neither a code nor an error"),
            ("code=x".into(), "the state is missing"),
            ("code=x&state=".into(), "the state is missing"),
            ("code=x&state=short".into(), "the state is not one of ours"),
            (
                format!("code=x&error=y&state={STATE}"),
                "both a code and an error",
            ),
            (
                format!("code=a+b&state={STATE}"),
                "the code is not visible ASCII",
            ),
            (
                format!("code=%0d%0a&state={STATE}"),
                "the code is not visible ASCII",
            ),
            ("code=%".into(), "an escape is broken"),
            ("code=%zz".into(), "an escape is broken"),
            ("code=%ff".into(), "a parameter is not UTF-8"),
            ("%ff=x".into(), "a parameter is not UTF-8"),
            ("x=%c0%af".into(), "a parameter is not UTF-8"),
            ("x".repeat(MAX_QUERY + 1), "the query is too long"),
        ] {
            assert_eq!(malformed(&query), why, "{query}");
        }
    }

    #[test]
    fn what_is_no_label_is_no_tenant() {
        for tssd in ["evil.example%2f", "a.b", "a%40b", "a%00"] {
            let query = format!("code=x&state={STATE}&tssd={tssd}");
            let error = Callback::parse(&query).expect_err(tssd);
            assert_eq!(error, CallbackError::ForeignTenant);
            assert_eq!(error.fault(), Fault::ForeignTenant);
        }
    }

    #[test]
    fn debug_shows_neither_code_nor_state() {
        let shown = format!(
            "{:?}",
            Callback::parse(&format!("code=hunter2&state={STATE}"))
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains(STATE),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_queries_never_panic(query in "\\PC{0,200}") {
            drop(Callback::parse(&query));
        }
    }
}
