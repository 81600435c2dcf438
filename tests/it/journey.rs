//! Calls of Journey Builder's servers: signed by the package or refused, and never anybody's session.

use bytes::Bytes;
use http::Method;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;
use sidegate::sandbox::Recorded;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::browser::exchange;
use crate::support::browser::request;

async fn gate() -> Gate {
    gate_with("").await
}

async fn gate_with(top: &str) -> Gate {
    Gate::with(Plan {
        top: top.to_owned(),
        marketing_cloud: "  jwt_signing_secret: sandbox-signing-secret-do-not-use\n".to_owned(),
        routes: "
  - { path: /echo/activity/, to: TOOL, access: journey_builder }
  - { path: /echo/claims/, to: TOOL, access: journey_builder, journey_body: decoded, body_size: 2 KiB }
  - { path: /, to: TOOL }
"
        .to_owned(),
        ..Plan::default()
    })
    .await
}

async fn send(
    gate: &Gate,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    exchange(
        gate.address(),
        request(gate.address(), method, path, fields, body),
    )
    .await
}

/// As Marketing Cloud's servers do.
const CALL: [(&str, &str); 1] = [("content-type", "application/jwt")];

fn last(gate: &Gate) -> Recorded {
    gate.tool.requests().pop().expect("a request")
}

fn field<'a>(recorded: &'a Recorded, name: &str) -> Option<&'a str> {
    let mut fields = recorded.headers.iter();
    fields
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn digest(body: &str) -> String {
    let hex = |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16));
    Sha256::digest(body)
        .iter()
        .flat_map(hex)
        .flatten()
        .collect()
}

#[tokio::test]
async fn a_signed_call_passes_without_a_session() {
    let gate = gate().await;
    let claims = json!({ "activityId": "a-1", "inArguments": [{ "email": "x@example.com" }] });
    let signed = gate.control().signed_call(&claims);
    for step in ["save", "publish", "validate", "stop", "execute"] {
        let path = format!("/echo/activity/{step}");
        let answer = send(&gate, Method::POST, &path, &CALL, &signed).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = last(&gate);
        assert_eq!(seen.target, path);
        assert_eq!(seen.body_sha256, digest(&signed), "byte for byte");
        assert_eq!(field(&seen, "content-type"), Some("application/jwt"));
        assert_eq!(field(&seen, "x-marketing-cloud-journey"), Some("verified"));
        assert_eq!(field(&seen, "authorization"), None);
        assert_eq!(field(&seen, "x-forwarded-user"), None);
    }
    // Decoded: the claims, as they were signed.
    send(&gate, Method::POST, "/echo/claims/execute", &CALL, &signed).await;
    let seen = last(&gate);
    assert_eq!(field(&seen, "content-type"), Some("application/json"));
    assert_eq!(seen.body_sha256, digest(&claims.to_string()));
    let length = claims.to_string().len().to_string();
    assert_eq!(field(&seen, "content-length"), Some(length.as_str()));
}

#[tokio::test]
async fn what_the_package_did_not_sign_is_refused() {
    let gate = gate().await;
    let signed = gate.control().signed_call(&json!({ "a": 1 }));
    let (head, signature) = signed.rsplit_once('.').expect("three parts");
    let (header, payload) = head.split_once('.').expect("three parts");
    let none = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let expired = gate.control().signed_call(&json!({ "exp": 1_600_000_000 }));
    let before = gate.tool.requests().len();
    for body in [
        "",
        "{}",
        "jwt",
        &none,
        &expired,
        &format!("{header}.{payload}."),
        &format!("{header}.e30.{signature}"),
        &format!("eyJhbGciOiJSUzI1NiJ9.{payload}.{signature}"),
    ] {
        let answer = send(&gate, Method::POST, "/echo/activity/execute", &CALL, body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "SG-2060"),
            "{body}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for kind in [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/html",
    ] {
        let fields = [("content-type", kind)];
        let answer = send(
            &gate,
            Method::POST,
            "/echo/activity/execute",
            &fields,
            &signed,
        )
        .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "SG-2060"),
            "{kind}"
        );
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let body = if method == Method::GET {
            ""
        } else {
            signed.as_str()
        };
        let answer = send(&gate, method.clone(), "/echo/activity/execute", &CALL, body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "SG-1005"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), "POST");
    }
    assert_eq!(
        gate.tool.requests().len(),
        before,
        "the tool saw nothing of it"
    );
}

