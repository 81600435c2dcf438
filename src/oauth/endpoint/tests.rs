use std::num::NonZeroU64;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::crypto::secret::ClientSecret;
use crate::http::Origin;
use crate::oauth::client_secrets::ClientSecrets;
use crate::oauth::fence::Fence;
use crate::oauth::permissions::Permissions;
use crate::oauth::provider::Client;
use crate::oauth::provider::ClientId;
use crate::oauth::provider::Pkce;
use crate::oauth::provider::Provider;
use crate::oauth::provider::Scope;
use crate::oauth::tenant::Subdomain;
use crate::time::ManualClock;
use crate::time::UnixTime;

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);
const REDIRECT: &str = "https://tool.example.com/oauth2/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const TOKENS: &str = r#"{"access_token":"at-1","refresh_token":"rt-1","token_type":"Bearer",
    "expires_in":1079,"rest_instance_url":"https://mcabc.rest.marketingcloudapis.com/"}"#;

/// Answers one connection with each of `replies`, then stops listening; gives the requests.
struct Server {
    origin: Origin,
    requests: JoinHandle<Vec<Request>>,
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

impl Server {
    async fn start(replies: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = tokio::spawn(async move {
            let mut requests = vec![];
            for reply in replies {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                requests.push(read_request(&mut stream).await);
                // The client may have read enough, and hung up.
                drop(stream.write_all(reply.as_bytes()).await);
                drop(stream.shutdown().await);
            }
            requests
        });
        Self {
            origin: Origin::parse(&origin).expect("an origin"),
            requests,
        }
    }

    async fn requests(self) -> Vec<Request> {
        self.requests.await.expect("the server ended")
    }
}

async fn read_request(stream: &mut TcpStream) -> Request {
    let mut bytes = vec![];
    let end = loop {
        assert_ne!(stream.read_buf(&mut bytes).await.expect("a head"), 0);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().expect("a length"))
    });
    while bytes.len() < end + length.unwrap_or(0) {
        assert_ne!(stream.read_buf(&mut bytes).await.expect("a body"), 0);
    }
    Request {
        head,
        body: bytes[end..].to_vec(),
    }
}

fn reply(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    )
}

fn ok(body: &str) -> String {
    reply("200 OK", "Content-Type: application/json\r\n", body)
}

fn refused(code: &str) -> String {
    let body = json!({ "error": code, "error_description": "hunter2" });
    reply("401 Unauthorized", "", &body.to_string())
}

fn provider(auth: Origin, client: Client) -> Provider {
    Provider {
        subdomain: Subdomain::parse("mcabc").expect("a label"),
        client_id: ClientId::parse("client-1").expect("visible"),
        client,
        scope: None,
        business_unit: None,
        permissions: Permissions::default(),
        pkce: Pkce::S256,
        auth,
        fence: Fence::marketing_cloud(),
        partner: None,
    }
}

fn web(next: Option<&str>) -> Client {
    let secret = |text: &str| ClientSecret::parse(text).expect("a secret");
    Client::Web(ClientSecrets::new(secret("secret-1"), next.map(secret)))
}

fn client_of(provider: Provider) -> ProviderClient {
    let clock = Arc::new(ManualClock::at(NOW));
    ProviderClient::new(Arc::new(provider), REDIRECT.to_owned(), clock).expect("a client")
}

fn code() -> AuthorizationCode {
    AuthorizationCode::parse("code-1").expect("visible")
}

fn token() -> RefreshToken {
    RefreshToken::parse("rt-0").expect("visible")
}

/// The outcome of one refresh that is answered by `reply`.
async fn refresh_answered(reply: String) -> Result<Granted, TokenError> {
    let server = Server::start(vec![reply]).await;
    let client = client_of(provider(server.origin.clone(), web(None)));
    let outcome = client.refresh(&token(), None).await;
    assert_eq!(server.requests().await.len(), 1);
    outcome
}

