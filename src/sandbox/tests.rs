//! The sandbox and the tool, driven over real sockets.

mod faults;
mod oauth;
mod resources;
mod tool;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client as HttpClient;
use reqwest::RequestBuilder;
use reqwest::Response;
use reqwest::redirect;
use serde_json::Value;
use serde_json::json;
use url::Url;

use super::*;
use crate::crypto::OsEntropy;
use crate::time::ManualClock;
use crate::time::UnixTime;

/// A sandbox with a clock that stands still, and a client for it.
struct Rig {
    sandbox: Sandbox,
    clock: Arc<ManualClock>,
    http: HttpClient,
}

/// The verifier and the challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "http://127.0.0.1:8080/oauth2/callback";

impl Rig {
    async fn start(settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(UnixTime::from_millis(1_772_700_000_000)));
        let shared: Arc<dyn Clock> = clock.clone();
        let sandbox = Sandbox::start(settings, shared, Arc::new(OsEntropy));
        Self {
            sandbox: sandbox.await.expect("a free port"),
            clock,
            http: http_client(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.origin())
    }

    /// An authorization request of the public client, changed and completed by `more`.
    async fn authorize(&self, more: &[(&str, &str)]) -> Response {
        let mut url = Url::parse(&self.url("/v2/authorize")).expect("a URL");
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", "sandbox-public-client"),
            ("redirect_uri", REDIRECT_URI),
            ("state", "s t&te"),
        ];
        fields.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        url.query_pairs_mut()
            .extend_pairs(fields.iter().chain(more));
        self.http.get(url).send().await.expect("a reply")
    }

    /// A code for `person`, with a challenge.
    async fn code(&self, person: &str) -> String {
        let pkce = [
            ("login_hint", person),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let reply = self.authorize(&pkce).await;
        query_of(&reply, "code").expect("a code")
    }

    async fn token(&self, body: Value) -> (u16, Value) {
        let request = self.http.post(self.url("/v2/token")).json(&body);
        answer(request).await
    }

    /// The tokens of `person`.
    async fn sign_in(&self, person: &str) -> Value {
        let code = self.code(person).await;
        let (status, tokens) = self.token(code_grant(&code)).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    async fn refresh(&self, tokens: &Value) -> (u16, Value) {
        self.token(json!({
            "grant_type": "refresh_token",
            "client_id": "sandbox-public-client",
            "refresh_token": tokens["refresh_token"],
        }))
        .await
    }

    fn get(&self, path: &str, tokens: &Value) -> RequestBuilder {
        self.request(reqwest::Method::GET, path, tokens)
    }

    fn request(&self, method: reqwest::Method, path: &str, tokens: &Value) -> RequestBuilder {
        let token = tokens["access_token"].as_str().expect("a token");
        self.http.request(method, self.url(path)).bearer_auth(token)
    }
}

fn http_client() -> HttpClient {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    HttpClient::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client")
}

fn code_grant(code: &str) -> Value {
    json!({
        "grant_type": "authorization_code",
        "client_id": "sandbox-public-client",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    })
}

/// Status and JSON of an answer.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let reply = request.send().await.expect("a reply");
    let status = reply.status().as_u16();
    (status, reply.json().await.unwrap_or_default())
}

/// A parameter of the redirect in a reply.
fn query_of(reply: &Response, name: &str) -> Option<String> {
    let location = reply.headers().get("location")?.to_str().ok()?;
    let url = Url::parse(location).ok()?;
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn it_stops_when_told_and_when_dropped() {
    let rig = Rig::start(Settings::default()).await;
    let url = rig.url("/");
    rig.http.get(&url).send().await.expect("it is up");
    rig.sandbox.shutdown().await;
    rig.http.get(&url).send().await.expect_err("it is down");

    let tool = Tool::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("a port");
    let url = tool.origin().to_string();
    rig.http.get(&url).send().await.expect("it is up");
    drop(tool);
    while rig.http.get(&url).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_control_interface_works_over_http() {
    let rig = Rig::start(Settings::default()).await;
    let faults = json!({"token": {"fault": "500", "times": 1}, "rest": {"fault": "reset"}});
    let request = rig.http.put(rig.url("/sandbox/faults")).json(&faults);
    assert_eq!(answer(request).await, (200, faults.clone()));
    assert_eq!(rig.token(code_grant("x")).await.0, 500);
    assert_eq!(rig.token(code_grant("x")).await.0, 400);

    let (_, counted) = answer(rig.http.get(rig.url("/sandbox/stats"))).await;
    assert_eq!(counted["token_calls"], 2);
    let (_, requests) = answer(rig.http.get(rig.url("/sandbox/requests"))).await;
    assert_eq!(requests[0]["target"], "/v2/token");

    let (status, _) = answer(rig.http.post(rig.url("/sandbox/reset"))).await;
    let (_, armed) = answer(rig.http.get(rig.url("/sandbox/faults"))).await;
    assert_eq!((status, armed), (200, json!({})));
    assert_eq!(rig.sandbox.control().stats(), Stats::default());

    let wrong = json!({"token": {"fault": "boom"}});
    let request = rig.http.put(rig.url("/sandbox/faults")).json(&wrong);
    assert_eq!(answer(request).await.0, 400);
    let stranger = rig.http.post(rig.url("/sandbox/revoke_all"));
    let stranger = stranger.header("origin", "https://evil.example");
    assert_eq!(answer(stranger).await.0, 403);
}
