//! Our own endpoints by name.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;

use super::Gateway;
use super::browser_cookies::set_cookies;
use super::lookup::Lookup;
use super::pipeline::Current;
use super::pipeline::Stop;
use super::record::Record;
use super::session_helper;
use super::site::Site;
use super::stages::X_MARKETING_CLOUD_PERMISSIONS;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::net::ClientBody;
use crate::session::id::SessionId;
use crate::time::UnixTime;

impl Worker {
    /// Serves the endpoint called `name`.
    pub(super) async fn own(
        &self,
        name: &str,
        parts: &Parts,
        body: ClientBody,
        record: &mut Record,
    ) -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, Stop> {
        let method = &parts.method;
        let site = &self.gateway.site;
        if !exists(name, site) {
            return Err(Fault::NoRoute.into());
        }
        let reply = match name {
            // Before OAuth, Marketing Cloud posted a signed token to an app's login address.
            "start" | "callback" | "" if method == Method::POST && is_form(parts) => {
                return Err(Refusal {
                    allow: Some(READ),
                    ..Fault::LegacySignIn.into()
                }
                .into());
            }
            "framed" => {
                allow(method, READ)?;
                self.framed_done(parts, record).await
            }
            "handover" => {
                allow(method, "POST")?;
                self.take_over(parts, body, record).await?
            }
            "start" => {
                allow(method, READ)?;
                self.start(parts, record).await
            }
            "callback" => {
                allow(method, READ)?;
                self.callback(parts, record).await
            }
            "sign_out" => {
                allow(method, READ_OR_POST)?;
                self.sign_out(parts).await?
            }
            "business_unit" => self.business_unit(parts, body, record).await?,
            "session.js" => {
                allow(method, READ)?;
                session_helper::answer(&parts.headers)
            }
            // Tells without being a use: neither the idle limit nor the tokens move.
            "userinfo" if parts.uri.query() == Some("look=1") => {
                allow(method, READ)?;
                self.glance(parts).await?
            }
            "userinfo" => {
                allow(method, READ)?;
                let current = self.current(parts, record).await?;
                let reply = self.userinfo(&current.live.session);
                self.with_session(reply, &current, parts).await
            }
            "auth" => {
                // As on a route: a forged request must not even refresh.
                if matches!(
                    self.look_up(&parts.headers, self.gateway.clock.now()).await,
                    Lookup::Live(_)
                ) {
                    self.check_asked(parts)?;
                }
                let current = self.current(parts, record).await?;
                for rule in self.rules_asked_for(parts)? {
                    self.admit(&rule, &current, parts).await?;
                }
                let told = self.gateway.provider.permissions.are_told();
                let mut reply = authenticated(&current, told);
                // Envoy takes no other success for one.
                if parts.uri.query() == Some("status=200") {
                    *reply.status_mut() = StatusCode::OK;
                }
                self.with_session(reply, &current, parts).await
            }
            "" => {
                allow(method, READ)?;
                match self.current(parts, record).await {
                    Ok(current) => {
                        let reply = self.account(parts, &current.live.session);
                        self.with_session(reply, &current, parts).await
                    }
                    Err(Stop::Refused(refusal, _)) if refusal.fault == Fault::SignInRequired => {
                        return Err(Stop::SignIn);
                    }
                    Err(stop) => return Err(stop),
                }
            }
            _ => return Err(Fault::NoRoute.into()),
        };
        Ok(self.finish(reply))
    }

