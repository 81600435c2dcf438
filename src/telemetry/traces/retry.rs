//! What a collector's answer means, and when to try again.

use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;

use crate::time::UnixTime;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The collector has taken the spans.
    Taken,
    /// It will never take them.
    Refused,
    /// It may take them later, or after so long if it says so.
    Later(Option<Duration>),
}

impl Verdict {
    /// Reads a status: those that OTLP lists are worth another try, no others (OTLP/HTTP failures).
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, now: UnixTime) -> Self {
        match status {
            status if status.is_success() => Self::Taken,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Later(retry_after(headers, now)),
            _ => Self::Refused,
        }
    }
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers
        .get(header::RETRY_AFTER)
        .map(HeaderValue::to_str)?
        .ok()?;
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(Duration::from_millis(now.as_millis())))
}

/// How long to wait before the next of several attempts; `None` when it is time to give up. `dice` is any
/// number: processes that failed together should not come back together.
pub(super) fn pause(attempt: u32, told: Option<Duration>, dice: u8) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    let own = FIRST_PAUSE.saturating_mul(1 << attempt.min(16));
    let own = own / 2 + own / 2 * u32::from(dice) / 255;
    let pause = told.unwrap_or(own);
    // A collector that wants to be left alone for longer than spans are kept is not waited for.
    (pause <= LONGEST_PAUSE).then_some(pause)
}

/// Attempts at sending one batch.
const ATTEMPTS: u32 = 5;

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, retry_after: &str) -> Verdict {
        let mut headers = HeaderMap::new();
        if !retry_after.is_empty() {
            let value = HeaderValue::from_str(retry_after).expect("a value");
            headers.insert(header::RETRY_AFTER, value);
        }
        // 1994-11-06T08:49:37Z, of RFC 9110 §5.6.7.
        let now = UnixTime::from_millis(784_111_777_000);
        Verdict::of(
            StatusCode::from_u16(status).expect("a status"),
            &headers,
            now,
        )
    }

    #[test]
    fn only_what_the_standard_lists_is_tried_again() {
        for status in [200, 202] {
            assert_eq!(verdict(status, ""), Verdict::Taken);
        }
        for status in [429, 502, 503, 504] {
            assert_eq!(verdict(status, ""), Verdict::Later(None));
        }
        for status in [301, 307, 400, 401, 403, 404, 413, 500, 501] {
            assert_eq!(verdict(status, "1"), Verdict::Refused, "{status}");
        }
    }

    #[test]
    fn a_collector_says_when() {
        let seconds = |seconds| Verdict::Later(Some(Duration::from_secs(seconds)));
        assert_eq!(verdict(503, "7"), seconds(7));
        assert_eq!(verdict(429, "Sun, 06 Nov 1994 08:50:00 GMT"), seconds(23));
        assert_eq!(verdict(429, "Sun, 06 Nov 1994 08:00:00 GMT"), seconds(0));
        assert_eq!(verdict(503, "soon"), Verdict::Later(None));
    }

    #[test]
    fn pauses_grow_and_end() {
        let seconds = |attempt, dice| pause(attempt, None, dice).map(|pause| pause.as_secs_f64());
        assert_eq!(seconds(0, 255), Some(1.0));
        assert_eq!(seconds(0, 0), Some(0.5));
        assert_eq!(seconds(4, 255), Some(16.0));
        assert_eq!(seconds(5, 0), None);
        assert_eq!(
            pause(0, Some(Duration::from_secs(7)), 0),
            Some(Duration::from_secs(7))
        );
        assert_eq!(pause(0, Some(Duration::from_hours(1)), 0), None);
    }
}
