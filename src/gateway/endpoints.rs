//! Our own endpoints by name.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;

use super::cross_site;
use super::pipeline::Current;
use super::pipeline::Lookup;
use super::pipeline::Stop;
use super::record::Record;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::net::ClientBody;
use crate::session::Session;

impl Worker {
    /// Serves the endpoint called `name`.
    pub(super) async fn own(
        &self,
        name: &str,
        parts: &Parts,
        _body: ClientBody,
        record: &mut Record,
    ) -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, Stop> {
        let method = &parts.method;
        let reply = match name {
            "start" => {
                allow(method, READ)?;
                self.start(parts, record)
            }
            "callback" => {
                allow(method, READ)?;
                self.callback(parts, record).await
            }
            "sign_out" => {
                allow(method, READ_OR_POST)?;
                self.sign_out(parts)?
            }
            "userinfo" => {
                allow(method, READ)?;
                let current = self.current(parts, record).await?;
                let reply = self.userinfo(&current.live.session);
                self.with_session(reply, &current, &parts.headers).await
            }
            // Proxies in front ask with the method of the request that they are about to pass on.
            "auth" => {
                let current = self.current(parts, record).await?;
                self.with_session(authenticated(&current), &current, &parts.headers)
                    .await
            }
            "" => {
                allow(method, READ)?;
                match self.current(parts, record).await {
                    Ok(current) => {
                        let reply = self.account(&current.live.session);
                        self.with_session(reply, &current, &parts.headers).await
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

    fn start(&self, parts: &Parts, record: &mut Record) -> Reply {
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
        self.sign_in_again(parts, return_path.unwrap_or_else(ReturnPath::root), record)
    }

    /// The session of a request to an endpoint that needs one. These answer 401 and never redirect.
    async fn current(&self, parts: &Parts, record: &mut Record) -> Result<Current, Stop> {
        let now = self.gateway.clock.now();
        let outcome = match self.look_up(&parts.headers, now) {
            Lookup::Live(live) => self.fresh(live, now).await,
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
                    self.gateway.store.clear(&parts.headers),
                ))
            }
            Err(stop) => Err(stop),
        }
    }

    async fn with_session(
        &self,
        mut reply: Reply,
        current: &Current,
        request: &HeaderMap,
    ) -> Reply {
        for line in self.session_lines(current, request).await {
            reply.headers_mut().append(header::SET_COOKIE, line);
        }
        reply
    }

    /// POST signs out; GET shows a button, so that no image on another site can do it.
    fn sign_out(&self, parts: &Parts) -> Result<Reply, Fault> {
        let site = &self.gateway.site;
        if parts.method != Method::POST {
            return Ok(crate::http::pages::sign_out(&site.path("sign_out")));
        }
        cross_site::check(&parts.method, &parts.headers, site)?;
        let mut reply = match Audience::of(&parts.method, &parts.headers) {
            Audience::Person => crate::http::pages::signed_out(&site.login_url("/")),
            Audience::Program => reply::empty(StatusCode::NO_CONTENT),
        };
        for line in self.signed_out_lines(&parts.headers) {
            reply.headers_mut().append(header::SET_COOKIE, line);
        }
        let now = self.gateway.clock.now();
        if let Lookup::Live(live) = self.look_up(&parts.headers, now) {
            let Session { id, ends_at, .. } = *live.session;
            self.gateway.revocations.sign_out(id, ends_at, now);
            tracing::info!(event = "sign_out", session = %id, "Signed out.");
        }
        Ok(reply)
    }

    fn signed_out_lines(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let names = self.gateway.site.names();
        let mut lines = self.gateway.store.clear(headers);
        lines.extend(self.forget_sign_ins(headers));
        if lines.is_empty() {
            lines.push(names.clear(names.session()));
        }
        lines
    }
}

/// 202 with the identity as header fields, for the proxy that asked to copy.
fn authenticated(current: &Current) -> Reply {
    let mut reply = reply::empty(StatusCode::ACCEPTED);
    for (name, value) in &current.live.identity {
        reply.headers_mut().insert(name, value.clone());
    }
    reply
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
