//! Calls and uploads that stand while their client is silent: once the answer has begun, silence is no
//! fault, and before that it is.

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::server::Server;
use crate::support::server::Speech;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_the_silence_of_its_client() {
    let place = Place::with("body_progress: 2s").await;
    let mut call = Call::to(&place.gate, "application/grpc+proto").await;
    assert_eq!(call.echo("hello").await.as_deref(), Some("hello"));
    place.patience_ends().await;
    place.patience_ends().await;
    assert_eq!(call.echo("still here").await.as_deref(), Some("still here"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_which_nothing_passes_is_ended() {
    let place = Place::with("stream_idle: 2s").await;
    let mut call = Call::to(&place.gate, "application/grpc").await;
    assert_eq!(call.echo("hello").await.as_deref(), Some("hello"));
    let end = call.next().await;
    assert_eq!(end, None, "a reset, and nothing that looks like an end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_answer_has_begun_may_pause() {
    let place = Place::with("body_progress: 2s").await;
    let mut wire = Wire::connect(place.gate.address()).await;
    let host = place.gate.address();
    wire.send(format!(
        "POST /tell HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    ))
    .await;
    let head = wire.head().await.expect("an answer");
    assert!(head.contains(" 200 "), "{head}");
    let mut body = Vec::new();
    assert_eq!(wire.chunk(&mut body).await, Some(true));
    assert_eq!(body, b"going");
    place.patience_ends().await;
    place.patience_ends().await;
    wire.send("2\r\ncd\r\n0\r\n\r\n").await;
    while wire.chunk(&mut body).await.expect("a whole answer") {}
    assert_eq!(body, b"going abcd");
}

/// A gateway in front of a service that echoes, a tool that answers while it reads, and one that is mute.
struct Place {
    gate: Gate,
    _tools: [Puppet; 2],
}

impl Place {
    async fn with(timeouts: &str) -> Self {
        let speech = Speech {
            h2: true,
            ..Speech::default()
        };
        let service = Server::start(speech, async |request: Request<Incoming>| {
            Response::new(
                request
                    .into_body()
                    .map_err(|error| panic!("{error}"))
                    .boxed(),
            )
        })
        .await;
        let mute = Puppet::playing(|_, mut line| async move {
            line.wire.rest().await;
        })
        .await;
        let tell = Puppet::playing(|_, mut line| async move {
            line.wire.head().await;
            line.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ngoing\r\n")
                .await;
            let mut body = b" ".to_vec();
            while line.wire.chunk(&mut body).await == Some(true) {}
            let text = String::from_utf8_lossy(&body).into_owned();
            let size = body.len();
            line.say(format!("{size:x}\r\n{text}\r\n0\r\n\r\n")).await;
        })
        .await;
        let gate = Gate::with(Plan {
            top: format!("h2c: true\ntimeouts: {{ {timeouts} }}"),
            routes: format!(
                "
  - {{ path: /, to: \"http://{}\", access: public, protocol: h2 }}
  - {{ path: /mute, to: \"{}\", access: public }}
  - {{ path: /tell, to: \"{}\", access: public }}
",
                service.address,
                mute.origin(),
                tell.origin()
            ),
            ..Plan::default()
        })
        .await;
        Self {
            gate,
            _tools: [mute, tell],
        }
    }

    /// Waits until a client that began now has been silent for too long.
    async fn patience_ends(&self) {
        let mut wire = Wire::connect(self.gate.address()).await;
        let host = self.gate.address();
        wire.send(format!(
            "POST /mute HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nabc"
        ))
        .await;
        assert_eq!(wire.message().await.expect("an answer").status(), 408);
    }
}

/// A call that goes both ways.
struct Call {
    say: mpsc::Sender<String>,
    answer: Incoming,
    _connection: http2::SendRequest<Says>,
}

type Says = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

impl Call {
    async fn to(gate: &Gate, kind: &str) -> Self {
        let stream = TcpStream::connect(gate.address()).await.expect("connects");
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut connection, driver) = handshake.expect("a handshake");
        tokio::spawn(driver);
        let (say, said) = mpsc::channel::<String>(1);
        let frames = futures_util::stream::unfold(said, async |mut said| {
            let frame = Frame::data(Bytes::from(said.recv().await?));
            Some((Ok::<_, std::convert::Infallible>(frame), said))
        });
        let request = Request::post(format!("http://{}/svc/Chat", gate.address()))
            .header("content-type", kind)
            .body(StreamBody::new(Box::pin(frames)).boxed_unsync())
            .expect("a request");
        let answer = connection.send_request(request).await.expect("an answer");
        Self {
            say,
            answer: answer.into_body(),
            _connection: connection,
        }
    }

    async fn echo(&mut self, text: &str) -> Option<String> {
        self.say.send(text.to_owned()).await.expect("it is read");
        self.next().await
    }

    /// What is said next; `None` if the call broke off.
    async fn next(&mut self) -> Option<String> {
        let frame = self.answer.frame().await.expect("no good end").ok()?;
        let data = frame.into_data().expect("data");
        Some(String::from_utf8_lossy(&data).into_owned())
    }
}
