//! Failures on demand: what an endpoint does instead of its work, for the next calls or until
//! cleared.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;

use crate::sandbox::body;
use crate::sandbox::body::Metered;
use crate::sandbox::oauth_error::ERROR_URI;
use crate::sandbox::oauth_error::OauthError;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::DOCUMENTATION;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::server::Cut;
use crate::sandbox::soap::SoapFault;

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `/v2/authorize`: [`Fault::Oauth`] sends the browser back with that error.
    Authorize,
    /// `/v2/token`.
    Token,
    /// `/v2/userinfo`.
    Userinfo,
    /// Everything on the REST host.
    Rest,
    /// `/Service.asmx` and its WSDL.
    Soap,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 401: `invalid_client`, or errorcode 0 in the REST dialect.
    #[serde(rename = "401")]
    Unauthorized,
    /// 403: `access_denied`, or errorcode 20002.
    #[serde(rename = "403")]
    Forbidden,
    /// 429: errorcode 50100 with `Retry-After`, or 50200 without.
    #[serde(rename = "429")]
    TooManyRequests {
        /// Seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// 500.
    #[serde(rename = "500")]
    InternalError,
    /// 503: errorcode 50300 with `Retry-After: 5`.
    #[serde(rename = "503")]
    Unavailable,
    /// 596, a status outside of HTTP's classes.
    #[serde(rename = "596")]
    ServiceNotFound,
    /// The right answer, late.
    Slow {
        /// Milliseconds of `tokio` time.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// The work is done, then the connection is reset: the answer is lost.
    LoseReply,
    /// The connection is reset before any work.
    Reset,
    /// 200 and JSON that is none.
    Garbage,
    /// 200 and a page.
    Html,
    /// 200 and JSON of 256 MiB.
    Huge,
    /// 302 to another host.
    Redirect,
    /// 200 and JSON whose members have the wrong types.
    WrongTypes,
    /// 401 `invalid_client`.
    InvalidClient,
    /// 400 `invalid_grant`.
    InvalidGrant,
    /// SOAP's answer to a token that was good once: status 500.
    TokenExpired,
    /// SOAP's answer to a token that it does not know: status 500.
    LoginFailed,
    /// At the token endpoint: tokens for the person's first business unit, whatever was asked for. At
    /// userinfo: the right answer, but for the parent account as the unit.
    OtherUnit,
    /// At userinfo: the right answer without any permission.
    NoPermissions,
    /// Any error in the shape of RFC 6749, such as `user_not_licensed`.
    Oauth {
        /// The HTTP status.
        status: u16,
        /// `error`.
        code: String,
    },
    /// Any error in the REST dialect.
    Rest {
        /// The HTTP status.
        status: u16,
        /// `errorcode`.
        errorcode: i64,
    },
}

/// A fault and how often it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmedFault {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many more calls it strikes; absent, until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// The faults that are armed.
#[derive(Default)]
pub(super) struct Faults(Mutex<BTreeMap<Place, ArmedFault>>);

impl Faults {
    pub(super) fn arm(&self, place: Place, fault: ArmedFault) {
        self.armed().insert(place, fault);
    }

    pub(super) fn replace(&self, faults: BTreeMap<Place, ArmedFault>) {
        *self.armed() = faults;
    }

    pub(super) fn all(&self) -> BTreeMap<Place, ArmedFault> {
        self.armed().clone()
    }

    /// Runs `work`, unless a fault strikes.
    pub(super) async fn around<F>(
        &self,
        place: Place,
        request: Request<Metered>,
        work: impl FnOnce(Request<Metered>) -> F + Send,
    ) -> Result<Reply, Cut>
    where
        F: Future<Output = Result<Reply, Cut>> + Send,
    {
        match self.strike(place) {
            None => work(request).await,
            Some(Fault::Slow { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                work(request).await
            }
            // The endpoint itself plays these.
            Some(played @ (Fault::OtherUnit | Fault::NoPermissions)) => {
                let mut request = request;
                request.extensions_mut().insert(played);
                work(request).await
            }
            Some(Fault::LoseReply) => work(request).await.and(Err(Cut)),
            Some(Fault::Reset) => Err(Cut),
            Some(Fault::Hang) => std::future::pending().await,
            Some(fault) => {
                // Answering before the body was read would reset the connection under the answer.
                let _measured = request.into_body().measure().await;
                Ok(fault.reply(place))
            }
        }
    }

    pub(super) fn strike(&self, place: Place) -> Option<Fault> {
        let mut armed = self.armed();
        let entry = armed.get_mut(&place)?;
        let fault = entry.fault.clone();
        if let Some(times) = &mut entry.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                armed.remove(&place);
            }
        }
        Some(fault)
    }

    fn armed(&self) -> MutexGuard<'_, BTreeMap<Place, ArmedFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn reply(self, place: Place) -> Reply {
        match self {
            Self::Garbage => reply::with_type(
                StatusCode::OK,
                "application/json",
                "{\"access_token\": \"tr".to_owned(),
            ),
            Self::Html => reply::with_type(
                StatusCode::OK,
                "text/html; charset=utf-8",
                "<!doctype html><title>Maintenance</title><h1>We will be right back</h1>"
                    .to_owned(),
            ),
            Self::Huge => huge(),
            Self::Redirect => reply::redirect("https://elsewhere.invalid/v2/token"),
            Self::WrongTypes => reply::json(
                StatusCode::OK,
                &json!({
                    "access_token": 12345,
                    "refresh_token": null,
                    "token_type": ["Bearer"],
                    "expires_in": "soon",
                    "rest_instance_url": {},
                    "user": "nobody",
                }),
            ),
            Self::InvalidClient => OauthError::invalid_client().reply(),
            Self::InvalidGrant => OauthError::invalid_grant("The grant is no longer valid").reply(),
            Self::TokenExpired => SoapFault::TokenExpired.answer(),
            Self::LoginFailed => SoapFault::LoginFailed.answer(),
            Self::Oauth { status, code } => {
                let body = json!({ "error": code, "error_description": "As it was armed.", "error_uri": ERROR_URI });
                reply::json(status_of(status), &body)
            }
            Self::Rest { status, errorcode } => {
                let body = json!({ "message": "As it was armed.", "errorcode": errorcode, "documentation": DOCUMENTATION });
                reply::json(status_of(status), &body)
            }
            status if place == Place::Token => status.in_oauth_dialect(),
            Self::InternalError if place == Place::Soap => {
                SoapFault::Server("The server has failed").answer()
            }
            // Throttling, too, comes with status 500 there.
            Self::TooManyRequests { .. } if place == Place::Soap => {
                SoapFault::Server("Rate limit exceeded").answer()
            }
            status => status.in_rest_dialect(),
        }
    }

    fn in_oauth_dialect(self) -> Reply {
        match self {
            Self::Unauthorized => OauthError::invalid_client().reply(),
            Self::Forbidden => OauthError::access_denied("Access is denied").reply(),
            // The limiter and the outer layers stand in front of the OAuth service: no OAuth body.
            other => other.in_rest_dialect(),
        }
    }

    fn in_rest_dialect(self) -> Reply {
        match self {
            Self::Forbidden => {
                RestError::new(StatusCode::FORBIDDEN, 20_002, "Insufficient Privileges").reply()
            }
            Self::TooManyRequests {
                retry_after: Some(seconds),
            } => {
                let body = json!({
                    "message": "Rate limit exceeded",
                    "errorcode": 50_100,
                    "retryAfter": seconds,
                    "documentation": DOCUMENTATION,
                });
                let reply = reply::json(StatusCode::TOO_MANY_REQUESTS, &body);
                reply::with(reply, header::RETRY_AFTER, &seconds.to_string())
            }
            Self::TooManyRequests { retry_after: None } => RestError::new(
                StatusCode::TOO_MANY_REQUESTS,
                50_200,
                "Your requests are temporarily blocked.",
            )
            .reply(),
            Self::Unavailable => {
                let reply = RestError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    50_300,
                    "Service temporarily unavailable",
                )
                .reply();
                reply::with(reply, header::RETRY_AFTER, "5")
            }
            Self::ServiceNotFound => RestError::new(
                StatusCode::from_u16(596).unwrap_or(StatusCode::BAD_GATEWAY),
                0,
                "Service Not Found",
            )
            .reply(),
            Self::Unauthorized => RestError::not_authorized().reply(),
            _ => RestError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                0,
                "Internal Server Error",
            )
            .reply(),
        }
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
}

