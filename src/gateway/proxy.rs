//! Forwarding: session, sanitize, authorize, send, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::Version;
use http::header;
use http::request::Parts;

use super::body::AnswerBody;
use super::fairness::Ticket;
use super::outgoing::Outgoing;
use super::outgoing::way;
use super::pipeline::Current;
use super::pipeline::HSTS;
use super::pipeline::Stop;
use super::record::Record;
use super::replay::Replay;
use super::route::Access;
use super::route::Destination;
use super::route::Route;
use super::stages::Provenance;
use super::tunnel;
use super::worker::Worker;
use crate::http::Target;
use crate::http::cookies;
use crate::http::headers;
use crate::http::length;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::net::ClientBody;
use crate::session::Outcome;
use crate::upstream::RequestBody;
use crate::upstream::ResponseBody;
use crate::upstream::UpstreamError;

/// One request on its way through a route.
struct Passage<'a> {
    worker: &'a Worker,
    outgoing: Outgoing<'a>,
}

impl Worker {
    /// Serves a request that a route claims.
    pub(super) async fn proxy(
        &self,
        route: &Route,
        target: &Target<'_>,
        parts: &Parts,
        body: ClientBody,
        record: &mut Record,
    ) -> Result<Response<AnswerBody>, Stop> {
        if route.isolated {
            let checked = self.gateway.cross_site.check_isolation(parts);
            checked.map_err(|reason| self.gateway.forged(reason))?;
        }
        let (body, signed) = match route.access {
            Access::JourneyBuilder(passes) => {
                let call = Box::pin(self.signed_call(passes, parts, body, record)).await?;
                (None, Some(call))
            }
            Access::SignedIn | Access::Optional | Access::Public => (Some(body), None),
        };
        let websocket = tunnel::is_handshake(parts)? && route.takes_websockets();
        let asks = route.access.asks_for_session();
        let cause = asks.then(|| record.cause()).flatten();
        let found = self.session(route, parts, websocket, cause.as_ref()).await;
        record.session(cause.as_ref(), matches!(found, Ok(Some(_))));
        let mut current = found?;
        if let Some(current) = &current {
            record.identified(&current.live);
        }
        if let (Some(rule), Some(current)) = (&route.rule, &current) {
            self.admit(rule, current, parts).await?;
            record.ruled(rule);
        }
        let (id, certificate) = (record.id().clone(), record.certificate());
        let provenance = Provenance {
            client: record.client(),
            certificate: certificate.as_deref(),
            id: &id,
            site: &self.gateway.site,
            permissions: self.gateway.provider.permissions.are_told(),
        };
        let passage = Passage {
            worker: self,
            outgoing: Outgoing {
                route,
                target,
                parts,
                websocket,
                provenance,
            },
        };
        let ticket = match self.share(route, current.as_ref()) {
            Ok(ticket) => ticket,
            Err(refusal) => {
                return Err(self.upstream_failed(refusal, current.as_ref(), parts).await);
            }
        };
        let (body, replay) = match (body, signed) {
            (_, Some(signed)) => (RequestBody::Kept([signed].into()), None),
            (Some(body), None) if !websocket => {
                match Replay::prepare(route, parts, body, current.as_ref()).await {
                    Ok(prepared) => prepared,
                    Err(refusal) => {
                        let stop = self.upstream_failed(refusal, current.as_ref(), parts);
                        return Err(stop.await);
                    }
                }
            }
            (_, None) => (RequestBody::Empty, None),
        };
        record.asked();
        let answer = passage.send(current.as_ref(), body, record).await;
        record.answered();
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                return Err(self.upstream_failed(refusal, current.as_ref(), parts).await);
            }
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let session = current.as_ref().map(|current| &current.live.session);
            let rule = route.rule.as_ref();
            let mut switched = self.tunnel(parts, answer, websocket, session, rule)?;
            if let Some(current) = &current {
                for line in self.session_lines(current, parts).await {
                    switched.headers_mut().append(header::SET_COOKIE, line);
                }
            }
            return Ok(switched);
        }
        let answer = match replay {
            Some(replay) if replay.suspects(&answer) => {
                Box::pin(passage.second_chance(answer, &mut current, replay, record)).await?
            }
            _ => answer.map(AnswerBody::from),
        };
        if let Some(ticket) = &ticket {
            ticket.heed(answer.status(), answer.headers(), &*self.gateway.clock);
        }
        record.holds(ticket);
        Ok(self.reply(answer, parts, route, current.as_ref()).await)
    }

    /// The person's share of a tenant's API.
    fn share(&self, route: &Route, current: Option<&Current>) -> Result<Option<Ticket>, Refusal> {
        let Some(current) = current.filter(|_| route.to.is_api()) else {
            return Ok(None);
        };
        let (gateway, person) = (&self.gateway, &current.live.session.person);
        gateway
            .fairness
            .admit(person, gateway.clock.now())
            .map(Some)
    }

    /// An upstream that fails must not cost the browser the tokens that were renewed on the way.
    async fn upstream_failed(
        &self,
        refusal: Refusal,
        current: Option<&Current>,
        request: &Parts,
    ) -> Stop {
        let lines = match current {
            Some(current) => self.session_lines(current, request).await,
            None => Vec::new(),
        };
        Stop::Refused(refusal, lines)
    }

    /// What the client gets of the upstream's answer.
    async fn reply(
        &self,
        answer: Response<AnswerBody>,
        parts: &Parts,
        route: &Route,
        current: Option<&Current>,
    ) -> Response<AnswerBody> {
        let (mut head, body) = answer.into_parts();
        head.version = Version::HTTP_11;
        head.extensions.clear();
        headers::clean_answer(&mut head.headers);
        length::settle(&mut head.headers, head.status);
        let names = self.gateway.site.names();
        match route.to {
            // A tenant's API has no business in this site's cookie jar, cache or transport policy.
            Destination::Rest | Destination::Soap => {
                // Mostly none is there, and one look at all names costs less than a search for each.
                if head.headers.keys().any(|name| FOREIGN.contains(name)) {
                    for name in &FOREIGN {
                        head.headers.remove(name);
                    }
                }
            }
            Destination::Tool(_) => {
                headers::retain_set_cookies(&mut head.headers, |line| {
                    cookies::sets_ours(line, names)
                });
                if head.headers.contains_key(headers::CLEAR_SITE_DATA) {
                    headers::keep_cookies(&mut head.headers);
                }
                // The transport ends here, and so does its policy: `max-age=0` would undo ours.
                if head
                    .headers
                    .remove(header::STRICT_TRANSPORT_SECURITY)
                    .is_some()
                    && self.gateway.site.is_https()
                {
                    head.headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
                }
            }
        }
        if let Some(framing) = self.gateway.site.framing() {
            framing.guard(&mut head.headers);
        }
        if route.access == Access::Optional {
            head.headers
                .append(header::VARY, HeaderValue::from_static("cookie"));
        }
        if let Some(current) = current {
            self.keep_private(&mut head.headers, current, parts).await;
        }
        Response::from_parts(head, body)
    }

    /// What caches may do with an answer to somebody whose tool says nothing. After a sign-out, the back
    /// button shows a page that a browser has kept, whatever else it was told: only one that is not to be
    /// stored is thrown away when the session's cookies change. Until then it is as quick as any.
    fn caching(&self, request: &Parts) -> HeaderValue {
        let (method, headers) = (&request.method, &request.headers);
        let page = self.gateway.site.is_framed(headers)
            || Audience::of(method, headers) == Audience::Person;
        HeaderValue::from_static(if page { "no-store" } else { "private" })
    }

    /// An answer to somebody is not for everybody's cache (RFC 9111 §7.3), and cookies are never set
    /// by one that is: an answer that has to bring new tokens to the browser becomes private.
    async fn keep_private(&self, answer: &mut HeaderMap, current: &Current, request: &Parts) {
        let shared = is_shared(answer);
        if shared && current.renewed.is_none() && current.renewing.is_none() {
            return;
        }
        if shared {
            answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        } else if !answer.contains_key(header::CACHE_CONTROL) {
            answer.insert(header::CACHE_CONTROL, self.caching(request));
        }
        for line in self.session_lines(current, request).await {
            answer.append(header::SET_COOKIE, line);
        }
    }
}

