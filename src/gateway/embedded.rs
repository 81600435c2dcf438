//! The site inside a frame of Marketing Cloud, whose cookies browsers keep apart by the site around the
//! frame (CHIPS).
//!
//! The provider's sign-in page refuses to be framed, and nobody can look into another site's frame. So a
//! framed navigation without a session gets a page of ours that tries the silent sign-in in a frame of
//! its own, and offers a window where that leads nowhere.
//!
//! A window keeps its cookies elsewhere, so its session has to be handed to the frame. What holds:
//! - The frame's page comes with a cookie that holds a secret, in the frame's own partition; the window
//!   is told the secret's digest only. The session comes back sealed under that digest: without the
//!   cookie it is of no use to whoever gets hold of it (theft), and no other session can be slipped into
//!   the frame (fixation), since nobody else knows what it waits for.
//! - It never stands in an address, and `postMessage` names our own origin as receiver: an opener of
//!   another site gets nothing. The frame listens to the window that it opened, and to no other.
//! - It opens for a minute, once for each process, and the cookie goes with its first use (replay).
//! - The window's own jar gets no session: two jars with one refresh token would spend it twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::StatusCode;
use http::request::Parts;
use sha2::Digest as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::browser_cookies::set_cookies;
use super::lookup::Lookup;
use super::pipeline::Stop;
use super::record::Record;
use super::worker::Worker;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::fault::Fault;
use crate::http::Jar;
use crate::http::ReturnPath;
use crate::http::body;
use crate::http::pages;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::net::ClientBody;
use crate::oauth::transaction::TRANSACTION_LIFETIME;
use crate::session::Session;
use crate::session::Ticket;
use crate::time::UnixTime;

impl Worker {
    /// What kind of answer the client can use; with frames, a document in one is read by a person too.
    pub(super) fn audience(&self, parts: &Parts) -> Audience {
        if self.gateway.site.is_framed(&parts.headers) {
            return Audience::Person;
        }
        Audience::of(&parts.method, &parts.headers)
    }

    /// The page that finds a way to sign in from within a frame, to go on at `path`; `None` is the page
    /// that was asked for.
    pub(super) fn framed_sign_in(&self, parts: &Parts, path: Option<&ReturnPath>) -> Reply {
        let gateway = &self.gateway;
        let (site, jar) = (&gateway.site, Jar::from(parts));
        let here = super::sign_in::requested_path(parts);
        // Several frames of one browser share the cookie, and so the secret.
        let secret = frame_secret(&jar, site.names().frame())
            .unwrap_or_else(|| gateway.entropy.bytes::<SECRET>());
        let window = format!("{}?c={}", site.path("handover"), digest(&secret));
        let mut reply = self.voice(parts).framed(&pages::Framed {
            go_on: path.map_or("", ReturnPath::as_str),
            silent: &site.login_url(&site.path("framed")),
            window: &site.login_url(&window),
            direct: &format!(
                "{}&direct=1",
                site.login_url(path.unwrap_or(&here).as_str())
            ),
            handover: &site.path("handover"),
            provider: &gateway.provider.auth.to_string(),
        });
        let value = URL_SAFE_NO_PAD.encode(secret);
        let line = site
            .names()
            .set(site.names().frame(), &value, TRANSACTION_LIFETIME);
        set_cookies(&mut reply, [line]);
        reply
    }

    /// Where the silent sign-in ends, for the page around it to see.
    pub(super) async fn framed_done(&self, parts: &Parts, record: &mut Record) -> Reply {
        let now = self.gateway.clock.now();
        if let Lookup::Live(_) = self.look_up(&parts.headers, now).await {
            return self.voice(parts).framed_done();
        }
        record.refused(Fault::FrameCookies);
        let (audience, voice) = (self.audience(parts), self.voice(parts));
        Refusal::from(Fault::FrameCookies).reply(audience, &voice, record.id().as_str())
    }

