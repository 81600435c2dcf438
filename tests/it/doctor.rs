//! The doctor, called to a patient with one ailment at a time.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use sidegate::doctor::Cause;
use sidegate::doctor::Finding;
use sidegate::doctor::Status;
use sidegate::sandbox::Client;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;
use sidegate::time::Clock;
use sidegate::time::ManualClock;
use sidegate::time::SystemClock;

use crate::support::Gate;
use crate::support::Patient;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::gate::PUBLIC;
use crate::support::gate::free_port;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_in_good_health() {
    let gate = Gate::start().await;
    let found = Patient::of(&gate).examine().await;
    let told: Vec<_> = found
        .iter()
        .map(|finding| (finding.name.as_ref(), finding.status))
        .collect();
    let upstream = format!("upstream {}", gate.tool.origin());
    let api = format!("API host {}", gate.sandbox.origin());
    assert_eq!(
        told,
        [
            // Plain http, another provider and its fence.
            ("configuration", Status::Warning),
            ("session keys", Status::Ok),
            ("cookie size", Status::Ok),
            ("session store", Status::Ok),
            ("public URL", Status::Ok),
            ("clock", Status::Ok),
            ("authorize endpoint", Status::Ok),
            ("token endpoint, client_secret", Status::Ok),
            (api.as_str(), Status::Ok),
            (upstream.as_str(), Status::Ok),
        ],
        "{found:#?}"
    );
    assert_eq!(gate.control().stats().token_calls, 1);
    assert!(gate.tool.requests().is_empty(), "only connected to");
    let size = &one(&found, "cookie size").detail;
    assert!(
        size.contains("in one cookie") && size.contains("in 2 cookies"),
        "{size}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_token_endpoint_is_told_apart() {
    let gate = Gate::start().await;
    let configured = Some(Cause::Configuration);
    let away = Some(Cause::Surroundings);
    for (fault, cause, code) in [
        (Fault::InvalidGrant, None, None),
        (Fault::Slow { ms: 10 }, None, None),
        (Fault::InvalidClient, configured, Some("SG-2011")),
        (Fault::Unauthorized, configured, Some("SG-2011")),
        (Fault::Forbidden, configured, Some("SG-2004")),
        (
            Fault::TooManyRequests {
                retry_after: Some(7),
            },
            away,
            Some("SG-3010"),
        ),
        (
            Fault::TooManyRequests { retry_after: None },
            away,
            Some("SG-3012"),
        ),
        (Fault::InternalError, away, Some("SG-2014")),
        (Fault::Unavailable, away, Some("SG-2014")),
        (Fault::ServiceNotFound, away, Some("SG-3011")),
        (Fault::LoseReply, away, Some("SG-2014")),
        (Fault::Reset, away, Some("SG-2014")),
        (Fault::Garbage, away, Some("SG-2012")),
        (Fault::Html, away, Some("SG-2012")),
        (Fault::Huge, away, Some("SG-2012")),
        (Fault::Redirect, away, Some("SG-2012")),
        (Fault::WrongTypes, away, Some("SG-2012")),
    ] {
        gate.control().set_fault(Place::Token, fault.clone(), None);
        let found = Patient::of(&gate).examine().await;
        let token = one(&found, "token endpoint, client_secret");
        assert_eq!(
            (token.cause, token.code),
            (cause, code),
            "{fault:?}: {token:?}"
        );
        assert_eq!(
            token.advice.is_some(),
            cause.is_some(),
            "{fault:?}: {token:?}"
        );
        for finding in &found {
            let healthy = finding.status != Status::Failed || finding.name == token.name;
            assert!(healthy, "{fault:?}: {finding:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_is_not_waited_for() {
    let gate = Gate::start().await;
    gate.control().set_fault(Place::Token, Fault::Hang, None);
    gate.control().set_fault(Place::Userinfo, Fault::Hang, None);
    let patient = Patient {
        patience: Duration::from_millis(300),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    for name in ["clock", "token endpoint"] {
        let finding = one(&found, name);
        assert_eq!(finding.cause, Some(Cause::Surroundings), "{finding:?}");
        assert!(
            finding.detail.starts_with("no result within"),
            "{finding:?}"
        );
    }
    assert_eq!(one(&found, "authorize endpoint").status, Status::Ok);
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_named_and_never_shown() {
    let gate = Gate::start().await;
    let patient = Patient {
        secret: "wrong-hunter2",
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let token = one(&found, "token endpoint, client_secret");
    assert_eq!(
        (token.cause, token.code),
        (Some(Cause::Configuration), Some("SG-2011"))
    );
    let advice = token.advice.as_deref().unwrap_or_default();
    assert!(
        advice.contains("180 days") && advice.contains("stage a new secret"),
        "{advice}"
    );
    assert_eq!(one(&found, "authorize endpoint").status, Status::Ok);
    for json in [false, true] {
        let (exit, text) = patient.program(json).await;
        assert_eq!(exit, 78, "{text}");
        assert!(text.contains("SG-2011"), "{text}");
        for secret in ["hunter2", gate.key.as_str()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_secret_is_tried_on_its_own() {
    let gate = Gate::start().await;
    let both = |text: &str| {
        text.replace(
            "{ env: SECRET }",
            "{ env: SECRET }\n  next_client_secret: { env: NEXT }",
        )
    };
    let right = "sandbox-web-secret-do-not-use";
    for (first, next, statuses, exit) in [
        (right, right, [Status::Ok, Status::Ok], 0),
        ("ended", right, [Status::Warning, Status::Ok], 0),
        (right, "mistyped", [Status::Ok, Status::Warning], 0),
        ("ended", "mistyped", [Status::Failed, Status::Failed], 78),
    ] {
        let patient = Patient {
            text: both(gate.text()),
            secret: first,
            next,
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let names = ["client_secret", "next_client_secret"];
        let seen = names.map(|name| one(&found, &format!("token endpoint, {name}")));
        assert_eq!(seen.map(|finding| finding.status), statuses, "{seen:#?}");
        for finding in seen {
            assert_eq!(
                finding.advice.is_some(),
                finding.status != Status::Ok,
                "{finding:?}"
            );
        }
        assert_eq!(patient.program(false).await.0, exit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_client_id_is_found_at_both_endpoints() {
    let gate = Gate::start().await;
    let patient = Patient {
        text: gate.text().replace("sandbox-web-client", "another-client"),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let authorize = one(&found, "authorize endpoint");
    assert_eq!(authorize.detail, "does not know the client id");
    for name in ["authorize endpoint", "token endpoint, client_secret"] {
        let finding = one(&found, name);
        assert_eq!(
            (finding.cause, finding.code),
            (Some(Cause::Configuration), Some("SG-2011"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_uri_that_is_not_registered_is_told_as_it_must_be() {
    let gate = with_client(Client {
        redirect_uris: vec!["https://tool.example.com/oauth2/callback".to_owned()],
        ..Client::web()
    })
    .await;
    let found = Patient::of(&gate).examine().await;
    let authorize = one(&found, "authorize endpoint");
    assert_eq!(
        (authorize.cause, authorize.code),
        (Some(Cause::Configuration), Some("SG-2008"))
    );
    let advice = authorize.advice.as_deref().unwrap_or_default();
    assert!(
        advice.contains(&format!("{}/oauth2/callback ", gate.origin())),
        "{advice}"
    );
    assert_eq!(
        one(&found, "token endpoint, client_secret").status,
        Status::Ok
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_takes_any_redirect_uri_is_not_believed_about_ours() {
    let gate = Gate::start().await;
    let sure = Patient::of(&gate).examine().await;
    assert_eq!(
        one(&sure, "authorize endpoint").detail,
        "takes the client and the redirect URI, and shows a sign-in page"
    );
    let login = "location: https://login.example.com/cas?service=x";
    let answer = format!("HTTP/1.1 302 Found\r\n{login}\r\ncontent-length: 0\r\n\r\n");
    let anything = Puppet::saying(answer).await;
    let auth = |origin: &str| format!("auth_base_url: {origin}");
    let tenant = gate.sandbox.origin().to_string();
    let patient = Patient {
        text: gate
            .text()
            .replace(&auth(&tenant), &auth(&anything.origin())),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let authorize = one(&found, "authorize endpoint");
    assert_eq!(authorize.status, Status::Ok);
    for part in [
        "sign in at login.example.com;",
        "takes any redirect URI before a sign-in",
    ] {
        assert!(authorize.detail.contains(part), "{authorize:?}");
    }
    let clock = one(&found, "clock");
    assert_eq!(clock.status, Status::Warning, "it tells no date: {clock:?}");
    let token = one(&found, "token endpoint, client_secret");
    assert_eq!(token.code, Some("SG-2012"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_app_is_asked_without_a_secret() {
    let gate = Gate::with(Plan {
        client: PUBLIC.to_owned(),
        ..Plan::default()
    })
    .await;
    let found = Patient::of(&gate).examine().await;
    assert_eq!(
        one(&found, "token endpoint").status,
        Status::Ok,
        "{found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_ends_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let gate = Gate::start().await;
    let mut file = std::fs::File::create(&path).expect("our own file");
    file.write_all(b"sandbox-web-secret-do-not-use")
        .expect("written");
    let made = SystemClock.now().minus(Duration::from_hours(160 * 24));
    let made = Duration::from_millis(made.as_millis());
    file.set_modified(SystemTime::UNIX_EPOCH + made)
        .expect("our own file");
    let patient = Patient {
        text: gate.text().replace(
            "{ env: SECRET }",
            &format!("{{ file: {} }}", path.display()),
        ),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let secret = one(&found, "marketing_cloud.client_secret");
    assert_eq!(
        (secret.status, secret.code),
        (Status::Warning, Some("SG-6111"))
    );
    assert_eq!(patient.program(false).await.0, 0, "it still works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_comes_back_to_us_is_no_sign_in_page() {
    let gate = Gate::start().await;
    let patient = Patient {
        text: gate
            .text()
            .replace("session:\n", "  scope: [no_such_scope]\nsession:\n"),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let authorize = one(&found, "authorize endpoint");
    assert_eq!(
        (authorize.cause, authorize.code),
        (Some(Cause::Configuration), Some("SG-2007"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_not_there() {
    let gate = Gate::start().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let patient = Patient {
        text: gate
            .text()
            .replace(&gate.sandbox.origin().to_string(), &nobody),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    for name in [
        "clock",
        "authorize endpoint",
        "token endpoint, client_secret",
    ] {
        let finding = one(&found, name);
        assert_eq!(
            (finding.cause, finding.code),
            (Some(Cause::Surroundings), Some("SG-2014")),
            "{finding:?}"
        );
    }
    let site = one(&found, "public URL");
    assert!(
        site.detail
            .contains("another gateway: it sends people to 127.0.0.1"),
        "{site:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_down() {
    let gate = Gate::start().await;
    let down = format!("http://127.0.0.1:{}", free_port());
    let routes = format!("/down/, to: {}", gate.tool.origin());
    let patient = Patient {
        text: gate.text().replace(
            &routes.replace("/down/", "/open/"),
            &format!("/open/, to: {down}"),
        ),
        ..Patient::of(&gate)
    };
    assert!(patient.text.contains(&down));
    let found = patient.examine().await;
    let upstream = one(&found, &format!("upstream {down}"));
    assert_eq!(
        (upstream.cause, upstream.code),
        (Some(Cause::Surroundings), Some("SG-4001"))
    );
    let tool = one(&found, &format!("upstream {}", gate.tool.origin()));
    assert_eq!(tool.status, Status::Ok);
    let (exit, text) = patient.program(false).await;
    assert_eq!(exit, 69, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_not_ours() {
    let gate = Gate::start().await;
    let port = gate.address().port();
    for (public_url, cause, code, says) in [
        (
            gate.tool.origin().to_string(),
            Cause::Configuration,
            None,
            "something else answers",
        ),
        (
            format!("http://localhost:{port}"),
            Cause::Configuration,
            Some("SG-1003"),
            "This host is not served here",
        ),
        (
            format!("http://127.0.0.1:{}", free_port()),
            Cause::Surroundings,
            None,
            "no connection to",
        ),
    ] {
        let ours = format!("public_url: {}", gate.origin());
        let patient = Patient {
            text: gate
                .text()
                .replace(&ours, &format!("public_url: {public_url}")),
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let site = one(&found, "public URL");
        assert_eq!((site.cause, site.code), (Some(cause), code), "{site:?}");
        assert!(
            site.detail.contains(says) && site.advice.is_some(),
            "{site:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong() {
    let gate = Gate::start().await;
    for (seconds, status) in [
        (0, Status::Ok),
        (60, Status::Warning),
        (600, Status::Failed),
    ] {
        let ahead = SystemClock.now().plus(Duration::from_secs(seconds));
        let patient = Patient {
            clock: Arc::new(ManualClock::at(ahead)),
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        assert_eq!(one(&found, "clock").status, status, "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_checked_against_the_roots_of_the_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("made");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let certificate = certificate.to_str().expect("text").to_owned();
    let gate = Gate::with(Plan {
        https: true,
        top: format!(
            "tls: {{ certificate_file: {certificate}, key_file: {} }}\n",
            key.display()
        ),
        ..Plan::default()
    })
    .await;
    let trusting = Patient {
        roots: Some(certificate),
        ..Patient::of(&gate)
    };
    let (exit, text) = trusting.program(false).await;
    assert_eq!(exit, 0, "{text}");
    assert!(
        text.contains("\nok      public URL: https://127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains("\nok      certificate: valid for more than 400 days\n"),
        "{text}"
    );

    let (exit, text) = Patient::of(&gate).program(false).await;
    assert_eq!(exit, 69, "{text}");
    assert!(
        text.contains("\nfailed  public URL: no TLS with 127.0.0.1:"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_get_one_document_and_pipes_plain_text() {
    let gate = Gate::start().await;
    let patient = Patient::of(&gate);
    let (exit, text) = patient.program(true).await;
    assert_eq!(exit, 0, "{text}");
    let document: Value = serde_json::from_str(&text).expect("one document");
    let steps = document["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 10);
    for step in steps {
        let keys: Vec<_> = step.as_object().expect("an object").keys().collect();
        let known = ["advice", "code", "detail", "name", "status"];
        assert!(
            keys.iter().all(|key| known.contains(&key.as_str())),
            "{step}"
        );
        assert!(
            matches!(step["status"].as_str(), Some("ok" | "warning")),
            "{step}"
        );
    }
    let (_, plain) = patient.program(false).await;
    assert!(!plain.contains(['\x1b', '\r']), "{plain:?}");
    assert!(plain.ends_with("9 ok, 1 warning, 0 failed.\n"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_used_is_all_that_is_told() {
    let gate = Gate::start().await;
    let patient = Patient {
        text: gate.text().replace("subdomain: sandbox", "subdomain: a.b"),
        ..Patient::of(&gate)
    };
    let (exit, text) = patient.program(true).await;
    assert_eq!(exit, 78, "{text}");
    let document: Value = serde_json::from_str(&text).expect("one document");
    let steps = document["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 1);
    assert_eq!(
        (&steps[0]["status"], &steps[0]["code"]),
        (&"failed".into(), &"SG-6004".into())
    );
    assert_eq!(gate.control().stats().token_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_everybody_can_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    let gate = Gate::start().await;
    std::fs::write(&file, &gate.key).expect("our own file");
    for (mode, status, says) in [
        (0o600, Status::Ok, "mode 600"),
        (0o644, Status::Warning, "mode 644"),
    ] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode))
            .expect("our own file");
        let patient = Patient {
            text: gate
                .text()
                .replace("{ env: KEY }", &format!("{{ file: {} }}", file.display())),
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let keys = one(&found, "session keys");
        assert_eq!(keys.status, status, "{keys:?}");
        assert!(
            keys.detail.contains(says) && keys.detail.contains("0 days old"),
            "{keys:?}"
        );
        assert!(!format!("{keys:?}").contains(&gate.key));
    }
}

async fn with_client(client: Client) -> Gate {
    Gate::with(Plan {
        sandbox: Settings {
            clients: vec![client],
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await
}

fn one<'a>(found: &'a [Finding], name: &str) -> &'a Finding {
    let mut named = found.iter().filter(|finding| finding.name == name);
    let finding = named
        .next()
        .unwrap_or_else(|| panic!("no {name} in {found:#?}"));
    assert_eq!(named.next(), None, "only one");
    finding
}
