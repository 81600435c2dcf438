//! A fault on its way to a client: as a page for a person, as a problem document (RFC 9457) for a program.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::json;

use super::headers::SEC_FETCH_DEST;
use super::headers::SEC_FETCH_MODE;
use super::offer::Offer;
use super::pages::Messages;
use super::pages::Refused;
use super::pages::Voice;
use super::pages::fill;
use super::reply;
use super::reply::Reply;
use super::soap;
use crate::fault::Fault;
use crate::language::Language;

/// What kind of answer the client can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person before a browser's window.
    Person,
    /// A script or another program.
    Program,
    /// A program that speaks SOAP, in this version.
    Soap(soap::Version),
}

impl Audience {
    /// A top-level document navigation goes to a person (Fetch Metadata, else `Accept` and GET);
    /// everything else is a program: an image, a frame, a `fetch`, `curl`.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let (mode, dest) = (text(&SEC_FETCH_MODE), text(&SEC_FETCH_DEST));
        let person = match (mode, dest) {
            (Some(mode), dest) => {
                mode == b"navigate" && dest.is_none_or(|dest| dest == b"document")
            }
            (None, Some(dest)) => dest == b"document",
            (None, None) => {
                let accept = headers
                    .get_all(header::ACCEPT)
                    .iter()
                    .map(HeaderValue::as_bytes);
                let html = b"text/html";
                accept.into_iter().any(|field| {
                    field
                        .windows(html.len())
                        .any(|part| part.eq_ignore_ascii_case(html))
                })
            }
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        // A page asks by GET; a form's POST that fails is still read by a person.
        let scripted =
            || text(&X_REQUESTED_WITH).is_some_and(|by| by.eq_ignore_ascii_case(b"xmlhttprequest"));
        let navigates = reads || mode.is_some();
        if person && navigates && !scripted() {
            Self::Person
        } else {
            Self::Program
        }
    }
}

const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// A fault on its way to a client.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What happened.
    pub fault: Fault,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u64>,
    /// Where a program sends its user to sign in.
    pub login_url: Option<String>,
    /// The methods that are served, where another was tried.
    pub allow: Option<&'static str>,
    /// What was found in this case, as a sentence.
    pub note: Option<Box<Note>>,
    /// What a signed-in person can do about it.
    pub offer: Option<Box<Offer>>,
}

/// What was found in one case. Only what a person may see is in the person's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// For whoever wrote the request.
    Found(String),
    /// The host that was asked for, and the one that is here.
    Misdirected {
        /// Asked for.
        asked: String,
        /// Here.
        ours: String,
    },
}

impl Note {
    /// The note as a sentence.
    pub fn told(&self, language: Language) -> String {
        match self {
            Self::Found(text) => text.clone(),
            Self::Misdirected { asked, ours } => {
                let message = Messages::of(language).misdirected;
                fill(message, &[("asked", asked), ("ours", ours)])
            }
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            retry_after: None,
            login_url: None,
            allow: None,
            note: None,
            offer: None,
        }
    }
}

impl Refusal {
    /// The only place where a refusal becomes an answer.
    ///
    /// People are spoken to by `voice`; documents for programs are in English.
    pub fn reply(&self, audience: Audience, voice: &Voice<'_>, request_id: &str) -> Reply {
        let mut reply = match audience {
            Audience::Person => {
                let note = self.note.as_ref();
                voice.failure(&Refused {
                    fault: self.fault,
                    note: note.map(|note| note.told(voice.language())).as_deref(),
                    login_url: self.login_url.as_deref(),
                    offer: self.offer.as_deref(),
                    request_id,
                })
            }
            Audience::Program => self.problem(request_id),
            Audience::Soap(version) => self.soap_fault(version, request_id),
        };
        *reply.status_mut() = self.fault.status();
        if let Some(allow) = self.allow {
            reply
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after {
            reply
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.fault == Fault::SignInRequired {
            // RFC 9110 §11.6.1 asks for a challenge; browsers show no dialogue for this scheme.
            reply.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"sidegate\""),
            );
        }
        reply
    }

