//! `POST /oauth2/business_unit`: the session goes on in another unit.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::account;
use super::browser_cookies::set_cookies;
use super::lookup::Lookup;
use super::pipeline::Current;
use super::pipeline::RETRY_AFTER;
use super::pipeline::Stop;
use super::record::Record;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::body::ReadError;
use crate::http::body::read_limited;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::net::ClientBody;
use crate::oauth::provider::BusinessUnit;
use crate::session::Live;
use crate::session::refresh::RefreshError;
use crate::session::refresh::Renewed;
use crate::session::refresh::Switched;
use crate::telemetry::metrics::labels::Switch;

impl Worker {
    /// Switches, and says what has come of it.
    pub(super) async fn business_unit(
        &self,
        parts: &Parts,
        body: ClientBody,
        record: &mut Record,
    ) -> Result<Reply, Stop> {
        let gateway = &self.gateway;
        if parts.method != Method::POST {
            return Err(Refusal {
                allow: Some("POST"),
                ..Fault::MethodNotAllowed.into()
            }
            .into());
        }
        gateway
            .cross_site
            .check(&parts.method, &parts.headers, &gateway.site)
            .map_err(|reason| gateway.forged(reason))?;
        let live = match self.look_up(&parts.headers, gateway.clock.now()).await {
            Lookup::Live(live) => live,
            Lookup::Unavailable => return Err(Stop::store_unavailable()),
            Lookup::NotPresented | Lookup::Invalid => return Err(Stop::SignIn),
        };
        record.identified(&live);
        // Each may ask the provider, as a callback may.
        gateway.limiters.callback(record.client())?;
        let wish = Wish::read(parts, body).await?;
        // A cookie from before another switch leads to what came of that.
        let before = gateway.refresher.changes().newest(&live.session);
        let from = before.as_ref().map_or(&live, |before| &before.live);
        let switched = gateway.refresher.switch(&from.session, wish.unit).await;
        let (result, renewed, stop) = match switched {
            Switched::Done(renewed) => (Switch::Done, renewed, None),
            Switched::Denied(renewed) => (Switch::Denied, renewed, Some(Fault::UnitDenied.into())),
            Switched::Unavailable {
                renewed,
                retry_after,
                error,
            } => {
                let fault = error.map_or(Fault::RefreshUnavailable, |error| error.fault());
                let wait = retry_after.map_or(RETRY_AFTER, |wait| wait.max(RETRY_AFTER));
                let refusal = Refusal {
                    retry_after: Some(wait.as_secs()),
                    ..fault.into()
                };
                (Switch::Unavailable, renewed, Some(refusal))
            }
            // Its access token is as good as before.
            Switched::Ended(error) if matches!(*error, RefreshError::NoToken) => {
                (Switch::Denied, None, Some(Fault::UnitFixed.into()))
            }
            Switched::Ended(error) => {
                gateway.events.switched(Switch::Ended);
                return Err(Stop::ended(&error));
            }
        };
        let current = current(&live, renewed.or(before));
        record.identified(&current.live);
        if gateway.revocations.revokes(&current.live.session) {
            gateway.events.switched(Switch::Ended);
            return Err(Stop::SignIn);
        }
        // Two at once happen one after the other. Whoever was first is told what came after.
        let newest = gateway.refresher.changes().newest(&current.live.session);
        let overtaken = newest.as_ref().is_some_and(|newest| {
            result == Switch::Done
                && newest.live.session.person.business_unit != Some(wish.unit.mid())
        });
        let (result, stop) = if overtaken {
            (Switch::Overtaken, Some(Fault::UnitOvertaken.into()))
        } else {
            (result, stop)
        };
        gateway.events.switched(result);
        let session = newest
            .as_ref()
            .map_or(&current.live.session, |newest| &newest.live.session);
        let lines = self.session_lines(&current, parts).await;
        if let Some(refusal) = stop {
            let mut offer = self.offer(session);
            offer.wanted = Some(wish.unit.mid());
            let offer = Some(Box::new(offer));
            return Err(Stop::Refused(Refusal { offer, ..refusal }, lines));
        }
        let mut reply = match wish.answer {
            Wanted::Page(back) => {
                let back = back.unwrap_or_else(|| gateway.site.path(""));
                reply::redirect(StatusCode::SEE_OTHER, &back).ok_or(Fault::Internal)?
            }
            Wanted::Document => reply::json(&json!({
                "business_unit": session.person.business_unit,
                "recent_units": account::recent(&session.person),
            })),
        };
        set_cookies(&mut reply, lines);
        Ok(reply)
    }
}

