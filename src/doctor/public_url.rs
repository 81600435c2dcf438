//! The public URL: whether browsers get there, and whether it is this gateway that they find.

mod identity;

use http::StatusCode;
use http::header;

use super::finding::Cause;
use super::finding::Finding;
use super::reach::LOOK_AHEAD;
use super::reach::Reached;
use super::reach::reach;
use super::subject::Subject;
use super::subject::why;
use crate::fault::Fault;

pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let origin = subject.site.origin();
    let reached = match reach(subject, origin).await {
        Ok(reached) => reached,
        Err(unreached) => {
            let failed = Finding::failed(NAME, Cause::Surroundings, unreached.to_string());
            return vec![failed.advice(unreached.advice())];
        }
    };
    let certificate = certificate(reached);
    [Some(gateway(subject).await), certificate]
        .into_iter()
        .flatten()
        .collect()
}

fn certificate(reached: Reached) -> Option<Finding> {
    let days = reached.days?;
    Some(if days >= LOOK_AHEAD {
        Finding::ok(
            CERTIFICATE,
            format!("valid for more than {LOOK_AHEAD} days"),
        )
    } else if days > SHORT {
        Finding::ok(CERTIFICATE, format!("valid for {days} more days"))
    } else {
        Finding::warning(CERTIFICATE, format!("valid for {days} more days only"))
            .advice("Renew it before it ends, where the connections of browsers end: here or at the proxy in front.")
    })
}

/// Without a session, `auth` answers in a way that nothing else does.
async fn gateway(subject: &Subject) -> Finding {
    let url = format!("{}{}", subject.site.origin(), subject.site.path("auth"));
    let request = subject
        .http
        .get(&url)
        .header(header::ACCEPT, "application/json");
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let detail = format!("{url} does not answer: {}", why(error));
            return Finding::failed(NAME, Cause::Surroundings, detail)
                .advice("Start the gateway, or look at what stands in front of it.");
        }
    };
    let status = answer.status();
    let code = code(answer).await;
    let code = code.and_then(|code| Fault::ALL.into_iter().find(|fault| fault.code() == code));
    match code {
        Some(Fault::SignInRequired) if status == StatusCode::UNAUTHORIZED => {
            identity::look(subject).await
        }
        Some(fault) => {
            let detail = format!("a gateway answers {url} with {status}: {}", fault.title());
            Finding::failed(NAME, Cause::Configuration, detail).fault(fault)
        }
        None => {
            let detail = format!("something else answers {url}, with {status}");
            Finding::failed(NAME, Cause::Configuration, detail).advice(
                "Let public_url, DNS and the proxy in front lead to this gateway, its own endpoints included.",
            )
        }
    }
}

/// The code of a problem document.
async fn code(mut answer: reqwest::Response) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Problem {
        code: String,
    }
    let kind = answer.headers().get(header::CONTENT_TYPE)?;
    if kind != "application/problem+json" {
        return None;
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_PROBLEM {
            return None;
        }
    }
    serde_json::from_slice::<Problem>(&body)
        .ok()
        .map(|problem| problem.code)
}

pub(super) const NAME: &str = "public URL";
const CERTIFICATE: &str = "certificate";

/// Days in which somebody should look.
const SHORT: u64 = 14;

/// Bytes.
const MAX_PROBLEM: usize = 16 * 1024;