impl Passage<'_> {
    /// Sends the request in the name of `current`.
    async fn send(
        &self,
        current: Option<&Current>,
        body: RequestBody,
        record: &mut Record,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let live = current.map(|current| current.live.as_ref());
        let Self { worker, outgoing } = self;
        let gateway = &worker.gateway;
        let way = way(outgoing.route, live, &gateway.provider.fence)
            .map_err(|astray| gateway.astray(astray))?;
        let harmless = outgoing.parts.method.is_idempotent()
            && matches!(body, RequestBody::Empty)
            && !outgoing.websocket;
        let attempt = outgoing.provenance.id.next_attempt();
        let again = || {
            Some(
                outgoing
                    .head(way, live)
                    .ok()?
                    .into_request(RequestBody::Empty),
            )
            .filter(|_| harmless)
        };
        let request = Box::new(outgoing.head(way, live)?.into_request(body));
        let trip = record.sends(attempt);
        let outcome = worker.upstream.send(way, request, again, trip).await;
        let outcome = outcome.map_err(|error| {
            let request_id = outgoing.provenance.id.as_str();
            if matches!(error, UpstreamError::ClientBody(_)) {
                tracing::debug!(event = "client.broke_off", %error, request_id, "Client broke off.");
            } else {
                tracing::warn!(event = "upstream.failed", %error, upstream = %way, request_id, "Upstream failed.");
            }
            error.refusal()
        });
        record.sent_on(match &outcome {
            Ok(answer) => Ok(answer.status()),
            Err(refusal) => Err(refusal.fault),
        });
        outcome
    }

    /// The API may have refused the token before its time: then one forced refresh, and the request once
    /// more if its body can be had again. A second refusal is passed on.
    async fn second_chance(
        &self,
        answer: Response<ResponseBody>,
        current: &mut Option<Current>,
        replay: Replay,
        record: &mut Record,
    ) -> Result<Response<AnswerBody>, Stop> {
        let (head, mut body) = answer.into_parts();
        let (beginning, refused) = replay.read(&head.headers, &mut body).await;
        let first = |beginning, body| {
            Response::from_parts(head.clone(), AnswerBody::begun(beginning, body))
        };
        let Some(session) = current
            .as_ref()
            .map(|current| Arc::clone(&current.live.session))
        else {
            return Ok(first(beginning, body));
        };
        let now = self.worker.gateway.clock.now();
        let age = now.since(session.tokens.expires_at.minus(session.tokens.lifetime));
        if !refused || age < MIN_AGE {
            return Ok(first(beginning, body));
        }
        let Some(waiting) = self
            .worker
            .gateway
            .refresher
            .join_for(&session, record.context())
        else {
            return Ok(first(beginning, body));
        };
        match waiting.wait().await {
            Some(Outcome::Renewed(renewed)) => {
                let unit = renewed.live.session.person.business_unit;
                *current = Some(Current {
                    live: Arc::clone(&renewed.live),
                    renewed: Some(renewed),
                    renewing: None,
                });
                // Switched meanwhile: what was meant for one unit is not written into another.
                if unit != session.person.business_unit {
                    return Ok(first(beginning, body));
                }
            }
            Some(Outcome::Ended(error)) => return Err(Stop::ended(&error)),
            Some(Outcome::Kept | Outcome::Unavailable { .. }) | None => {
                return Ok(first(beginning, body));
            }
        }
        let Outgoing { route, parts, .. } = self.outgoing;
        if let (Some(rule), Some(current)) = (&route.rule, current.as_ref()) {
            self.worker.admit(rule, current, parts).await?;
        }
        match replay.again(current.as_ref()) {
            Some(again) => match self.send(current.as_ref(), again, record).await {
                Ok(answer) => Ok(answer.map(AnswerBody::from)),
                Err(refusal) => Err(self
                    .worker
                    .upstream_failed(refusal, current.as_ref(), parts)
                    .await),
            },
            None => Ok(first(beginning, body)),
        }
    }
}

/// Fields of an API's answer that would speak for this site.
const FOREIGN: [HeaderName; 5] = [
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    headers::CLEAR_SITE_DATA,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
];

/// A token this young was not refused for its age: asking for another would ask without end.
const MIN_AGE: Duration = Duration::from_secs(5);

/// Whether any `Cache-Control` field lets a shared cache keep the answer.
fn is_shared(answer: &HeaderMap) -> bool {
    let fields = answer
        .get_all(header::CACHE_CONTROL)
        .iter()
        .map(HeaderValue::as_bytes);
    let mut directives = fields
        .flat_map(|field| field.split(|&b| b == b','))
        .map(<[u8]>::trim_ascii);
    directives.any(|directive| {
        let starts = |word: &[u8]| {
            directive
                .get(..word.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        directive.eq_ignore_ascii_case(b"public") || starts(b"s-maxage")
    })
}
