//! From an HTTP response to a body that may be parsed, or to what to do instead.

use std::time::Duration;
use std::time::SystemTime;

use http::HeaderMap;
use http::StatusCode;
use http::header::RETRY_AFTER;
use zeroize::Zeroizing;

use super::MAX_RETRY_AFTER;
use super::Outage;
use super::TokenError;
use crate::oauth::error::TokenErrorCode;
use crate::oauth::reply::ReplyError;
use crate::time::UnixTime;

/// Holds tokens.
pub(super) type Body = Zeroizing<Vec<u8>>;

/// Two tokens and all scopes are under 4 KB.
pub(super) const MAX_TOKEN_REPLY: usize = 64 * 1024;

/// The permissions of an administrator can fill hundreds of kilobytes.
pub(super) const MAX_USERINFO_REPLY: usize = 1024 * 1024;

/// The body of a success; everything else as an error.
pub(super) async fn read(
    response: reqwest::Response,
    limit: usize,
    now: UnixTime,
) -> Result<Body, TokenError> {
    let status = response.status();
    if let Some(why) = outage_of(status) {
        return Err(TokenError::Unavailable {
            retry_after: retry_after(response.headers(), now),
            why,
        });
    }
    if !status.is_success() && !status.is_client_error() {
        return Err(ReplyError::Malformed("a redirect, which is not followed").into());
    }
    let body = read_limited(response, limit).await?;
    if status.is_success() {
        return Ok(body);
    }
    // A status alone may be a firewall's: only a code that can be read refuses (RFC 6749 §5.2).
    Err(TokenErrorCode::parse(&body).map_or_else(
        || ReplyError::Malformed("an error status without an error code").into(),
        TokenError::Refused,
    ))
}

/// What a failed call comes to. The error's own words go to the log: they name hosts and
/// certificates, but no body and, without its URL, no query.
pub(super) fn outage(error: reqwest::Error) -> TokenError {
    let why = if error.is_timeout() {
        Outage::Timeout
    } else if error.is_connect() {
        Outage::Connect
    } else {
        Outage::Broken
    };
    tracing::warn!(
        event = "provider.unreachable",
        ?why,
        error = chain(&error.without_url()),
        "A call to the provider failed."
    );
    TokenError::Unavailable {
        retry_after: None,
        why,
    }
}

fn outage_of(status: StatusCode) -> Option<Outage> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Outage::RateLimited),
        // Marketing Cloud's own "service not found" is 596.
        other if other == StatusCode::REQUEST_TIMEOUT || other.as_u16() >= 500 => {
            Some(Outage::Status(other.as_u16()))
        }
        _ => None,
    }
}

async fn read_limited(mut response: reqwest::Response, limit: usize) -> Result<Body, TokenError> {
    let too_large = || TokenError::BadReply(ReplyError::TooLarge);
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    // A growing buffer would leave copies of the tokens behind.
    let mut body = Zeroizing::new(Vec::with_capacity(announced.max(USUAL_REPLY)));
    while let Some(chunk) = response.chunk().await.map_err(outage)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const USUAL_REPLY: usize = 8 * 1024;

/// Seconds or an HTTP date (RFC 9110 §10.2.3); anything else is as good as nothing.
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(text.parse().ok()?)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let since_epoch = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        UnixTime::default().plus(since_epoch).since(now)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// RFC 9110 §10.2.3 gives both forms.
    #[test]
    fn retry_after_is_read_in_both_forms() {
        // One minute before the RFC's own date.
        let now = UnixTime::from_millis(946_684_739_000);
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(60)),
            ("Fri, 31 Dec 1999 23:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 2100 23:59:59 GMT", Some(300)),
            ("86400", Some(300)),
            ("99999999999999999999999", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