fn huge() -> Reply {
    let pieces = stream::once(async { Bytes::from_static(b"{\"access_token\":\"") })
        .chain(body::filler_pieces(256 * 1024 * 1024))
        .chain(stream::once(async { Bytes::from_static(b"\"}") }));
    let mut reply = Response::new(body::streamed(pieces));
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_spelled_in_json() {
        for (text, fault, times) in [
            (r#"{"fault":"500"}"#, Fault::InternalError, None),
            (
                r#"{"fault":"429","retry_after":7,"times":2}"#,
                Fault::TooManyRequests {
                    retry_after: Some(7),
                },
                Some(2),
            ),
            (
                r#"{"fault":"slow","ms":9,"times":1}"#,
                Fault::Slow { ms: 9 },
                Some(1),
            ),
            (
                r#"{"fault":"oauth","status":401,"code":"user_not_licensed"}"#,
                Fault::Oauth {
                    status: 401,
                    code: "user_not_licensed".to_owned(),
                },
                None,
            ),
            (
                r#"{"fault":"lose_reply","times":1}"#,
                Fault::LoseReply,
                Some(1),
            ),
        ] {
            let armed: ArmedFault = serde_json::from_str(text).expect(text);
            assert_eq!((armed.fault, armed.times), (fault, times), "{text}");
        }
        assert!(serde_json::from_str::<ArmedFault>(r#"{"fault":"boom"}"#).is_err());
    }

    #[test]
    fn a_counted_fault_wears_off() {
        let faults = Faults::default();
        let fault = Fault::Garbage;
        faults.arm(
            Place::Rest,
            ArmedFault {
                fault: fault.clone(),
                times: Some(2),
            },
        );
        let strikes = [(); 3].map(|()| faults.strike(Place::Rest));
        assert_eq!(strikes, [Some(fault.clone()), Some(fault), None]);
        assert_eq!(faults.strike(Place::Token), None);
    }
}