    async fn start(&self, parts: &Parts, record: &mut Record) -> Reply {
        let query = parts.uri.query().unwrap_or_default();
        // A form writes a space as a plus sign, and a plus sign as %2B.
        let rd = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("rd="))
            .map(|rd| rd.replace('+', "%2520"));
        let decoded = rd
            .as_deref()
            .and_then(|rd| percent_encoding::percent_decode_str(rd).decode_utf8().ok());
        let read = if self.gateway.keep_fragment {
            ReturnPath::parse_with_fragment
        } else {
            ReturnPath::parse
        };
        let return_path = decoded.and_then(|path| read(&path).ok());
        let return_path = return_path.unwrap_or_else(ReturnPath::root);
        let direct = query.split('&').any(|pair| pair == "direct=1");
        if self.gateway.site.is_framed(&parts.headers)
            && !direct
            && !self.ends_sign_in(&return_path)
        {
            return self.framed_sign_in(parts, Some(&return_path));
        }
        self.sign_in_again(parts, return_path, record).await
    }

    /// The session of a request to an endpoint that needs one. These answer 401 and never redirect.
    async fn current(&self, parts: &Parts, record: &mut Record) -> Result<Current, Stop> {
        let now = self.gateway.clock.now();
        let outcome = match self.look_up(&parts.headers, now).await {
            Lookup::Live(live) => self.fresh(live, now).await,
            Lookup::Unavailable => Err(Stop::store_unavailable()),
            Lookup::NotPresented | Lookup::Invalid => Err(Stop::SignIn),
        };
        match outcome {
            Ok(current) => {
                record.identified(&current.live);
                Ok(current)
            }
            Err(Stop::SignIn) => {
                let page = self.gateway.site.own_referer(&parts.headers).unwrap_or("/");
                let login_url = Some(self.gateway.site.login_url(page));
                Err(Stop::Refused(
                    Refusal {
                        login_url,
                        ..Fault::SignInRequired.into()
                    },
                    self.drop_session(&parts.into()),
                ))
            }
            Err(stop) => Err(stop),
        }
    }

    /// What userinfo tells of a session that is left as it is.
    async fn glance(&self, parts: &Parts) -> Result<Reply, Stop> {
        let gateway = &self.gateway;
        match self.look_up(&parts.headers, gateway.clock.now()).await {
            Lookup::Live(live) => {
                let changes = gateway.refresher.changes();
                let newest = changes.newest(&live.session);
                let live = newest.as_ref().map_or(&live, |newest| &newest.live);
                Ok(self.userinfo(&live.session))
            }
            Lookup::Unavailable => Err(Stop::store_unavailable()),
            Lookup::NotPresented | Lookup::Invalid => Err(Fault::SignInRequired.into()),
        }
    }

    /// Proxies in front ask with the method of the request that they are about to pass on, or name it
    /// in a field. What is forged through them is as forged as what comes to us.
    fn check_asked(&self, parts: &Parts) -> Result<(), Fault> {
        let Gateway {
            cross_site, site, ..
        } = self.gateway.as_ref();
        let is = |name: &str, value: &[u8]| {
            let given = parts.headers.get(name).map(HeaderValue::as_bytes);
            given.is_some_and(|given| given.eq_ignore_ascii_case(value))
        };
        // A WebSocket is opened by GET, and from any site (RFC 6455 §10.2).
        let websocket = is("upgrade", b"websocket") || is("sec-fetch-mode", b"websocket");
        let method = if websocket {
            &Method::POST
        } else {
            &parts.method
        };
        cross_site.check_on_behalf(method, &parts.headers, site)?;
        for name in ["x-forwarded-method", "x-original-method"] {
            for method in parts.headers.get_all(name) {
                let method = Method::from_bytes(method.as_bytes());
                let method = method.map_err(|_| Fault::MalformedRequest)?;
                cross_site.check_on_behalf(&method, &parts.headers, site)?;
            }
        }
        Ok(())
    }

    async fn with_session(&self, mut reply: Reply, current: &Current, request: &Parts) -> Reply {
        set_cookies(&mut reply, self.session_lines(current, request).await);
        reply
    }

    /// POST signs out; GET shows a button, so that no image on another site can do it. Inside Marketing
    /// Cloud, GET is how the browser says that its person has signed out there: a site that forges it
    /// makes somebody sign in again, silently, and no more.
    async fn sign_out(&self, parts: &Parts) -> Result<Reply, Fault> {
        let site = &self.gateway.site;
        let hook = parts.method == Method::GET && site.framing().is_some();
        if parts.method != Method::POST && !hook {
            return Ok(self.voice(parts).sign_out(&site.path("sign_out")));
        }
        self.gateway
            .cross_site
            .check(&parts.method, &parts.headers, site)?;
        let mut reply = match self.audience(parts) {
            Audience::Person => self.voice(parts).signed_out(&site.login_url("/")),
            Audience::Program | Audience::Soap(_) => reply::empty(StatusCode::NO_CONTENT),
        };
        set_cookies(&mut reply, self.signed_out_lines(parts));
        let now = self.gateway.clock.now();
        if let Some((id, ends_at)) = self.presented_id(&parts.headers, now).await {
            self.gateway.revocations.sign_out(id, ends_at, now);
            // At once where the store answers; else as soon as it does, by way of the sign-out's message.
            if let Some(records) = &self.gateway.records
                && let Err(error) = records.remove(id).await
            {
                tracing::warn!(event = "sign_out.waits", session = %id, %error, "The session leaves the store later.");
            }
            self.gateway.events.signed_out();
            tracing::info!(event = "sign_out", session = %id, "Signed out.");
        }
        Ok(reply)
    }

    /// Which session a request presents, and when it ends; also while its store is away.
    async fn presented_id(
        &self,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Option<(SessionId, UnixTime)> {
        match self.look_up(headers, now).await {
            Lookup::Live(live) => Some((live.session.id, live.session.ends_at)),
            Lookup::Unavailable => {
                let ticket = self.presented_ticket(headers, now)?;
                Some((ticket.id(), ticket.ends_at()))
            }
            Lookup::NotPresented | Lookup::Invalid => None,
        }
    }

    fn signed_out_lines(&self, parts: &Parts) -> Vec<HeaderValue> {
        let names = self.gateway.site.names();
        let mut lines = self.drop_session(&parts.into());
        lines.extend(self.forget_sign_ins(&parts.headers));
        if lines.is_empty() {
            lines.push(names.clear(names.session()));
        }
        lines
    }
}

/// 202 with the identity as header fields, for the proxy that asked to copy.
fn authenticated(current: &Current, permissions: bool) -> Reply {
    let mut reply = reply::empty(StatusCode::ACCEPTED);
    for (name, value) in &current.live.identity {
        reply.headers_mut().insert(name, value.clone());
    }
    if let Some(value) = current.live.permissions.as_ref().filter(|_| permissions) {
        reply
            .headers_mut()
            .insert(X_MARKETING_CLOUD_PERMISSIONS, value.clone());
    }
    reply
}

/// Whether an endpoint of this name is served at `site`.
pub(super) fn exists(name: &str, site: &Site) -> bool {
    match name {
        "" | "start" | "callback" | "sign_out" | "business_unit" | "userinfo" | "auth"
        | "session.js" => true,
        "framed" | "handover" => site.framing().is_some(),
        _ => false,
    }
}

fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
    kind.to_ascii_lowercase()
        .starts_with(b"application/x-www-form-urlencoded")
}

fn allow(method: &Method, allowed: &'static str) -> Result<(), Refusal> {
    if allowed.split(", ").any(|one| one == method.as_str()) {
        return Ok(());
    }
    Err(Refusal {
        allow: Some(allowed),
        ..Fault::MethodNotAllowed.into()
    })
}

const READ: &str = "GET, HEAD";
const READ_OR_POST: &str = "GET, HEAD, POST";
