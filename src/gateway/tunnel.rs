//! `WebSocket` tunnels: a well-formed handshake goes through, then bytes both ways until the session
//! ends, or the process. Then the client gets a close frame, unless a frame is under way: with code
//! 1008, or 1001.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::Version;
use http::header;
use http::request::Parts;
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;

use super::body::AnswerBody;
use super::frames;
use super::frames::Framed;
use super::pipeline::Stop;
use super::rules::Rule;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::cookies;
use crate::http::headers;
use crate::session::Session;
use crate::telemetry::metrics::labels::Held;
use crate::upstream::ResponseBody;

/// Whether a request is a WebSocket handshake (RFC 6455 §4.2.1). One that only nearly is gets
/// refused: it could open a tunnel past the rules. Other upgrades are not passed on.
pub(super) fn is_handshake(parts: &Parts) -> Result<bool, Fault> {
    let headers = &parts.headers;
    if parts.version != Version::HTTP_11 || !lists(headers, &header::UPGRADE, b"websocket") {
        return Ok(false);
    }
    let bodiless = !headers.contains_key(header::TRANSFER_ENCODING)
        && headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0");
    let key = one(headers, &header::SEC_WEBSOCKET_KEY)
        .is_some_and(|key| key.len() == 24 && key.ends_with(b"=="));
    let version = one(headers, &header::SEC_WEBSOCKET_VERSION) == Some(b"13");
    let well_formed = parts.method == Method::GET
        && lists(headers, &header::CONNECTION, b"upgrade")
        && one(headers, &header::UPGRADE)
            .is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    if well_formed && bodiless && key && version {
        Ok(true)
    } else {
        Err(Fault::BadUpgrade)
    }
}

impl Worker {
    /// Ties both sides of an accepted handshake together, until the end of `session`.
    pub(super) fn tunnel(
        &self,
        parts: &Parts,
        mut answer: Response<ResponseBody>,
        asked_for: bool,
        session: Option<&Arc<Session>>,
        rule: Option<&Arc<Rule>>,
    ) -> Result<Response<AnswerBody>, Stop> {
        let client = parts
            .extensions
            .get::<OnUpgrade>()
            .cloned()
            .filter(|_| asked_for);
        // A 101 that nobody asked for would turn the connection into a tunnel.
        let client = client.ok_or(Fault::UpstreamBroken)?;
        let upstream = hyper::upgrade::on(&mut answer);
        let stream = session.map(|session| self.streams.enter(session, rule));
        let drain = self.drain.clone();
        let open = self.meter.open(Held::Websocket);
        tokio::task::spawn_local(async move {
            let _open = open;
            let (Ok(client), Ok(upstream)) = (client.await, upstream.await) else {
                return;
            };
            let mut client = Framed::new(TokioIo::new(client));
            let mut upstream = TokioIo::new(upstream);
            let copy = tokio::io::copy_bidirectional(&mut client, &mut upstream);
            let end = async {
                match &stream {
                    Some(stream) => stream.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outcome = copy => {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "WebSocket broke off.");
                    }
                }
                () = end => say_goodbye(client, &frames::CLOSE).await,
                () = drain.cancelled() => say_goodbye(client, &frames::GOING_AWAY).await,
            }
        });
        let (mut head, _) = answer.into_parts();
        headers::clean_answer(&mut head.headers);
        headers::retain_set_cookies(&mut head.headers, |line| {
            cookies::sets_ours(line, self.gateway.site.names())
        });
        head.headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let mut reply = Response::new(AnswerBody::from(Full::default()));
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *reply.headers_mut() = head.headers;
        Ok(reply)
    }
}

/// Closes with a reason where that can be said; a client that does not read is not waited for.
async fn say_goodbye<S: AsyncWrite + Unpin>(mut client: Framed<S>, frame: &[u8]) {
    let goodbye = async {
        if client.is_between_frames() {
            client.write_all(frame).await?;
        }
        client.shutdown().await
    };
    if !matches!(tokio::time::timeout(GOODBYE, goodbye).await, Ok(Ok(()))) {
        tracing::debug!("A WebSocket's client did not take the end.");
    }
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, option: &[u8]) -> bool {
    let mut options = headers
        .get_all(name)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&b| b == b','));
    options.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
}

fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

/// How long a client may take to hear of the end.
const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use http::Request;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    fn handshake(method: &Method, fields: &[(&'static str, &'static str)]) -> Result<bool, Fault> {
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        for &(name, value) in fields {
            request.headers_mut().append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        is_handshake(&request.into_parts().0)
    }

    #[test]
    fn only_a_whole_handshake_passes() {
        assert_eq!(handshake(&Method::GET, &GOOD), Ok(true));
        assert_eq!(handshake(&Method::GET, &[]), Ok(false));
        assert_eq!(
            handshake(
                &Method::GET,
                &[("connection", "upgrade"), ("upgrade", "h2c")]
            ),
            Ok(false)
        );
        assert_eq!(handshake(&Method::POST, &GOOD), Err(Fault::BadUpgrade));
        for left_out in GOOD {
            let fields: Vec<_> = GOOD
                .into_iter()
                .filter(|field| *field != left_out)
                .collect();
            let expected = if left_out.0 == "upgrade" {
                Ok(false)
            } else {
                Err(Fault::BadUpgrade)
            };
            assert_eq!(
                handshake(&Method::GET, &fields),
                expected,
                "without {left_out:?}"
            );
        }
        for bad in [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("sec-websocket-key", "x"),
            ("upgrade", "h2c"),
        ] {
            let fields: Vec<_> = GOOD.into_iter().chain([bad]).collect();
            assert_eq!(
                handshake(&Method::GET, &fields),
                Err(Fault::BadUpgrade),
                "{bad:?}"
            );
        }
    }
}
