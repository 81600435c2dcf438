//! The doctor and what surrounds a gateway: names, certificates, other gateways, hosts, stores, keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::IsCa;
use rcgen::KeyPair;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::doctor::Cause;
use sidegate::doctor::Finding;
use sidegate::doctor::Status;
use sidegate::sandbox::Fault;
use sidegate::sandbox::PartnerTenant;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;
use sidegate::time::Clock as _;
use sidegate::time::SystemClock;
use sidegate::upstream::Resolve;
use sidegate::upstream::Resolving;
use sidegate::upstream::SystemResolver;

use crate::support::Gate;
use crate::support::Patient;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Redis;
use crate::support::gate::free_port;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_of_another_package_or_key_is_not_this_one() {
    let gate = Gate::start().await;
    let other_key = MasterKey::generate(&OsEntropy).to_text().to_string();
    let port = gate.address().port();
    for (text, key, says) in [
        (gate.text().to_owned(), &gate.key, "leads to this gateway"),
        (
            gate.text().replace("sandbox-web-client", "another-client"),
            &gate.key,
            "another gateway: it speaks for another client id",
        ),
        (
            gate.text().to_owned(),
            &other_key,
            "another gateway: its session keys are others",
        ),
        (
            gate.text()
                .replace("subdomain: sandbox", "subdomain: other"),
            &gate.key,
            "another gateway: its session keys are others",
        ),
    ] {
        let patient = Patient {
            text,
            key,
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let site = one(&found, "public URL");
        assert!(site.detail.contains(says), "{says}: {site:?}");
        assert!(
            site.detail
                .starts_with(&format!("http://127.0.0.1:{port} "))
        );
        let cause = (!says.contains("this")).then_some(Cause::Configuration);
        assert_eq!(
            (site.cause, site.advice.is_some()),
            (cause, cause.is_some())
        );
        assert!(!site.detail.contains(&gate.key) && !site.detail.contains(&other_key));
    }
}

/// Something that says the right words, but begins no sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_begins_no_sign_in_is_not_believed_to_be_ours() {
    let document = r#"{"code":"SG-2001"}"#;
    let echo = Puppet::saying(format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    ))
    .await;
    let gate = Gate::start().await;
    let patient = Patient {
        text: at(&gate, &echo.origin()),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let site = one(&found, "public URL");
    assert!(
        site.detail.contains("whether it is this one was not seen"),
        "{site:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_nobody_knows() {
    let gate = Gate::start().await;
    let patient = Patient {
        text: at(&gate, "https://tool.example.com").replace(
            "/open/, to: http://127.0.0.1",
            "/open/, to: http://tool.internal",
        ),
        resolver: Arc::new(Nobody),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let site = one(&found, "public URL");
    assert_eq!(site.cause, Some(Cause::Surroundings));
    assert!(
        site.detail
            .starts_with("tool.example.com does not resolve: nobody knows it"),
        "{site:?}"
    );
    assert!(site.advice.as_deref().is_some_and(|it| it.contains("DNS")));
    let port = gate.tool.origin().port();
    let tool = one(&found, &format!("upstream http://tool.internal:{port}"));
    assert_eq!((tool.status, tool.code), (Status::Failed, Some("SG-4001")));
    assert!(tool.detail.contains("does not resolve"), "{tool:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_end_have_ended_or_are_for_others() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, days, before, exit, says) in [
        (
            "127.0.0.1",
            90,
            30,
            0,
            "\nok      certificate: valid for 90 more days\n",
        ),
        (
            "127.0.0.1",
            9,
            30,
            0,
            "\nwarning certificate: valid for 9 more days only\n        Renew it",
        ),
        (
            "127.0.0.1",
            -1,
            30,
            69,
            "Renew the certificate: it has ended.",
        ),
        (
            "127.0.0.1",
            30,
            -10,
            69,
            "Wait until the certificate begins",
        ),
        ("tool.example.com", 90, 30, 69, "this one is for others"),
    ] {
        let gate = https(folder.path(), name, before, days).await;
        let roots = folder.path().join("ca.pem");
        let patient = Patient {
            roots: roots.to_str().map(str::to_owned),
            ..Patient::of(&gate)
        };
        let (code, text) = patient.program(false).await;
        assert!(text.contains(says), "{says}: {text}");
        assert_eq!(code, exit, "{text}");
        let failed = text.contains("\nfailed  public URL: no TLS with 127.0.0.1:");
        assert_eq!(failed, exit != 0, "{text}");
        gate.stop().await;
    }
    // Nobody on this machine knows who signed it.
    let gate = https(folder.path(), "127.0.0.1", 30, 90).await;
    let (code, text) = Patient::of(&gate).program(false).await;
    assert_eq!(code, 69, "{text}");
    for part in ["UnknownIssuer", "a self-signed one is for development"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_of_the_apis_are_asked_without_a_token() {
    let gate = Gate::start().await;
    let name = format!("API host {}", gate.sandbox.origin());
    for (fault, status, code, says) in [
        (None, Status::Ok, None, "answers (401 without a token)"),
        (Some(Fault::Forbidden), Status::Ok, None, "answers (403"),
        (
            Some(Fault::Unavailable),
            Status::Failed,
            Some("SG-4003"),
            "answers 503",
        ),
        (
            Some(Fault::ServiceNotFound),
            Status::Failed,
            Some("SG-3011"),
            "no such service",
        ),
        (
            Some(Fault::Reset),
            Status::Failed,
            Some("SG-4003"),
            "does not answer",
        ),
    ] {
        gate.control().clear_faults();
        if let Some(fault) = fault {
            gate.control().set_fault(Place::Rest, fault, None);
        }
        let found = Patient::of(&gate).examine().await;
        let host = one(&found, &name);
        assert_eq!((host.status, host.code), (status, code), "{host:?}");
        assert!(host.detail.contains(says), "{host:?}");
        assert_eq!(host.advice.is_some(), status != Status::Ok, "{host:?}");
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let hosts = format!("instance_hosts: [\"{}\"]", gate.sandbox.origin());
    let patient = Patient {
        text: gate
            .text()
            .replace(&hosts, &format!("instance_hosts: [\"{nobody}\"]")),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let host = one(&found, &format!("API host {nobody}"));
    assert_eq!(
        (host.cause, host.code),
        (Some(Cause::Surroundings), Some("SG-4001"))
    );
    assert_eq!(patient.program(false).await.0, 69);
    // It may be for later.
    let unrouted = Patient {
        text: patient
            .text
            .replace("  - { path: /mc/rest/, to: rest }\n", ""),
        ..Patient::of(&gate)
    };
    let found = unrouted.examine().await;
    assert_eq!(
        one(&found, &format!("API host {nobody}")).status,
        Status::Warning
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_hosts_follow_from_the_subdomain() {
    let gate = Gate::start().await;
    let real = "mc563885gzs27c5t9-63k636ttgm";
    let auth = format!("  auth_base_url: {}\n", gate.sandbox.origin());
    let hosts = format!("  instance_hosts: [\"{}\"]\n", gate.sandbox.origin());
    let patient = Patient {
        text: gate
            .text()
            .replace("subdomain: sandbox", &format!("subdomain: {real}"))
            .replace(&auth, "")
            .replace(&hosts, ""),
        resolver: Arc::new(Nobody),
        ..Patient::of(&gate)
    };
    let found = patient.examine().await;
    let host = |kind| {
        format!(
            "{kind} host https://{real}.{}.marketingcloudapis.com",
            str::to_lowercase(kind)
        )
    };
    let rest = one(&found, &host("REST"));
    assert_eq!((rest.status, rest.code), (Status::Failed, Some("SG-4001")));
    // No route leads to SOAP.
    assert_eq!(one(&found, &host("SOAP")).status, Status::Warning);
    let clock = one(&found, "clock");
    assert!(clock.detail.contains("nobody knows it"), "{clock:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_or_wants_another_password() {
    let Some(redis) = Redis::with(&["--requirepass", "hunter2"]).await else {
        return;
    };
    let gate = Gate::start().await;
    let port = redis.address().port();
    for (place, status, cause, says, advice) in [
        (
            format!("redis://:hunter2@127.0.0.1:{port}"),
            Status::Ok,
            None,
            "does all that is asked of it",
            "",
        ),
        (
            format!("redis://:hunter3@127.0.0.1:{port}"),
            Status::Failed,
            Some(Cause::Configuration),
            "connect: ",
            "user and password",
        ),
        (
            format!("redis://127.0.0.1:{port}"),
            Status::Failed,
            Some(Cause::Configuration),
            "connect: ",
            "user and password",
        ),
        (
            format!("redis://127.0.0.1:{}", free_port()),
            Status::Failed,
            Some(Cause::Surroundings),
            "connect: ",
            "whether the store runs",
        ),
    ] {
        let patient = Patient {
            text: gate.text().replace(
                "session:\n",
                &format!("session:\n  store: {{ redis: {{ url: \"{place}\" }} }}\n"),
            ),
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let store = one(&found, "session store");
        assert_eq!(
            (store.status, store.cause),
            (status, cause),
            "{place}: {store:?}"
        );
        assert!(store.detail.starts_with(says), "{store:?}");
        assert!(
            store.advice.as_deref().unwrap_or_default().contains(advice),
            "{store:?}"
        );
        assert_eq!(store.code, cause.map(|_| "SG-3002"), "{store:?}");
        assert!(!format!("{store:?}").contains("hunter"), "{store:?}");
        let cookie = one(&found, "cookie size");
        assert!(
            cookie.detail.contains("the cookie has only the key"),
            "{cookie:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_old_and_one_that_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = Gate::start().await;
    let path = folder.path().join("key");
    std::fs::write(&path, &gate.key).expect("our own file");
    let from = |path: &Path| {
        let source = format!("{{ file: {} }}", path.display());
        gate.text().replace("{ env: KEY }", &source)
    };
    for (days, status) in [(364, Status::Ok), (366, Status::Warning)] {
        aged(&path, days);
        let patient = Patient {
            text: from(&path),
            ..Patient::of(&gate)
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
        let found = patient.examine().await;
        let keys = one(&found, "session keys");
        assert_eq!(keys.status, status, "{keys:?}");
        assert!(
            keys.detail.contains(&format!("{days} days old")),
            "{keys:?}"
        );
        assert_eq!(keys.advice.is_some(), status == Status::Warning);
    }
    for weak in [
        "0".repeat(64),
        "YSBwYXNzcGhyYXNlIG9mIDMyIGNoYXJhY3RlcnMgb2s".to_owned(),
        "c2hvcnQ".to_owned(),
    ] {
        std::fs::write(&path, &weak).expect("our own file");
        let patient = Patient {
            text: from(&path),
            ..Patient::of(&gate)
        };
        let (code, text) = patient.program(false).await;
        assert_eq!(code, 78, "{text}");
        assert!(
            text.starts_with("failed  configuration: ") && text.contains("session.keys"),
            "{text}"
        );
        assert!(!text.contains(&weak), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_count_towards_the_cookies() {
    let gate = Gate::start().await;
    let patient = Patient {
        text: gate
            .text()
            .replace("session:\n", "  permissions: [\"Email.*\"]\nsession:\n"),
        ..Patient::of(&gate)
    };
    let bytes = |found: &[Finding]| -> usize {
        let size = one(found, "cookie size");
        let (_, rest) = size.detail.split_once("session has ").expect("told");
        rest.split(' ')
            .next()
            .expect("a number")
            .parse()
            .expect("a number")
    };
    let (plain, found) = (Patient::of(&gate).examine().await, patient.examine().await);
    assert!(bytes(&found) > bytes(&plain) + 1_300, "{found:#?}");
    let size = one(&found, "cookie size");
    // Longer tokens than were ever seen would not fit beside them.
    assert_eq!(size.status, Status::Warning, "{size:?}");
    assert!(
        size.detail.contains("too many bytes with tokens of 2048"),
        "{size:?}"
    );
    assert!(
        size.advice
            .as_deref()
            .is_some_and(|it| it.contains("fewer permissions"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_are_asked_as_far_as_they_are_known() {
    let gate = Gate::with(Plan {
        sandbox: Settings {
            partners: vec![
                PartnerTenant::with_person(ACME, "priya", 1_000),
                PartnerTenant::with_person(GLOBEX, "hank", 2_000),
            ],
            ..Settings::default()
        },
        marketing_cloud: format!(
            "  partner: {{ tenants: [{ACME}, {GLOBEX}], auth_base_url: \"http://{{tssd}}.localhost:TENANT_PORT\" }}\n"
        ),
        ..Plan::default()
    })
    .await;
    let globex = gate.sandbox.control_of(GLOBEX).expect("planned");
    globex.set_fault(Place::Token, Fault::InvalidClient, None);
    let found = Patient::of(&gate).examine().await;
    let acme = one(&found, &format!("partner tenant {ACME}"));
    assert_eq!(acme.status, Status::Ok, "{acme:?}");
    assert!(
        acme.detail
            .contains("accepts the client; its API hosts show with a sign-in")
    );
    let globex = one(&found, &format!("partner tenant {GLOBEX}"));
    assert_eq!(globex.status, Status::Warning, "{globex:?}");
    let advice = globex.advice.as_deref().unwrap_or_default();
    assert_eq!(
        advice,
        format!("Let an administrator of {GLOBEX} install the package.")
    );

    let any = Patient {
        text: gate.text().replace(&format!("[{ACME}, {GLOBEX}]"), "any"),
        ..Patient::of(&gate)
    };
    let found = any.examine().await;
    let partners = one(&found, "partner tenants");
    assert!(
        partners
            .detail
            .ends_with("are known when somebody of theirs signs in: not tried")
    );

    // Marketing Cloud's own hosts, and a fence that does not let tokens go there.
    let (head, rest) = gate.text().split_once("  partner:").expect("planned");
    let (_, rest) = rest.split_once('\n').expect("a line");
    let auth = format!("  auth_base_url: {}\n", gate.sandbox.origin());
    for (tenants, name) in [
        ("any", "partner tenants".to_owned()),
        (ACME, format!("partner tenant {ACME}")),
    ] {
        let patient = Patient {
            text: format!("{head}  partner: {{ tenants: {tenants} }}\n{rest}").replace(&auth, ""),
            resolver: Arc::new(Nobody),
            ..Patient::of(&gate)
        };
        let found = patient.examine().await;
        let partner = one(&found, &name);
        assert_eq!(
            (partner.cause, partner.code),
            (Some(Cause::Configuration), Some("SG-2013")),
            "{partner:?}"
        );
    }
}

/// As Marketing Cloud gives them out.
const ACME: &str = "mcacme0000000000000000000001";
const GLOBEX: &str = "mcglobex00000000000000000002";

/// The gateway's configuration with another public URL.
fn at(gate: &Gate, public_url: &str) -> String {
    let ours = format!("public_url: {}", gate.origin());
    gate.text()
        .replace(&ours, &format!("public_url: {public_url}"))
}

/// A gateway with a certificate of an authority of our own, which is left in `folder`.
async fn https(folder: &Path, name: &str, before: i64, days: i64) -> Gate {
    let day = |days: i64| {
        let now = Duration::from_millis(SystemClock.now().as_millis());
        let now = SystemTime::UNIX_EPOCH + now;
        let span = Duration::from_hours(24 * days.unsigned_abs());
        if days < 0 { now - span } else { now + span }
    };
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.not_after = day(3_650).into();
    let key = || KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("a certificate");
    std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = day(-before).into();
    // At no day's border, so that a test that takes longer sees the same.
    params.not_after = (day(days) + Duration::from_hours(12)).into();
    let own = key();
    let certificate = params.signed_by(&own, &authority).expect("signed");
    let (chain, private) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&chain, certificate.pem()).expect("written");
    std::fs::write(&private, own.serialize_pem()).expect("written");
    Gate::with(Plan {
        https: true,
        top: format!(
            "tls: {{ certificate_file: {}, key_file: {} }}\n",
            chain.display(),
            private.display()
        ),
        ..Plan::default()
    })
    .await
}

fn aged(path: &Path, days: u64) {
    let made = SystemClock.now().minus(Duration::from_hours(days * 24));
    let made = Duration::from_millis(made.as_millis());
    let file = std::fs::File::options()
        .append(true)
        .open(path)
        .expect("our own file");
    file.set_modified(SystemTime::UNIX_EPOCH + made)
        .expect("our own file");
}

/// Knows this machine and nothing else.
struct Nobody;

impl Resolve for Nobody {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        if host == "127.0.0.1" {
            return SystemResolver.resolve(host, port);
        }
        Box::pin(async { Err(std::io::Error::other("nobody knows it")) })
    }
}

fn one<'a>(found: &'a [Finding], name: &str) -> &'a Finding {
    let mut named = found.iter().filter(|finding| finding.name == name);
    let finding = named
        .next()
        .unwrap_or_else(|| panic!("no {name} in {found:#?}"));
    assert_eq!(named.next(), None, "only one");
    finding
}
