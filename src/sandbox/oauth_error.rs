//! Errors of the authentication host, in the shape of RFC 6749 §5.2 plus `error_uri`.

use http::StatusCode;
use http::header;
use serde_json::json;

use crate::sandbox::reply;
use crate::sandbox::reply::Reply;

/// An error of `/v2/authorize` or `/v2/token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OauthError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl OauthError {
    pub(super) fn invalid_client() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Client authentication failed. Check the client ID and secret and that the package \
             is installed and enabled.",
        )
    }

    pub(super) fn unknown_client() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Invalid client ID. Use the client ID in Marketing Cloud Installed Packages.",
        )
    }

    pub(super) fn unauthorized_client() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized_client",
            "The client is not authorized to request an authorization code using this method.",
        )
    }

    pub(super) fn invalid_request(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn invalid_grant(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    pub(super) fn invalid_scope(scope: &str) -> Self {
        let description = format!("The scope {scope:?} is unknown or was not granted.");
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", &description)
    }

    pub(super) fn unsupported_grant_type() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "The grant type is none of authorization_code, refresh_token, client_credentials.",
        )
    }

    pub(super) fn access_denied(description: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "access_denied", description)
    }

    pub(super) fn new(status: StatusCode, code: &'static str, description: &str) -> Self {
        Self {
            status,
            code,
            description: description.to_owned(),
        }
    }

    /// The error as the body of a reply.
    pub(super) fn reply(&self) -> Reply {
        let reply = reply::json(
            self.status,
            &json!({
                "error": self.code,
                "error_description": self.description,
                "error_uri": ERROR_URI,
            }),
        );
        reply::with(reply, header::CACHE_CONTROL, "no-store")
    }
}

/// Where the documentation lives.
pub(super) const ERROR_URI: &str = "https://developer.salesforce.com/docs";