    fn soap_fault(&self, version: soap::Version, request_id: &str) -> Reply {
        let fault = self.fault;
        let reason = format!("{}: {}. {}", fault.code(), fault.title(), fault.advice());
        let mut fields = vec![
            ("code", fault.code()),
            ("title", fault.title()),
            ("advice", fault.advice()),
            ("request_id", request_id),
        ];
        let note = self.note.as_ref().map(|note| note.told(Language::En));
        let offer = self.offer.as_deref();
        let unit = |mid: fn(&Offer) -> Option<u64>| Some(mid(offer?)?.to_string());
        let (wanted, now) = (unit(|offer| offer.wanted), unit(|offer| offer.now));
        let optional = [
            ("login_url", self.login_url.as_deref()),
            ("note", note.as_deref()),
            ("rule", offer.and_then(|offer| offer.rule)),
            ("business_unit", wanted.as_deref()),
            ("current_business_unit", now.as_deref()),
            ("switch_url", offer.map(|offer| &*offer.switch)),
        ];
        for (name, value) in optional {
            fields.extend(value.map(|value| (name, value)));
        }
        soap::fault(version, fault.status().is_client_error(), &reason, &fields)
    }

    fn problem(&self, request_id: &str) -> Reply {
        let fault = self.fault;
        let mut document = json!({
            "type": "about:blank",
            "title": fault.title(),
            "status": fault.status().as_u16(),
            "detail": fault.advice(),
            "code": fault.code(),
            "request_id": request_id,
        });
        if let (Some(url), Some(object)) = (&self.login_url, document.as_object_mut()) {
            object.insert("login_url".to_owned(), json!(url));
        }
        if let (Some(note), Some(object)) = (&self.note, document.as_object_mut()) {
            object.insert("note".to_owned(), json!(note.told(Language::En)));
        }
        if let (Some(offer), Some(object)) = (&self.offer, document.as_object_mut()) {
            let mut tell = |name: &str, value| object.insert(name.to_owned(), value);
            tell("rule", json!(offer.rule));
            tell("business_unit", json!(offer.wanted));
            tell("current_business_unit", json!(offer.now));
            tell("switch_url", json!(offer.switch));
            tell("account_url", json!(offer.account));
        }
        reply::problem(&document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::Pages;

    fn audience(method: &Method, fields: &[(&'static str, &'static str)]) -> Audience {
        let field = |&(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        Audience::of(method, &fields.iter().map(field).collect())
    }

    #[test]
    fn only_a_document_navigation_is_a_person() {
        for (fields, expected) in [
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("accept", "*/*"),
                ][..],
                Audience::Person,
            ),
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "iframe"),
                    ("accept", "text/html"),
                ],
                Audience::Program,
            ),
            (
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                Audience::Program,
            ),
            (
                &[
                    ("sec-fetch-mode", "cors"),
                    ("sec-fetch-dest", "empty"),
                    ("accept", "text/html"),
                ],
                Audience::Program,
            ),
            (
                &[("accept", "text/html,application/xhtml+xml")],
                Audience::Person,
            ),
            (
                &[
                    ("accept", "text/html"),
                    ("x-requested-with", "XMLHttpRequest"),
                ],
                Audience::Program,
            ),
            (&[("accept", "application/json")], Audience::Program),
            (&[("accept", "*/*")], Audience::Program),
            (&[], Audience::Program),
        ] {
            assert_eq!(audience(&Method::GET, fields), expected, "{fields:?}");
        }
        assert_eq!(
            audience(&Method::POST, &[("accept", "text/html")]),
            Audience::Program
        );
    }

    #[test]
    fn a_refusal_never_lacks_its_code() {
        let pages = Pages::default();
        for fault in Fault::ALL {
            for audience in [
                Audience::Person,
                Audience::Program,
                Audience::Soap(soap::Version::Soap11),
                Audience::Soap(soap::Version::Soap12),
            ] {
                let reply = Refusal {
                    retry_after: Some(5),
                    login_url: Some("/x".to_owned()),
                    ..fault.into()
                }
                .reply(audience, &pages.in_language(Language::En), "id-1");
                assert_eq!(reply.status(), fault.status());
                assert_eq!(
                    reply.headers().get(header::CACHE_CONTROL).expect("set"),
                    "no-store"
                );
                assert_eq!(reply.headers().get(header::RETRY_AFTER).expect("set"), "5");
                let shown = format!("{:?}", reply.body());
                assert!(
                    shown.contains(fault.code()) && shown.contains("id-1"),
                    "{shown}"
                );
            }
        }
    }
}