    /// The frame that a sign-in in a window of its own is for.
    pub(super) fn handover_challenge<'a>(&self, path: &'a ReturnPath) -> Option<&'a str> {
        let site = &self.gateway.site;
        let rest = path.as_str().strip_prefix(&site.path("handover"))?;
        let challenge = rest.strip_prefix("?c=")?;
        let is_digest = URL_SAFE_NO_PAD
            .decode(challenge)
            .is_ok_and(|bytes| bytes.len() == DIGEST);
        (site.framing().is_some() && is_digest).then_some(challenge)
    }

    /// The pages of ours that a sign-in may lead to although they lie under our own prefix.
    pub(super) fn ends_sign_in(&self, path: &ReturnPath) -> bool {
        let site = &self.gateway.site;
        let framed = site.framing().is_some() && path.as_str() == site.path("framed");
        framed || self.handover_challenge(path).is_some()
    }

    /// The page that passes a new session to the frame which waits for it.
    pub(super) fn hand_over(
        &self,
        parts: &Parts,
        session: &Session,
        challenge: &str,
        now: UnixTime,
    ) -> Option<Reply> {
        let gateway = &self.gateway;
        let content = match &session.ticket {
            Some(ticket) => Handed::Ticket(ticket.to_bytes().to_vec()),
            None => Handed::Session(session.to_bytes().ok()?.to_vec()),
        };
        let plaintext = zeroize::Zeroizing::new(postcard::to_allocvec(&(now, content)).ok()?);
        let sealed = gateway.store.keys.seal(
            &self.handover_binding(challenge),
            &plaintext,
            gateway.entropy.as_ref(),
        );
        let address = gateway.site.path("handover");
        Some(self.voice(parts).handover(&sealed, &address))
    }

    /// `POST /oauth2/handover`: the frame brings what the window gave it, and gets its session.
    pub(super) async fn take_over(
        &self,
        parts: &Parts,
        body: ClientBody,
        record: &mut Record,
    ) -> Result<Reply, Stop> {
        let gateway = &self.gateway;
        gateway
            .cross_site
            .check(&Method::POST, &parts.headers, &gateway.site)
            .map_err(|reason| gateway.forged(reason))?;
        let read = body::read_limited(body, MAX_HANDOVER).await;
        let sealed = read.map_err(|_| Fault::HandoverRefused)?;
        let (jar, now) = (Jar::from(parts), gateway.clock.now());
        let name = gateway.site.names().frame();
        let challenge = frame_secret(&jar, name)
            .map(|secret| digest(&secret))
            .ok_or(Fault::HandoverRefused)?;
        let opened = gateway
            .store
            .keys
            .open(&self.handover_binding(&challenge), &sealed)
            .map_err(|_| Fault::HandoverRefused)?;
        let (at, handed): (UnixTime, Handed) =
            postcard::from_bytes(&opened.plaintext).map_err(|_| Fault::HandoverRefused)?;
        let first = gateway
            .used_states
            .claim(&format!("handover {}", digest(&sealed)), now);
        if now.since(at) >= HANDOVER_LIFETIME || !first {
            return Err(Fault::HandoverRefused.into());
        }
        let sealed = match handed {
            Handed::Session(bytes) => {
                let session = Session::from_bytes(&bytes, &gateway.store.fence).ok();
                let session = session.filter(|session| {
                    !session.is_over(now, gateway.store.policy)
                        && !gateway.revocations.revokes(session)
                });
                let session = session.ok_or(Fault::HandoverRefused)?;
                let sealed = gateway.store.seal(&session, now);
                sealed.map_err(|_| Fault::SessionTooLarge)?
            }
            Handed::Ticket(bytes) => {
                let ticket = Ticket::from_bytes(&bytes).filter(|ticket| now < ticket.ends_at());
                let ticket = ticket.ok_or(Fault::HandoverRefused)?;
                gateway.store.seal_ticket(&ticket, now)
            }
        };
        tracing::info!(
            event = "sign_in.handed_over",
            request_id = record.id().as_str(),
            "A frame took over a session."
        );
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        set_cookies(&mut reply, self.keep_session(&sealed, &jar, None));
        set_cookies(&mut reply, [gateway.site.names().clear(name)]);
        Ok(reply)
    }

    fn handover_binding<'a>(&'a self, challenge: &'a str) -> Binding<'a> {
        let store = &self.gateway.store;
        Binding {
            purpose: Purpose::Handover,
            cookie: challenge,
            host: &store.host,
            tenant: &store.tenant,
        }
    }
}

/// What a window hands to a frame.
#[derive(serde::Serialize, serde::Deserialize)]
enum Handed {
    /// A session that lives in cookies.
    Session(Vec<u8>),
    /// The way to one that lives in the store.
    Ticket(Vec<u8>),
}

/// The secret that the frame's cookie holds; two different ones are none.
fn frame_secret(jar: &Jar<'_>, name: &str) -> Option<[u8; SECRET]> {
    let mut secrets = jar
        .crumbs()
        .filter(|crumb| crumb.name == name.as_bytes())
        .take(MAX_TWINS)
        .map(|crumb| URL_SAFE_NO_PAD.decode(crumb.value).ok());
    let first: [u8; SECRET] = secrets.next()??.try_into().ok()?;
    secrets
        .all(|other| other.is_some_and(|other| bool::from(other.ct_eq(&first))))
        .then_some(first)
}

fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

/// Bytes of a frame's secret.
const SECRET: usize = 32;

/// Bytes of its digest.
const DIGEST: usize = 32;

/// Cookies of the one name that are looked at.
const MAX_TWINS: usize = 4;

/// A sealed session is under 7 KB.
const MAX_HANDOVER: usize = 16 * 1024;

/// From the window to the frame a session takes a moment.
const HANDOVER_LIFETIME: std::time::Duration = std::time::Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header;
    use proptest::prelude::*;

    use super::*;

    fn secret_of(cookie: &str) -> Option<[u8; SECRET]> {
        let value = HeaderValue::try_from(cookie).expect("a field");
        let headers: HeaderMap = [(header::COOKIE, value)].into_iter().collect();
        frame_secret(&Jar::new(&headers, "/"), "f")
    }

    #[test]
    fn a_frame_has_one_secret() {
        let (one, other) = (
            URL_SAFE_NO_PAD.encode([1; SECRET]),
            URL_SAFE_NO_PAD.encode([2; SECRET]),
        );
        assert_eq!(secret_of(&format!("f={one}; f={one}")), Some([1; SECRET]));
        assert_eq!(secret_of(&format!("f={one}; f={other}")), None);
        assert_eq!(secret_of(&format!("f={one}x")), None);
        assert_eq!(secret_of("f=AAAA"), None);
        assert_eq!(secret_of("f="), None);
    }

    proptest! {
        #[test]
        fn no_cookie_makes_it_panic(value in "[!-:<-~]{0,60}") {
            let secret = secret_of(&format!("f={value}"));
            prop_assert!(secret.is_none() || value.len() == 43);
        }
    }
}
