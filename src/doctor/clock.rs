//! This machine's clock, compared with the provider's.

use std::time::Duration;
use std::time::SystemTime;

use http::header;

use super::finding::Cause;
use super::finding::Finding;
use super::subject::Subject;
use super::subject::WAY_OUT;
use super::subject::why;
use crate::fault::Fault;
use crate::time::UnixTime;

pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let auth = &subject.tenant().provider.auth;
    // Needs no token: the refusal has a date too.
    let url = format!("{auth}/v2/userinfo");
    let answer = match subject.http.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let detail = format!("{auth} does not answer: {}", why(error));
            let failed = Finding::failed(NAME, Cause::Surroundings, detail);
            return vec![failed.advice(WAY_OUT).fault(Fault::ProviderUnavailable)];
        }
    };
    let now = subject.clock.now();
    let date = answer.headers().get(header::DATE);
    let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let since = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
    let Some(since) = since else {
        return vec![Finding::warning(
            NAME,
            format!("{auth} tells no date to compare with"),
        )];
    };
    vec![judge(now, UnixTime::default().plus(since))]
}

fn judge(now: UnixTime, theirs: UnixTime) -> Finding {
    let (ahead, behind) = (now.since(theirs), theirs.since(now));
    let offset = ahead.max(behind);
    let direction = if ahead > behind { "ahead of" } else { "behind" };
    let detail = format!("{} s {direction} the provider's", offset.as_secs());
    let advice = "Let this machine's clock be set by NTP; sessions and tokens end by it.";
    if offset >= FAILED {
        Finding::failed(NAME, Cause::Surroundings, detail).advice(advice)
    } else if offset >= WARNING {
        Finding::warning(NAME, detail).advice(advice)
    } else {
        Finding::ok(NAME, detail)
    }
}

const NAME: &str = "clock";

/// A token is renewed a little before its end; more than this eats the margin.
const WARNING: Duration = Duration::from_secs(30);

const FAILED: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn offsets_are_judged_in_both_directions() {
        let theirs = UnixTime::from_millis(1_000_000_000);
        for (seconds, status) in [
            (0, Status::Ok),
            (29, Status::Ok),
            (30, Status::Warning),
            (299, Status::Warning),
            (300, Status::Failed),
        ] {
            let offset = Duration::from_secs(seconds);
            for (now, word) in [
                (theirs.plus(offset), "ahead of"),
                (theirs.minus(offset), "behind"),
            ] {
                let finding = judge(now, theirs);
                assert_eq!(finding.status, status, "{finding:?}");
                assert!(seconds == 0 || finding.detail.contains(word), "{finding:?}");
            }
        }
    }
}
