//! Errors in the dialect of the REST API.

use http::StatusCode;
use serde_json::json;

use crate::sandbox::reply;
use crate::sandbox::reply::Reply;

/// An error as the REST API spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RestError {
    status: StatusCode,
    code: u32,
    message: String,
}

impl RestError {
    pub(super) fn new(status: StatusCode, code: u32, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }

    /// The request cannot be read.
    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10_001, message)
    }

    /// The request can be read, but what it says will not do.
    pub(super) fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, VALIDATION, message)
    }

    /// What an expired, unknown or absent token gets: the sign to refresh once.
    pub(super) fn not_authorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 0, "Not Authorized")
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, 30_003, "Resource not found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            30_001,
            "This method is not supported here",
        )
    }

    /// The error as a reply.
    pub(super) fn reply(&self) -> Reply {
        let mut body = json!({
            "message": self.message,
            "errorcode": self.code,
            "documentation": DOCUMENTATION,
        });
        if self.code == VALIDATION {
            body = json!({
                "message": "Validation error",
                "errorcode": self.code,
                "documentation": DOCUMENTATION,
                "validationErrors": [{ "message": self.message, "errorcode": self.code }],
            });
        }
        reply::json(self.status, &body)
    }
}

/// Where the documentation of errors lives.
pub(super) const DOCUMENTATION: &str =
    "https://developer.salesforce.com/docs/atlas.en-us.mc-apis.meta/mc-apis/error-handling.htm";

const VALIDATION: u32 = 10_005;
