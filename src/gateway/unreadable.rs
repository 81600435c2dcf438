//! The answer to a head that could not even be read.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;

use super::identify::RequestIds;
use crate::crypto::OsEntropy;
use crate::fault::Fault;
use crate::http::pages::Pages;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::language::Language;
use crate::telemetry::metrics::Traffic;

/// A whole HTTP/1.1 answer, in place of the empty one that hyper would give with `status`; counted in
/// `traffic`.
pub fn unreadable(traffic: &Traffic, status: u16) -> Bytes {
    let fault = fault(status);
    traffic.unreadable(fault);
    turned_away(fault)
}

fn fault(status: u16) -> Fault {
    match status {
        408 => Fault::RequestTimeout,
        413 => Fault::BodyTooLarge,
        414 => Fault::TargetTooLong,
        431 => Fault::HeadTooLarge,
        _ => Fault::MalformedRequest,
    }
}

/// A whole HTTP/1.1 answer to a connection of which no request is read.
pub fn turned_away(fault: Fault) -> Bytes {
    let id = RequestIds::new(&OsEntropy).identify(&HeaderMap::new(), false);
    // A document for a program is in English.
    let (pages, audience) = (Pages::default(), Audience::Program);
    let voice = pages.in_language(Language::En);
    let answer = Refusal::from(fault).reply(audience, &voice, id.as_str());
    let status = answer.status();
    let headers = answer.headers().clone();
    let body = reply::into_bytes(answer);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    // Writing into memory does not fail.
    for (name, value) in &headers {
        let _written = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let _written = write!(
        head,
        "x-request-id: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        id.as_str(),
        body.len()
    );
    [head.as_bytes(), &body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_whole() {
        let answer = turned_away(fault(400));
        let text = std::str::from_utf8(&answer).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(body.contains("SG-1001"), "{body}");
        assert!(turned_away(fault(431)).starts_with(b"HTTP/1.1 431 "));
    }
}
