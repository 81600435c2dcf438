//! Calls of Journey Builder's servers: signed by the package, and nobody's session.

use bytes::Bytes;
use http::Method;
use http::header;
use http::request::Parts;

use super::pipeline::Stop;
use super::record::Record;
use super::route::JourneyBody;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::body;
use crate::http::body::ReadError;
use crate::http::refusal::Refusal;
use crate::net::ClientBody;

impl Worker {
    /// The body that the tool gets, once it is proven that the package signed it. There is no cross-site
    /// check: no browser can sign.
    pub(super) async fn signed_call(
        &self,
        passes: JourneyBody,
        parts: &Parts,
        body: ClientBody,
        record: &Record,
    ) -> Result<Bytes, Stop> {
        only_post(parts)?;
        let refused = |reason: &str| {
            tracing::warn!(
                event = "journey.refused",
                reason,
                setup = Fault::JourneyUnsigned.in_setup(),
                request_id = record.id().as_str(),
                "A call to a route of Journey Builder's is not signed by the package."
            );
            Stop::from(Fault::JourneyUnsigned)
        };
        if !is_token(parts) {
            return Err(refused("another content type than application/jwt"));
        }
        let body = body.limited(MAX_CALL).map_err(|error| error.fault())?;
        let limit = usize::try_from(MAX_CALL).unwrap_or(usize::MAX);
        let body = match body::read_limited(body, limit).await {
            Ok(body) => body,
            Err(ReadError::TooLarge) => return Err(Fault::BodyTooLarge.into()),
            Err(ReadError::Broken) => return Err(Fault::MalformedRequest.into()),
        };
        let Some(secrets) = &self.gateway.signing_secrets else {
            return Err(Fault::Internal.into());
        };
        match secrets.verify(body.trim_ascii(), self.gateway.clock.now()) {
            Ok(claims) => Ok(match passes {
                JourneyBody::Unchanged => body,
                JourneyBody::Decoded => claims,
            }),
            Err(reason) => Err(refused(&reason.to_string())),
        }
    }
}

/// Marketing Cloud's servers call by POST alone.
pub(super) fn only_post(parts: &Parts) -> Result<(), Refusal> {
    if parts.method == Method::POST {
        return Ok(());
    }
    Err(Refusal {
        allow: Some("POST"),
        ..Fault::MethodNotAllowed.into()
    })
}

/// `application/jwt`, or text: some of Marketing Cloud's stacks say so.
pub(super) fn is_token(parts: &Parts) -> bool {
    let Some(kind) = parts.headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind
        .as_bytes()
        .split(|&b| b == b';')
        .next()
        .unwrap_or_default();
    let kind = kind.trim_ascii().to_ascii_lowercase();
    matches!(kind.as_slice(), b"application/jwt" | b"text/plain")
}

/// In arguments may hold a contact's data; kilobytes are usual.
const MAX_CALL: u64 = 512 * 1024;
