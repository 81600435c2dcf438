//! A wire between gateway and tenant: it keeps what passes, can hold token calls up, and can change
//! replies.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::browser::Answer;
use super::browser::exchange;

/// Changes the JSON of a reply of the token endpoint.
pub type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A running wire. It ends with the test's runtime.
#[derive(Clone)]
pub struct Tap(Arc<Wire>);

/// What passed.
#[derive(Clone, Debug)]
pub struct Passed {
    pub target: String,
    pub headers: http::HeaderMap,
    pub body: Bytes,
    pub reply: Bytes,
}

impl Passed {
    /// The request's body.
    pub fn asked(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The reply's body.
    pub fn replied(&self) -> Value {
        serde_json::from_slice(&self.reply).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

struct Wire {
    tenant: SocketAddr,
    address: SocketAddr,
    edit: Option<Edit>,
    passed: Mutex<Vec<Passed>>,
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Tap {
    /// A wire to the tenant at `tenant`.
    pub async fn start(tenant: SocketAddr, edit: Option<Edit>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let this = Self(Arc::new(Wire {
            tenant,
            address: listener.local_addr().expect("bound"),
            edit,
            passed: Mutex::default(),
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(true),
        }));
        let served = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                let service = service_fn(move |request| {
                    let served = served.clone();
                    async move { Ok::<_, Infallible>(served.pass(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        this
    }

    /// What the gateway takes for the tenant.
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The token calls so far, oldest first.
    pub fn token_calls(&self) -> Vec<Passed> {
        let passed = self.0.passed.lock().expect("whole");
        let token = passed.iter().filter(|one| one.target == TOKEN);
        token.cloned().collect()
    }

    /// From now on token calls wait.
    pub fn hold(&self) {
        self.0.open.send_replace(false);
    }

    /// Lets them go.
    pub fn release(&self) {
        self.0.open.send_replace(true);
    }

    /// Returns when `count` token calls have arrived since the start.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.0.arrived.subscribe();
        arrived.wait_for(|&seen| seen >= count).await.expect("runs");
    }

    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        #[expect(
            clippy::disallowed_methods,
            reason = "the gateway's own calls are small"
        )]
        let body = body.collect().await.expect("a whole body").to_bytes();
        let target = head.uri.path_and_query().expect("a target").to_string();
        if target == TOKEN {
            self.0.arrived.send_modify(|seen| *seen += 1);
            let mut open = self.0.open.subscribe();
            open.wait_for(|open| *open).await.expect("runs");
        }
        let headers = head.headers.clone();
        let request = Request::from_parts(head, Full::new(body.clone()));
        let mut answer = exchange(self.0.tenant, request).await;
        if target == TOKEN && answer.status == 200 {
            self.edit(&mut answer);
        }
        self.0.passed.lock().expect("whole").push(Passed {
            target,
            headers,
            body,
            reply: answer.body.clone(),
        });
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status.try_into().expect("a status");
        answer.headers.remove("transfer-encoding");
        *response.headers_mut() = answer.headers;
        response
    }

    fn edit(&self, answer: &mut Answer) {
        // A faulty reply passes as it is.
        if let Some(edit) = &self.0.edit
            && let Ok(mut reply) = serde_json::from_slice(&answer.body)
        {
            edit(&mut reply);
            answer.body = reply.to_string().into();
            answer.headers.remove("content-length");
        }
    }
}

const TOKEN: &str = "/v2/token";