fn current(live: &Arc<Live>, renewed: Option<Arc<Renewed>>) -> Current {
    Current {
        live: Arc::clone(renewed.as_ref().map_or(live, |renewed| &renewed.live)),
        renewed,
        renewing: None,
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    unit: BusinessUnit,
    answer: Wanted,
}

/// How a success is answered.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// With a document, to a program.
    Document,
    /// With a redirect, to a form: to a page of this site, or to the account page.
    Page(Option<String>),
}

impl Wish {
    async fn read(parts: &Parts, body: ClientBody) -> Result<Self, Fault> {
        let body = body
            .limited(u64::try_from(MAX_BODY).unwrap_or(u64::MAX))
            .map_err(|error| error.fault())?;
        let read = tokio::time::timeout(BODY_DEADLINE, read_limited(body, MAX_BODY)).await;
        let body = read
            .map_err(|_| Fault::BodyTooSlow)?
            .map_err(|error| match error {
                ReadError::TooLarge => Fault::BodyTooLarge,
                ReadError::Broken => Fault::MalformedRequest,
            })?;
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
        Self::parse(kind, &body).ok_or(Fault::UnitMalformed)
    }

    fn parse(kind: &[u8], body: &[u8]) -> Option<Self> {
        let kind = kind.split(|&b| b == b';').next()?.trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/json") {
            return Self::from_json(body);
        }
        let form = kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
        form.then(|| Self::from_form(body))?
    }

    fn from_json(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            account_id: Id<'a>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Id<'a> {
            Number(u64),
            #[serde(borrow)]
            Text(Cow<'a, str>),
        }
        // A derived struct would take an array, too.
        if !body.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let unit = match serde_json::from_slice::<Document<'_>>(body)
            .ok()?
            .account_id
        {
            Id::Number(number) => BusinessUnit::of(number),
            Id::Text(text) => mid(&text),
        };
        Some(Self {
            unit: unit?,
            answer: Wanted::Document,
        })
    }

    fn from_form(body: &[u8]) -> Option<Self> {
        let (mut unit, mut back) = (None, None);
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "account_id" if unit.is_none() => unit = Some(mid(value.trim())?),
                "account_id" => return None,
                // A page of this site or none: a form never leads elsewhere.
                "rd" => back = ReturnPath::parse(&value).ok(),
                _ => {}
            }
        }
        Some(Self {
            unit: unit?,
            answer: Wanted::Page(back.map(|back| back.as_str().to_owned())),
        })
    }
}

fn mid(text: &str) -> Option<BusinessUnit> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    BusinessUnit::of(text.parse().ok().filter(|_| plain)?)
}

/// No request says more.
const MAX_BODY: usize = 4 * 1024;

/// How long it may take to say it.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: &[u8] = b"application/json; charset=utf-8";
    const FORM: &[u8] = b"application/x-www-form-urlencoded";

    fn parse(kind: &[u8], body: &str) -> Option<(u64, Wanted)> {
        let wish = Wish::parse(kind, body.as_bytes())?;
        Some((wish.unit.mid(), wish.answer))
    }

    #[test]
    fn numbers_and_texts_from_programs_and_forms() {
        let document = |mid| Some((mid, Wanted::Document));
        let page = |mid, back: Option<&str>| Some((mid, Wanted::Page(back.map(str::to_owned))));
        assert_eq!(parse(JSON, r#" {"account_id":12,"x":1}"#), document(12));
        assert_eq!(parse(JSON, r#"{"account_id":"\u0031"}"#), document(1));
        assert_eq!(parse(FORM, "account_id=+12+"), page(12, None));
        let body = "rd=%2Fa%3Fb%3Dc&account_id=12";
        assert_eq!(parse(FORM, body), page(12, Some("/a?b=c")));
        let body = "account_id=12&rd=//evil.example";
        assert_eq!(parse(FORM, body), page(12, None));
    }

    #[test]
    fn everything_else_is_refused() {
        for body in [
            "",
            "{}",
            "[12]",
            "12",
            r#"{"account_id":0}"#,
            r#"{"account_id":-1}"#,
            r#"{"account_id":1.5}"#,
            r#"{"account_id":"+1"}"#,
            r#"{"account_id":" 1"}"#,
            r#"{"account_id":""}"#,
            r#"{"account_id":null}"#,
            r#"{"account_id":[1]}"#,
            r#"{"account_id":1,"account_id":2}"#,
            r#"{"account_id":18446744073709551616}"#,
        ] {
            assert_eq!(parse(JSON, body), None, "{body}");
        }
        for body in [
            "",
            "account_id=",
            "account_id=1&account_id=2",
            "account_id=x",
            "rd=/",
        ] {
            assert_eq!(parse(FORM, body), None, "{body}");
        }
        assert_eq!(parse(b"text/plain", "account_id=12"), None);
        assert_eq!(parse(b"", r#"{"account_id":12}"#), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200), json in any::<bool>()) {
            drop(Wish::parse(if json { JSON } else { FORM }, &body));
        }
    }
}
