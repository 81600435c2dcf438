//! The provider's error codes, with what follows from each. Decided on codes, never on messages.

use std::fmt;

use serde::Deserialize;

use super::reply;
use crate::fault::Fault;

/// The `error` of an authorization answer (RFC 6749 §4.1.2.1 and Marketing Cloud's own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizeError {
    /// `access_denied`.
    AccessDenied,
    /// `user_not_licensed`: the person is missing on the package's Access tab.
    UserNotLicensed,
    /// `unauthorized_client`: the integration is of another type.
    UnauthorizedClient,
    /// `invalid_scope`.
    InvalidScope,
    /// `invalid_request`.
    InvalidRequest,
    /// `unsupported_response_type`.
    UnsupportedResponseType,
    /// `server_error`.
    ServerError,
    /// `temporarily_unavailable`.
    TemporarilyUnavailable,
    /// Any other code.
    Other,
}

impl AuthorizeError {
    /// Reads the parameter's value.
    pub fn parse(code: &str) -> Self {
        match code {
            "access_denied" => Self::AccessDenied,
            "user_not_licensed" => Self::UserNotLicensed,
            "unauthorized_client" => Self::UnauthorizedClient,
            "invalid_scope" => Self::InvalidScope,
            "invalid_request" => Self::InvalidRequest,
            "unsupported_response_type" => Self::UnsupportedResponseType,
            "server_error" => Self::ServerError,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            _ => Self::Other,
        }
    }

    /// What the person is told.
    pub const fn fault(self) -> Fault {
        match self {
            Self::AccessDenied => Fault::AccessDenied,
            Self::UserNotLicensed => Fault::UserNotLicensed,
            Self::UnauthorizedClient => Fault::UnauthorizedClient,
            Self::InvalidScope => Fault::InvalidScope,
            Self::InvalidRequest | Self::UnsupportedResponseType => Fault::AuthorizeRefused,
            Self::ServerError | Self::Other => Fault::ProviderError,
            Self::TemporarilyUnavailable => Fault::ProviderUnavailable,
        }
    }
}

/// The code of an error reply of `/v2/token` or `/v2/userinfo` (RFC 6749 §5.2, RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenErrorCode {
    /// `invalid_grant`: the code or refresh token is used up, expired or revoked.
    InvalidGrant,
    /// `invalid_client`: the client id or secret is not accepted.
    InvalidClient,
    /// `unauthorized_client`: the integration may not use this grant.
    UnauthorizedClient,
    /// `invalid_request`.
    InvalidRequest,
    /// `invalid_token`.
    InvalidToken,
    /// `access_denied`.
    AccessDenied,
    /// `invalid_scope`.
    InvalidScope,
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// Any other code.
    Other,
}

