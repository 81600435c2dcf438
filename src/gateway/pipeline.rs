//! One request, from its head to its record. The steps stand in the order in which they happen.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::Version;
use http::header;
use http::request::Parts;
use hyper::body::Body as _;

use super::body::AnswerBody;
use super::browser_cookies::set_cookies;
use super::claim;
use super::claim::Claim;
use super::claim::SignedOut;
use super::journal::Cause;
use super::lookup::Lookup;
use super::loop_breaker::MAX_FRUITLESS;
use super::rates;
use super::record::Record;
use super::route::Access;
use super::route::Destination;
use super::route::Route;
use super::sign_in;
use super::stages::X_REQUEST_ID;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::Jar;
use crate::http::ReturnPath;
use crate::http::pages::Voice;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply::Reply;
use crate::net::ClientBody;
use crate::net::InHand;
use crate::net::Peer;
use crate::net::client::Client;
use crate::session::Freshness;
use crate::session::Live;
use crate::session::Outcome;
use crate::session::Presented;
use crate::session::refresh::RefreshError;
use crate::session::refresh::Renewed;
use crate::session::refresh::Waiting;
use crate::session::shared::Records;
use crate::telemetry::metrics::Slot;
use crate::time::UnixTime;

impl Worker {
    /// Serves one request of this site.
    pub(super) async fn handle(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Peer,
        in_hand: InHand,
    ) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        let client = Client::of(&peer, &parts.headers, &self.gateway.trusted);
        let id = self.ids.identify(&parts.headers, client.vouched);
        let clock = Arc::clone(&self.gateway.clock);
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let (log, meter) = (self.log.clone(), Rc::clone(&self.meter));
        let mut record = Record::begin(log, meter, clock, id, client.address, method, uri);
        record.of(self.gateway.name.as_ref());
        record.certified(peer.certificate);
        record.reads(body.read());
        if let Some(tracer) = self.tracer.as_ref().filter(|_| record.id().is_followed()) {
            record.follow(tracer, self.gateway.site.is_https());
        }
        let mut answer = match self.serve(&parts, body, &mut record).await {
            Ok(answer) => answer,
            Err(stop) => Box::pin(self.stop(stop, &parts, &mut record)).await,
        };
        answer
            .headers_mut()
            .insert(X_REQUEST_ID, record.id().header().clone());
        self.gateway
            .cross_site
            .share(&parts.headers, answer.headers_mut());
        record.status(answer.status());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            in_hand.becomes_tunnel();
        }
        answer.map(|body| body.ending(record, in_hand, &self.streams))
    }

    async fn serve(
        &self,
        parts: &Parts,
        body: ClientBody,
        record: &mut Record,
    ) -> Result<Response<AnswerBody>, Stop> {
        let gateway = &self.gateway;
        match gateway.ground().claim(parts, body.is_end_stream())? {
            Claim::Answered(reply) => Ok(self.finish(reply).map(AnswerBody::from)),
            Claim::Own(name) => {
                record.routed(Slot::OWN, gateway.site.prefix());
                // Each request of a proxy in front, and of a page's script, asks these.
                if !matches!(name, "auth" | "userinfo") {
                    record.is_notable();
                }
                let answer = Box::pin(self.own(name, parts, body, record)).await?;
                Ok(answer.map(AnswerBody::from))
            }
            Claim::Route(index, route, target) => {
                let slot = gateway.slots.get(index).copied();
                record.routed(slot.unwrap_or(Slot::NOWHERE), &route.prefix);
                if route.to == Destination::Soap {
                    record.speaks_soap(parts);
                }
                let size = route.body_size.unwrap_or(gateway.bounds.body_size);
                let mut body = body.limited(size).map_err(|error| error.fault())?;
                if body.is_to_end_empty() {
                    body = Box::pin(body.ended_if_empty())
                        .await
                        .map_err(|error| error.fault())?;
                }
                self.proxy(route, &target, parts, body, record).await
            }
        }
    }

    /// The session of a request on `route`, fresh enough to be used; the cross-site check comes first,
    /// since a forged request must not even refresh.
    pub(super) async fn session(
        &self,
        route: &Route,
        parts: &Parts,
        websocket: bool,
        cause: Option<&Cause>,
    ) -> Result<Option<Current>, Stop> {
        if !route.access.asks_for_session() {
            return Ok(None);
        }
        let now = self.gateway.clock.now();
        let live = match (self.look_up(&parts.headers, now).await, route.access) {
            (Lookup::Live(live), _) => live,
            (Lookup::Unavailable, _) => return Err(Stop::store_unavailable()),
            (Lookup::NotPresented | Lookup::Invalid, Access::SignedIn) => return Err(Stop::SignIn),
            (Lookup::NotPresented | Lookup::Invalid, _) => return Ok(None),
        };
        let checked = self.gateway.ground().check_session(parts, websocket);
        checked.map_err(|reason| self.gateway.forged(reason))?;
        match self.fresh(live, now, cause).await {
            Err(Stop::SignIn | Stop::Ended(_)) if route.access == Access::Optional => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Renews the session where that is due. Only a request whose token is dead has to wait before it
    /// is forwarded.
    pub(super) async fn fresh(
        &self,
        live: Arc<Live>,
        now: UnixTime,
        cause: Option<&Cause>,
    ) -> Result<Current, Stop> {
        let mut current = Current {
            live,
            renewed: None,
            renewing: None,
        };
        let refresher = &self.gateway.refresher;
        // After a switch of business unit, a cookie from before it stands for what the session is now.
        if let Some(newest) = refresher.changes().newest(&current.live.session) {
            current = Current {
                live: Arc::clone(&newest.live),
                renewed: Some(newest),
                renewing: None,
            };
        }
        let session = &current.live.session;
        if Freshness::of(&session.tokens, now, session.id.spread()) != Freshness::Fresh {
            current = Box::pin(self.renew(current, now, cause)).await?;
        }
        // While a request waits for its token, its session may be signed out.
        if self.gateway.revocations.revokes(&current.live.session) {
            return Err(Stop::SignIn);
        }
        // Not before: a session that ends with its first use has not arrived.
        if current.live.is_first_use() {
            self.gateway.arrivals.used(current.live.session.id);
        }
        Ok(current)
    }

    async fn renew(
        &self,
        mut current: Current,
        now: UnixTime,
        cause: Option<&Cause>,
    ) -> Result<Current, Stop> {
        let refresher = &self.gateway.refresher;
        // A late request may hold a cookie that is several refreshes old; each step leads to a newer one.
        for _ in 0..MAX_STEPS {
            let session = &current.live.session;
            let freshness = Freshness::of(&session.tokens, now, session.id.spread());
            if freshness == Freshness::Fresh {
                break;
            }
            let Some(waiting) = refresher.join_for(session, cause.map(Cause::context)) else {
                // Without a refresh token a session lasts as long as its access token.
                if freshness == Freshness::Due {
                    break;
                }
                return Err(Stop::SignIn);
            };
            if let Some(cause) = cause {
                cause.waits_for(waiting.span());
            }
            let outcome = if freshness == Freshness::Due {
                current.renewing = Some(waiting.clone()).filter(Waiting::leads);
                waiting.now()
            } else {
                waiting.wait().await
            };
            match (outcome, freshness) {
                (Some(Outcome::Renewed(renewed)), _) => {
                    current = Current {
                        live: Arc::clone(&renewed.live),
                        renewed: Some(renewed),
                        renewing: None,
                    };
                }
                (Some(Outcome::Ended(error)), _) => return Err(Stop::ended(&error)),
                (_, Freshness::Due | Freshness::Fresh) => break,
                // A switch was refused and the tokens are as they were: now they are renewed.
                (Some(Outcome::Kept), Freshness::Dead) => {}
                (outcome, Freshness::Dead) => {
                    let (fault, wait) = match outcome {
                        Some(Outcome::Unavailable { error, retry_after }) => {
                            (error.fault(), retry_after)
                        }
                        _ => (Fault::RefreshUnavailable, None),
                    };
                    let seconds = wait
                        .map_or(RETRY_AFTER, |wait| wait.max(RETRY_AFTER))
                        .as_secs();
                    return Err(Refusal {
                        retry_after: Some(seconds),
                        ..fault.into()
                    }
                    .into());
                }
            }
        }
        Ok(current)
    }

    /// The cookies that an answer sets for the session: those of a refresh, or a newer idle limit.
    pub(super) async fn session_lines(
        &self,
        current: &Current,
        request: &Parts,
    ) -> Vec<HeaderValue> {
        // Nearly every answer leaves the cookies as they are, and pays for no more than this look.
        let unchanged = self.gateway.records.is_none()
            && current.renewed.is_none()
            && current.renewing.is_none()
            && !self.wants_new_cookie(&current.live)
            // Switched meanwhile, perhaps.
            && self.newest(current).is_none();
        if unchanged {
            return Vec::new();
        }
        Box::pin(self.changed_lines(current, request)).await
    }

    /// What a session has become since this request found it, if its facts have changed.
    fn newest(&self, current: &Current) -> Option<Arc<Renewed>> {
        let changes = self.gateway.refresher.changes();
        changes.newest(&current.live.session)
    }

    /// Whether a session's idle limit is due to be moved, or its key has been replaced.
    fn wants_new_cookie(&self, live: &Live) -> bool {
        let now = self.gateway.clock.now();
        live.retired || live.session.wants_touch(now, self.gateway.store.policy)
    }

    async fn changed_lines(&self, current: &Current, request: &Parts) -> Vec<HeaderValue> {
        let store = &self.gateway.store;
        let jar = Jar::from(request);
        // Signed out while the upstream was at work: that answer has cleared the cookies.
        if self.gateway.revocations.revokes(&current.live.session) {
            return Vec::new();
        }
        if let Some(records) = &self.gateway.records {
            return self.keep_record(records, current, &jar).await;
        }
        // The session was switched while this request was answered: nothing brings back what it was.
        if let Some(newest) = self.newest(current) {
            return self.keep_session(&newest.cookies, &jar, None);
        }
        if let Some(renewed) = &current.renewed {
            return self.keep_session(&renewed.cookies, &jar, None);
        }
        // Mostly the refresh has ended while the request was answered.
        if let Some(renewing) = current.renewing.clone()
            && let Some(Outcome::Renewed(renewed)) = renewing.wait_briefly().await
        {
            return self.keep_session(&renewed.cookies, &jar, None);
        }
        if !self.wants_new_cookie(&current.live) {
            return Vec::new();
        }
        let now = self.gateway.clock.now();
        let session = &current.live.session;
        // An old cookie written anew would bring a used refresh token back to life.
        let refresher = &self.gateway.refresher;
        let known = match refresher.known(session) {
            Some(known) => Some(known.now()),
            None => refresher.known_elsewhere(session).await.map(Some),
        };
        match known {
            Some(Some(Outcome::Renewed(renewed))) => {
                return self.keep_session(&renewed.cookies, &jar, None);
            }
            Some(None) => return Vec::new(),
            Some(Some(Outcome::Kept | Outcome::Ended(_) | Outcome::Unavailable { .. })) | None => {}
        }
        let touched = session.touched(now, store.policy).ok();
        let sealed = touched.and_then(|touched| store.seal(&touched, now).ok());
        sealed.map_or_else(Vec::new, |sealed| self.keep_session(&sealed, &jar, None))
    }

    /// Writes down that a session was seen. Its cookie only changes with the key that seals it.
    async fn keep_record(
        &self,
        records: &Records,
        current: &Current,
        jar: &Jar<'_>,
    ) -> Vec<HeaderValue> {
        let store = &self.gateway.store;
        let now = self.gateway.clock.now();
        let session = &current.live.session;
        if let Some(mark) = &current.live.record
            && session.wants_touch(now, store.policy)
            && let Ok(touched) = session.touched(now, store.policy)
            && let Err(error) = records.touch(&touched, mark).await
        {
            tracing::debug!(event = "session.untouched", %error, "A session's idle limit was not moved.");
        }
        let Presented::Sealed(sealed) = Presented::of(jar.headers(), &store.names) else {
            return Vec::new();
        };
        match &session.ticket {
            Some(ticket) if store.keys.is_retired(&sealed) => {
                self.keep_session(&store.seal_ticket(ticket, now), jar, None)
            }
            _ => Vec::new(),
        }
    }

    /// Turns whatever stopped a request into its answer.
    async fn stop(&self, stop: Stop, parts: &Parts, record: &mut Record) -> Response<AnswerBody> {
        let (site, headers) = (&self.gateway.site, &parts.headers);
        let audience = claim::audience(site, headers, || record.audience(parts));
        let reply = match stop {
            Stop::Refused(refusal, lines) => {
                record.refused(refusal.fault);
                let mut reply = refusal.reply(audience, &self.voice(parts), record.id().as_str());
                if ends_connection(refusal.fault) && parts.version < Version::HTTP_2 {
                    reply.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                set_cookies(&mut reply, lines);
                reply
            }
            Stop::Ended(fault) => {
                record.refused(fault);
                let mut reply = self.tell_to_sign_in(fault, parts, audience, record);
                set_cookies(&mut reply, self.drop_session(&parts.into()));
                reply
            }
            Stop::SignIn => self.sign_in_required(parts, audience, record).await,
        };
        self.finish(reply).map(AnswerBody::from)
    }

    async fn sign_in_required(
        &self,
        parts: &Parts,
        audience: Audience,
        record: &mut Record,
    ) -> Reply {
        let cleared = self.drop_session(&parts.into());
        let mut reply = match SignedOut::of(audience, &parts.method) {
            SignedOut::SignIn => {
                record.refused(Fault::SignInRequired);
                record.signs_in();
                self.sign_in_from_page(parts, record).await
            }
            SignedOut::Refused(fault) => {
                record.refused(fault);
                self.tell_to_sign_in(fault, parts, audience, record)
            }
        };
        set_cookies(&mut reply, cleared);
        reply
    }

    /// A navigation goes to the provider at once, or by way of a page whose script tells the fragment.
    async fn sign_in_from_page(&self, parts: &Parts, record: &mut Record) -> Reply {
        let path = sign_in::requested_path(parts);
        if self.gateway.site.is_framed(&parts.headers) {
            return self.framed_sign_in(parts, None);
        }
        if self.gateway.keep_fragment {
            let start = self.gateway.site.path("start");
            return self.voice(parts).keep_fragment(&start, path.as_str());
        }
        self.sign_in_again(parts, path, record).await
    }

    /// Starts a sign-in, unless three in a row bore no fruit.
    pub(super) async fn sign_in_again(
        &self,
        parts: &Parts,
        path: ReturnPath,
        record: &mut Record,
    ) -> Reply {
        if let Err(refusal) = self.gateway.limiters.sign_in(record.client()) {
            return rates::refuse(&refusal, &self.voice(parts), parts, record);
        }
        let attempts = self.fruitless_sign_ins(&parts.headers, record.client(), &path);
        if attempts < MAX_FRUITLESS {
            return self.start_sign_in(parts, path, attempts).await;
        }
        let fault = self.loop_cause(parts, self.gateway.clock.now()).await;
        tracing::warn!(
            event = "sign_in.loop",
            code = fault.code(),
            request_id = record.id().as_str(),
            "{}",
            fault.title()
        );
        record.refused(fault);
        let login_url = Some(self.gateway.site.login_url(path.as_str()));
        let mut reply = Refusal {
            login_url,
            ..fault.into()
        }
        .reply(Audience::Person, &self.voice(parts), record.id().as_str());
        if let Some(line) = self.forget_sign_ins(&parts.headers) {
            reply.headers_mut().append(header::SET_COOKIE, line);
        }
        reply
    }

    fn tell_to_sign_in(
        &self,
        fault: Fault,
        parts: &Parts,
        audience: Audience,
        record: &Record,
    ) -> Reply {
        // The page that asked is where its user wants to come back to.
        let page = self.gateway.site.own_referer(&parts.headers).unwrap_or("/");
        let login_url = Some(self.gateway.site.login_url(page));
        Refusal {
            login_url,
            ..fault.into()
        }
        .reply(audience, &self.voice(parts), record.id().as_str())
    }

    /// Our pages for whoever sent this request.
    pub(super) fn voice<'a>(&'a self, parts: &'a Parts) -> Voice<'a> {
        self.gateway.pages.to(&parts.headers)
    }

    /// Last touches to every answer of our own.
    pub(super) fn finish(&self, mut reply: Reply) -> Reply {
        if self.gateway.site.is_https() {
            reply
                .headers_mut()
                .insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if let Some(framing) = self.gateway.site.framing() {
            framing.open(reply.headers_mut());
        }
        reply
    }
}

/// A session in use by a request.
#[derive(Debug)]
pub(super) struct Current {
    /// The session.
    pub(super) live: Arc<Live>,
    /// New cookies, if it was renewed.
    pub(super) renewed: Option<Arc<Renewed>>,
    /// The refresh that this request started and whose result it brings to the browser.
    pub(super) renewing: Option<Waiting>,
}

/// Why a request gets no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// With this answer, which also sets these cookies.
    Refused(Refusal, Vec<HeaderValue>),
    /// Because the session ended for a reason of its own, which another sign-in may well meet again.
    Ended(Fault),
    /// Because nobody is signed in.
    SignIn,
}

impl Stop {
    /// Because the session cannot be looked up at the moment.
    pub(super) fn store_unavailable() -> Self {
        Refusal {
            retry_after: Some(RETRY_AFTER.as_secs()),
            ..Fault::StoreUnavailable.into()
        }
        .into()
    }

    /// A refresh ended the session. Another sign-in helps, unless the new tokens were too long to keep:
    /// that would go round and round.
    pub(super) fn ended(error: &RefreshError) -> Self {
        match error {
            RefreshError::TooLarge(_) => Self::Ended(Fault::SessionTooLarge),
            RefreshError::NoToken
            | RefreshError::Provider(_)
            | RefreshError::Gone
            | RefreshError::Elsewhere
            | RefreshError::Stranger
            | RefreshError::Store(_) => Self::SignIn,
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, Vec::new())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into(), Vec::new())
    }
}

/// Whether what follows such a request cannot be told from it (RFC 9112 §11.2).
pub(super) fn ends_connection(fault: Fault) -> bool {
    matches!(fault, Fault::MalformedRequest | Fault::UnexpectedBody)
}

pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Browsers come by https from now on.
pub(super) const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Refreshes followed from one late cookie.
const MAX_STEPS: usize = 16;

/// When to try again after a refresh that did not work.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
