//! A request to a tenant's API on its way up, and once more if the API refuses its token.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::pipeline::Current;
use super::route::Destination;
use super::route::Route;
use crate::fault::Fault;
use crate::http::body;
use crate::http::refusal::Note;
use crate::http::refusal::Refusal;
use crate::http::soap;
use crate::http::soap::Verdict;
use crate::net::ClientBody;
use crate::upstream::BodyError;
use crate::upstream::Carry;
use crate::upstream::Envelope;
use crate::upstream::RequestBody;
use crate::upstream::ResponseBody;
use crate::upstream::Transit;

/// How to send a request again.
#[derive(Debug)]
pub(super) enum Replay {
    /// With what became of its body, if it has one.
    Rest(Option<Rc<Transit>>),
    /// With the envelope as the client sent it, if it is small.
    Soap(Option<Bytes>),
}

impl Replay {
    /// The body to send, and how to send it again where that may help.
    pub(super) async fn prepare(
        route: &Route,
        parts: &Parts,
        body: ClientBody,
        current: Option<&Current>,
    ) -> Result<(RequestBody, Option<Self>), Refusal> {
        match route.to {
            // In a place of its own: other requests need not make room for it.
            Destination::Soap => Box::pin(enveloped(parts, body, current)).await,
            Destination::Rest | Destination::Tool(_) => {
                let (keep, trailers) = (route.to.is_api(), route.passes_trailers());
                let body = RequestBody::streaming(body, Carry { keep, trailers });
                let replay = keep.then(|| Self::Rest(body.transit()));
                Ok((body, replay))
            }
        }
    }

    /// Whether an answer may say that the token is refused, going by its status: 401, but 500 in SOAP.
    pub(super) fn suspects<B>(&self, answer: &Response<B>) -> bool {
        answer.status()
            == match self {
                Self::Rest(_) => StatusCode::UNAUTHORIZED,
                Self::Soap(_) => StatusCode::INTERNAL_SERVER_ERROR,
            }
    }

    /// Reads as much of such an answer as it takes to know: what was read, and whether the token is
    /// refused.
    pub(super) async fn read(&self, headers: &HeaderMap, body: &mut ResponseBody) -> (Bytes, bool) {
        match self {
            Self::Rest(_) => {
                let beginning = body::read_beginning(body, MAX_ERROR).await;
                let refused = refuses_token(headers, &beginning);
                (beginning, refused)
            }
            Self::Soap(_) if soap::Version::of(headers).is_some() => {
                Box::pin(read_fault(body)).await
            }
            Self::Soap(_) => (Bytes::new(), false),
        }
    }

    /// The body once more, for `current`.
    pub(super) fn again(self, current: Option<&Current>) -> Option<RequestBody> {
        match self {
            Self::Rest(None) => Some(RequestBody::Empty),
            Self::Rest(Some(transit)) => transit.again(),
            Self::Soap(original) => {
                let token = &current?.live.session.tokens.access;
                let envelope = Envelope::again(&original?, token).ok()?;
                Some(RequestBody::enveloped(envelope))
            }
        }
    }
}

/// An envelope gets its token; a WSDL, and what it includes, is read without one.
async fn enveloped(
    parts: &Parts,
    body: ClientBody,
    current: Option<&Current>,
) -> Result<(RequestBody, Option<Replay>), Refusal> {
    if !takes_envelope(parts)? {
        return Ok((RequestBody::Empty, None));
    }
    let session = &current.ok_or(Fault::Internal)?.live.session;
    match Envelope::open(body, &session.tokens.access).await {
        Ok((envelope, original)) => Ok((
            RequestBody::enveloped(envelope),
            Some(Replay::Soap(original)),
        )),
        Err(error) => {
            let fault = error.fault().unwrap_or(Fault::Internal);
            let note = match error {
                BodyError::Envelope(error) => {
                    Some(Box::new(Note::Found(format!("Found: {error}."))))
                }
                BodyError::Client(_) | BodyError::Unwanted => None,
            };
            Err(Refusal {
                note,
                ..fault.into()
            })
        }
    }
}

/// Whether there is an envelope behind this head, or a WSDL is asked for.
pub(super) fn takes_envelope(parts: &Parts) -> Result<bool, Refusal> {
    match parts.method {
        Method::GET | Method::HEAD => return Ok(false),
        Method::POST => {}
        _ => {
            return Err(Refusal {
                allow: Some("GET, HEAD, POST"),
                ..Fault::MethodNotAllowed.into()
            });
        }
    }
    soap::admit(&parts.headers).map_err(|(fault, note)| Refusal {
        note: Some(Box::new(Note::Found(note.to_owned()))),
        ..Fault::Envelope(fault).into()
    })?;
    Ok(true)
}

/// Reads a fault until it is plain whether it is about the token, and no further.
async fn read_fault(body: &mut ResponseBody) -> (Bytes, bool) {
    let mut read = BytesMut::new();
    let verdict = {
        let reading = async {
            loop {
                let verdict = soap::verdict(&read);
                if verdict != Verdict::Open || read.len() >= MAX_ERROR || body.is_end_stream() {
                    return verdict;
                }
                match body.frame().await {
                    Some(Ok(frame)) => {
                        read.extend_from_slice(&frame.into_data().unwrap_or_default());
                    }
                    Some(Err(_)) | None => return Verdict::Other,
                }
            }
        };
        tokio::time::timeout(MAX_WAIT, reading).await
    };
    (read.freeze(), verdict == Ok(Verdict::TokenRefused))
}

/// Whether a 401 is about the token: `invalid_token` (RFC 6750 §3.1), or Marketing Cloud's error
/// code 0. A compressed one is taken for it: hardly any other is a 401, and browsers ask for compression.
fn refuses_token(headers: &HeaderMap, body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct RestError {
        errorcode: i64,
    }
    let challenges = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(HeaderValue::as_bytes);
    let named = challenges
        .into_iter()
        .any(|challenge| memchr::memmem::find(challenge, b"invalid_token").is_some());
    named
        || headers.contains_key(header::CONTENT_ENCODING)
        || serde_json::from_slice::<RestError>(body).is_ok_and(|error| error.errorcode == 0)
}

/// Bytes of an error that are looked at.
const MAX_ERROR: usize = 8 * 1024;

/// How long a fault may take to show what it is; then it is passed on as it comes.
const MAX_WAIT: Duration = Duration::from_secs(5);