#[tokio::test]
async fn a_web_app_sends_its_secret_and_what_is_configured() {
    let server = Server::start(vec![ok(TOKENS)]).await;
    let provider = Provider {
        scope: Scope::parse(&["email_read", "offline"]).ok(),
        business_unit: NonZeroU64::new(7_281_698).map(BusinessUnit),
        ..provider(server.origin.clone(), web(None))
    };
    let client = client_of(provider);
    let verifier = CodeVerifier::parse(VERIFIER).ok();
    let granted = client.exchange(code(), verifier).await.expect("tokens");
    assert_eq!(granted.tokens.access.expose(), "at-1");
    let end = NOW.plus(Duration::from_secs(1079));
    assert_eq!(granted.tokens.expires_at, end);
    let requests = server.requests().await;
    let head = &requests[0].head;
    assert!(head.starts_with("POST /v2/token HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(
        requests[0].json(),
        json!({
            "grant_type": "authorization_code",
            "code": "code-1",
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            "scope": "email_read offline",
            "client_id": "client-1",
            "client_secret": "secret-1",
            "account_id": 7_281_698,
        })
    );
}

#[tokio::test]
async fn a_public_app_sends_neither_secret_nor_anything_unset() {
    let server = Server::start(vec![ok(TOKENS), ok(TOKENS)]).await;
    let client = client_of(provider(server.origin.clone(), Client::Public));
    client.exchange(code(), None).await.expect("tokens");
    let unit = NonZeroU64::new(42).map(BusinessUnit);
    client.refresh(&token(), unit).await.expect("tokens");
    let requests = server.requests().await;
    assert_eq!(
        requests[0].json(),
        json!({
            "grant_type": "authorization_code",
            "code": "code-1",
            "redirect_uri": REDIRECT,
            "client_id": "client-1",
        })
    );
    assert_eq!(
        requests[1].json(),
        json!({
            "grant_type": "refresh_token",
            "refresh_token": "rt-0",
            "client_id": "client-1",
            "account_id": 42,
        })
    );
}

#[tokio::test]
async fn userinfo_is_asked_with_the_bearer_token() {
    // More than a token reply may have.
    let permissions = vec![json!({ "name": "Update", "id": 123 }); 10_000];
    let body = json!({ "user": { "sub": "7" }, "permissions": permissions }).to_string();
    let server = Server::start(vec![ok(&body)]).await;
    let client = client_of(provider(server.origin.clone(), Client::Public));
    let token = AccessToken::parse("at-1").expect("visible");
    let identity = client.userinfo(&token).await.expect("a person");
    assert_eq!(identity.sub, "7");
    let requests = server.requests().await;
    let head = &requests[0].head;
    assert!(head.starts_with("GET /v2/userinfo HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer at-1\r\n"), "{head}");
}

#[tokio::test]
async fn a_refusal_is_known_by_its_code_in_either_dialect() {
    let oauth = refresh_answered(refused("invalid_grant")).await;
    let error = oauth.expect_err("refused");
    assert_eq!(error, TokenError::Refused(TokenErrorCode::InvalidGrant));
    assert_eq!(error.consequence(), Consequence::EndSession);
    let body = r#"{"message":"Not Authorized","errorcode":0,"documentation":""}"#;
    let rest = refresh_answered(reply("401 Unauthorized", "", body)).await;
    let error = rest.expect_err("refused");
    assert_eq!(error, TokenError::Refused(TokenErrorCode::InvalidToken));
}

#[tokio::test]
async fn an_error_that_nobody_can_read_ends_no_session() {
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden"] {
        for body in ["", "<html>denied by the firewall</html>", "{}"] {
            let outcome = refresh_answered(reply(status, "", body)).await;
            let error = outcome.expect_err("an error status");
            assert!(matches!(error, TokenError::BadReply(_)), "{error:?}");
            assert_eq!(error.consequence(), Consequence::KeepAndRetry);
        }
    }
    // A refusal inside a success is none.
    let outcome = refresh_answered(ok(r#"{"error":"invalid_grant"}"#)).await;
    let error = outcome.expect_err("no tokens");
    assert_eq!(error.consequence(), Consequence::KeepAndRetry);
}

#[tokio::test]
async fn an_overloaded_provider_says_when_to_come_back() {
    let body = r#"{"error":"invalid_grant"}"#;
    for (status, fields, why, seconds) in [
        (
            "429 Slow",
            "Retry-After: 7\r\n",
            Outage::RateLimited,
            Some(7),
        ),
        ("429 Slow", "", Outage::RateLimited, None),
        (
            "503 Busy",
            "Retry-After: 9999\r\n",
            Outage::Status(503),
            Some(300),
        ),
        ("500 Oops", "", Outage::Status(500), None),
        ("596 None", "", Outage::Status(596), None),
        ("408 Late", "", Outage::Status(408), None),
    ] {
        let outcome = refresh_answered(reply(status, fields, body)).await;
        let error = outcome.expect_err(status);
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(error, TokenError::Unavailable { retry_after, why });
        assert_eq!(error.consequence(), Consequence::KeepAndRetry);
        let fault = match (why, seconds) {
            (Outage::RateLimited, Some(_)) => Fault::ProviderThrottled,
            (Outage::RateLimited, None) => Fault::ProviderBlocked,
            (Outage::Status(596), _) => Fault::ProviderGone,
            _ => Fault::ProviderUnavailable,
        };
        assert_eq!(error.fault(), fault);
    }
}

#[tokio::test]
async fn garbage_is_a_bad_reply() {
    for body in ["", "null", "<html></html>", r#"{"access_token":"at"}"#] {
        let error = refresh_answered(ok(body)).await.expect_err(body);
        assert!(
            matches!(error, TokenError::BadReply(_)),
            "{body}: {error:?}"
        );
        assert_eq!(error.fault(), Fault::BadProviderReply);
    }
    let outside = TOKENS.replace("mcabc.rest", "evil.example/.rest");
    let error = refresh_answered(ok(&outside)).await.expect_err("outside");
    assert_eq!(error.fault(), Fault::OutsideFence);
    let broken = refresh_answered("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into()).await;
    let error = broken.expect_err("cut off");
    let why = Outage::Broken;
    let retry_after = None;
    assert_eq!(error, TokenError::Unavailable { retry_after, why });
}

#[tokio::test]
async fn a_huge_reply_is_not_read_to_its_end() {
    let padding = " ".repeat(64 * 1024 + 1);
    let announced = ok(&format!("{TOKENS}{padding}"));
    let streamed = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{TOKENS}{padding}");
    let refusal = reply("400 Bad Request", "", &padding);
    for reply in [announced, streamed, refusal] {
        let error = refresh_answered(reply).await.expect_err("too large");
        assert_eq!(error, TokenError::BadReply(ReplyError::TooLarge));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = "Location: /v2/token\r\n";
        let outcome = refresh_answered(reply(status, location, TOKENS)).await;
        let error = outcome.expect_err("not followed");
        assert_eq!(error.fault(), Fault::BadProviderReply);
    }
}

#[tokio::test]
async fn the_staged_secret_takes_over_and_is_remembered() {
    let replies = [refused("invalid_client"), ok(TOKENS), ok(TOKENS)];
    let server = Server::start(replies.into()).await;
    let client = client_of(provider(server.origin.clone(), web(Some("secret-2"))));
    client.refresh(&token(), None).await.expect("second secret");
    client.refresh(&token(), None).await.expect("remembered");
    let used: Vec<Value> = server
        .requests()
        .await
        .iter()
        .map(|request| request.json()["client_secret"].clone())
        .collect();
    assert_eq!(used, ["secret-1", "secret-2", "secret-2"]);
}

#[tokio::test]
async fn when_neither_secret_works_each_is_tried_once() {
    let replies = [refused("invalid_client"), refused("invalid_client")];
    let server = Server::start(replies.into()).await;
    let client = client_of(provider(server.origin.clone(), web(Some("secret-2"))));
    let error = client.refresh(&token(), None).await.expect_err("neither");
    assert_eq!(error, TokenError::Refused(TokenErrorCode::InvalidClient));
    assert_eq!(error.consequence(), Consequence::Misconfigured);
    assert_eq!(error.fault(), Fault::ClientRefused);
    assert_eq!(server.requests().await.len(), 2);
}

#[tokio::test]
async fn a_provider_that_is_away_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let client = client_of(provider(Origin::parse(&origin).unwrap(), Client::Public));
    let error = client.refresh(&token(), None).await.expect_err("nobody");
    let why = Outage::Connect;
    let retry_after = None;
    assert_eq!(error, TokenError::Unavailable { retry_after, why });
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let client = client_of(provider(Origin::parse(&origin).unwrap(), Client::Public));
    let start = tokio::time::Instant::now();
    let error = client.refresh(&token(), None).await.expect_err("silence");
    assert!(start.elapsed() <= CALL_DEADLINE + Duration::from_millis(2));
    let why = Outage::Timeout;
    let retry_after = None;
    assert_eq!(error, TokenError::Unavailable { retry_after, why });
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider_of_tls = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider_of_tls)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let origin = format!("https://{}", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.is_err()
    });
    let client = client_of(provider(Origin::parse(&origin).unwrap(), web(None)));
    let error = client.refresh(&token(), None).await.expect_err("no trust");
    let why = Outage::Connect;
    let retry_after = None;
    assert_eq!(error, TokenError::Unavailable { retry_after, why });
    assert!(
        server.await.expect("the server ended"),
        "no secret was sent"
    );
}

#[test]
fn secrets_do_not_leave_in_plain_text() {
    let origin = Origin::parse("http://auth.example.com").expect("an origin");
    let provider = Arc::new(provider(origin, web(None)));
    let clock = Arc::new(ManualClock::at(NOW));
    let outcome = ProviderClient::new(provider, REDIRECT.to_owned(), clock);
    assert!(matches!(outcome, Err(ClientError::PlainText)));
}

#[tokio::test]
async fn errors_show_nothing_that_was_sent_or_received() {
    let bodies = [
        refused("invalid_grant"),
        refused("hunter2"),
        ok(r#"{"access_token":"hunter2","token_type":"hunter2"}"#),
        ok(r#"{"access_token":{"hunter2":1}}"#),
        reply("500 hunter2", "", "hunter2"),
    ];
    for body in bodies {
        let error = refresh_answered(body).await.expect_err("an error");
        let shown = format!("{error} {error:?}");
        for secret in ["hunter2", "secret-1", "rt-0", "127.0.0.1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