impl TokenErrorCode {
    /// Finds the code in an error reply's body, in either dialect of the authorization host:
    /// `{"error": …}` or `{"message": …, "errorcode": …}`. `None` if it is neither.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let Dialects {
            error,
            errorcode,
            message,
        } = reply::object(body).ok()?;
        match (error, errorcode, message) {
            (Some(code), _, _) => Some(Self::of_oauth(&code)),
            (None, Some(code), Some(_)) => Some(Self::of_rest(code)),
            _ => None,
        }
    }

    /// The code's own spelling, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::AccessDenied => "access_denied",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::Other => "other",
        }
    }

    /// What a refused refresh means for the session.
    ///
    /// Marketing Cloud answers a dead refresh token with several codes. The ones that speak about
    /// the client are the operator's to mend, and nobody is signed out for them.
    pub const fn consequence(self) -> Consequence {
        match self {
            Self::InvalidGrant | Self::InvalidToken | Self::AccessDenied | Self::InvalidRequest => {
                Consequence::EndSession
            }
            Self::InvalidClient
            | Self::UnauthorizedClient
            | Self::InvalidScope
            | Self::UnsupportedGrantType => Consequence::Misconfigured,
            Self::Other => Consequence::KeepAndRetry,
        }
    }

    /// What a refused refresh means where another business unit was asked for.
    ///
    /// Nothing documents how a unit is refused that the person has no access to: by 401 or 403.
    pub const fn about_unit(self) -> AboutUnit {
        match self {
            Self::AccessDenied
            | Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::InvalidScope
            | Self::Other => AboutUnit::Refused,
            Self::InvalidGrant | Self::InvalidToken => AboutUnit::Unclear,
            Self::InvalidClient | Self::UnsupportedGrantType => AboutUnit::Nothing,
        }
    }

    /// What the person is told when it ends a sign-in.
    pub const fn fault(self) -> Fault {
        match self {
            Self::InvalidGrant | Self::InvalidToken => Fault::CodeRefused,
            Self::InvalidClient => Fault::ClientRefused,
            Self::UnauthorizedClient | Self::UnsupportedGrantType => Fault::UnauthorizedClient,
            Self::InvalidRequest => Fault::AuthorizeRefused,
            Self::AccessDenied => Fault::AccessDenied,
            Self::InvalidScope => Fault::InvalidScope,
            Self::Other => Fault::ProviderError,
        }
    }

    fn of_oauth(code: &str) -> Self {
        match code {
            "invalid_grant" => Self::InvalidGrant,
            "invalid_client" => Self::InvalidClient,
            "unauthorized_client" => Self::UnauthorizedClient,
            "invalid_request" => Self::InvalidRequest,
            "invalid_token" => Self::InvalidToken,
            "access_denied" => Self::AccessDenied,
            "invalid_scope" => Self::InvalidScope,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            _ => Self::Other,
        }
    }

    /// Marketing Cloud's table of REST error codes.
    const fn of_rest(code: i64) -> Self {
        match code {
            0 | 40_004 => Self::InvalidToken,
            10_000..=10_006 | 30_000 | 30_001 => Self::InvalidRequest,
            20_000..=20_002 | 40_000..=40_003 => Self::AccessDenied,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TokenErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a refusal says about the unit that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutUnit {
    /// The person may not work there.
    Refused,
    /// It may as well be the refresh token that is dead.
    Unclear,
    /// It is about the client.
    Nothing,
}

/// What a failed refresh means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// The refresh token is dead: sign in again.
    EndSession,
    /// The operator has to act: keep the session, say so loudly.
    Misconfigured,
    /// It may work in a while: keep the session.
    KeepAndRetry,
}

#[derive(Deserialize)]
struct Dialects<'a> {
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
    errorcode: Option<i64>,
    message: Option<serde::de::IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_errors_have_pages_of_their_own() {
        for (code, fault) in [
            ("access_denied", Fault::AccessDenied),
            ("user_not_licensed", Fault::UserNotLicensed),
            ("unauthorized_client", Fault::UnauthorizedClient),
            ("invalid_scope", Fault::InvalidScope),
            ("invalid_request", Fault::AuthorizeRefused),
            ("unsupported_response_type", Fault::AuthorizeRefused),
            ("server_error", Fault::ProviderError),
            ("temporarily_unavailable", Fault::ProviderUnavailable),
            ("Access_Denied", Fault::ProviderError),
            ("", Fault::ProviderError),
        ] {
            assert_eq!(AuthorizeError::parse(code).fault(), fault, "{code}");
        }
    }

    #[test]
    fn both_dialects_are_read() {
        for (body, code) in [
            // Recorded: Marketing Cloud's two shapes.
            (
                r#"{"error":"invalid_client","error_description":"Client authentication failed.","error_uri":"https://developer.salesforce.com/docs"}"#,
                Some(TokenErrorCode::InvalidClient),
            ),
            (
                r#"{"message":"Not Authorized","errorcode":0,"documentation":""}"#,
                Some(TokenErrorCode::InvalidToken),
            ),
            (
                r#"{"message":"x","errorcode":20002}"#,
                Some(TokenErrorCode::AccessDenied),
            ),
            (
                r#"{"message":"x","errorcode":10003}"#,
                Some(TokenErrorCode::InvalidRequest),
            ),
            (
                r#"{"message":"x","errorcode":50200}"#,
                Some(TokenErrorCode::Other),
            ),
            (r#"{"error":"new_code"}"#, Some(TokenErrorCode::Other)),
            (
                r#"{"error":"invalid\u005fgrant"}"#,
                Some(TokenErrorCode::InvalidGrant),
            ),
            (r#"{"error":"invalid_grant","error":"x"}"#, None),
            (r#"{"error":{"code":"invalid_grant"}}"#, None),
            (r#"{"errorcode":0}"#, None),
            (r#"{"message":"invalid_grant"}"#, None),
            (r#"["invalid_grant",0,"x"]"#, None),
            (r#""invalid_grant""#, None),
            ("<html>invalid_grant</html>", None),
            ("", None),
        ] {
            assert_eq!(TokenErrorCode::parse(body.as_bytes()), code, "{body}");
        }
    }

    #[test]
    fn only_codes_about_the_grant_end_a_session() {
        use Consequence::EndSession;
        use Consequence::KeepAndRetry;
        use Consequence::Misconfigured;
        for (code, consequence) in [
            ("invalid_grant", EndSession),
            ("invalid_token", EndSession),
            ("access_denied", EndSession),
            ("invalid_request", EndSession),
            ("invalid_client", Misconfigured),
            ("unauthorized_client", Misconfigured),
            ("invalid_scope", Misconfigured),
            ("unsupported_grant_type", Misconfigured),
            ("slow_down", KeepAndRetry),
        ] {
            let parsed = TokenErrorCode::of_oauth(code);
            assert_eq!(parsed.consequence(), consequence, "{code}");
            if parsed != TokenErrorCode::Other {
                assert_eq!(parsed.to_string(), code);
            }
        }
    }
}