#[tokio::test]
async fn a_session_does_not_stand_in_for_a_signature() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    let answer = browser.post("/echo/activity/execute", "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2060"));
    // Nor may a client say that the gateway has verified something.
    let forged = [
        ("x-marketing-cloud-journey", "verified"),
        ("x_marketing_cloud_journey", "verified"),
    ];
    browser.send(Method::GET, "/", &forged, Bytes::new()).await;
    let seen = last(&gate);
    assert_eq!(field(&seen, "x-marketing-cloud-journey"), None);
    assert_eq!(field(&seen, "x_marketing_cloud_journey"), None);
}

/// A proxy in front that lets the gateway decide forwards the body itself, so that nobody has looked for
/// a signature.
#[tokio::test]
async fn a_proxy_in_front_is_not_told_that_a_session_will_do() {
    let with_field = gate_with("auth_path_header: X-Original-URI\n").await;
    let without = gate().await;
    for (gate, fields, (status, code)) in [
        (
            &with_field,
            &[("x-original-uri", "/echo/activity/execute")][..],
            (403, "SG-2062"),
        ),
        (
            &with_field,
            &[("x-original-uri", "/echo/claims/execute?x")],
            (403, "SG-2062"),
        ),
        (&with_field, &[("x-original-uri", "/echo/x")], (202, "")),
        (&with_field, &[], (403, "SG-2061")),
        // Who names the path may be the client.
        (&without, &[("x-original-uri", "/echo/x")], (403, "SG-2061")),
        (&without, &[], (403, "SG-2061")),
    ] {
        let mut browser = gate.signed_in("ada").await;
        let mut all = SCRIPT.to_vec();
        all.extend(fields);
        let answer = browser
            .send(Method::GET, "/oauth2/auth", &all, Bytes::new())
            .await;
        assert_eq!(answer.status, status, "{fields:?}: {answer:?}");
        if status != 202 {
            assert_eq!(answer.code(), code, "{fields:?}");
        }
    }
}

/// While a file is written, half a secret stands in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_secret_signs_nothing() {
    const SECRET: &str = "a-signing-secret-of-the-package";
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("secret");
    std::fs::write(&file, SECRET).expect("written");
    let gate = Gate::with(Plan {
        marketing_cloud: format!("  jwt_signing_secret: {{ file: {} }}\n", file.display()),
        routes:
            "\n  - { path: /echo/, to: TOOL, access: journey_builder }\n  - { path: /, to: TOOL }\n"
                .to_owned(),
        ..Plan::default()
    })
    .await;
    let signed = |secret: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::encode(&header, &json!({ "a": 1 }), &key).expect("signs")
    };
    for half in ["a", " ", "a-sign"] {
        std::fs::write(&file, half).expect("written");
        tokio::task::block_in_place(|| gate.app().reread());
        for (secret, refused) in [(half, true), (SECRET, false)] {
            let answer = send(&gate, Method::POST, "/echo/x", &CALL, &signed(secret)).await;
            assert_eq!(
                answer.status == 401,
                refused,
                "{half:?} {secret:?}: {answer:?}"
            );
        }
    }
    let other = "another-signing-secret-of-the-package";
    std::fs::write(&file, other).expect("written");
    tokio::task::block_in_place(|| gate.app().reread());
    for (secret, refused) in [(SECRET, true), (other, false)] {
        let answer = send(&gate, Method::POST, "/echo/x", &CALL, &signed(secret)).await;
        assert_eq!(answer.status == 401, refused, "{secret:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_call_has_a_size() {
    let gate = gate().await;
    for (path, size) in [
        ("/echo/activity/x", 520 * 1024),
        ("/echo/claims/x", 3 * 1024),
    ] {
        let answer = send(&gate, Method::POST, path, &CALL, &"a".repeat(size)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "SG-1007"),
            "{path}"
        );
    }
}
