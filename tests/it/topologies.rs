//! Every way to reach a store: TLS and a user with few rights, a cluster, sentinels.

use std::fs;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::process::Running;
use crate::support::redis::store_is;
use crate::support::traced;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// A gateway that keeps sessions as `lines` say, and has found its store.
async fn gate(lines: &str) -> Gate {
    let gate = Gate::with(Plan {
        session: format!("  store: {{ redis: {{ {lines} }} }}\n"),
        ..Plan::default()
    })
    .await;
    store_is(gate.app(), true).await;
    gate
}

/// All that a session goes through.
async fn a_session_lives_and_ends(gate: &Gate) {
    let other = gate.replica();
    store_is(&other, true).await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(browser.fetch(API).await.status, 202);
    gate.advance(1_200);
    let mut elsewhere = browser.through(other.public_address());
    assert_eq!(elsewhere.fetch(API).await.status, 202, "renewed elsewhere");
    assert_eq!(browser.fetch(API).await.status, 202);
    gate.advance(400);
    assert_eq!(browser.fetch("/echo").await.status, 200, "touched");
    assert_eq!(gate.control().stats().refreshes, 1);
    let copy = browser.clone();
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    for door in [gate.address(), other.public_address()] {
        assert_eq!(copy.through(door).fetch("/echo").await.code(), "SG-2001");
    }
    tokio::task::spawn_blocking(move || other.stop(Duration::from_secs(5)))
        .await
        .expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_our_own_authority_and_a_user_with_few_rights() {
    let arguments = [
        "--tls-port",
        "PORT",
        "--port",
        "0",
        "--tls-auth-clients",
        "yes",
        "--tls-cert-file",
        "DIR/server.crt",
        "--tls-key-file",
        "DIR/server.key",
        "--tls-ca-cert-file",
        "DIR/ca.crt",
    ];
    let redis = Redis::prepared(&arguments, |directory| {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        // A name of its own, or OpenSSL takes what it signs for self-signed.
        ca.distinguished_name
            .push(DnType::CommonName, "store authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).expect("signs itself");
        let issuer = Issuer::new(ca, ca_key);
        let write = |name: &str, text: &str| {
            fs::write(directory.path().join(name), text).expect("our own file");
        };
        write("ca.crt", &ca_certificate.pem());
        for (name, host) in [("server", "127.0.0.1"), ("client", "sidegate")] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
            let certificate = params.signed_by(&key, &issuer).expect("is signed");
            write(&format!("{name}.crt"), &certificate.pem());
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        // The user that config/sidegate.yaml names.
        write(
            "redis.conf",
            &format!(
                "user default off\n{}\n",
                acl("correct-horse-battery-staple")
            ),
        );
    })
    .await;
    let Some(redis) = redis else { return };
    let file = |name| redis.file(name).display().to_string();
    let lines = format!(
        "url: \"rediss://{}\", username: sidegate, password: correct-horse-battery-staple, ca_file: {}, certificate_file: {}, key_file: {}",
        redis.address(),
        file("ca.crt"),
        file("client.crt"),
        file("client.key"),
    );
    let gate = gate(&lines).await;
    a_session_lives_and_ends(&gate).await;

    let ca = format!("ca_file: {}, ", file("ca.crt"));
    for (without, with) in [
        (
            "correct-horse-battery-staple",
            "another-horse-battery-staple",
        ),
        (ca.as_str(), ""),
    ] {
        assert!(lines.contains(without));
        let gate = Gate::with(Plan {
            session: format!(
                "  store: {{ redis: {{ {} }} }}\n",
                lines.replace(without, with)
            ),
            ..Plan::default()
        })
        .await;
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        assert_eq!(
            browser.navigate(&callback).await.code(),
            "SG-3002",
            "{without}"
        );
    }
}

/// The line of the example configuration that makes the store's user.
fn acl(password: &str) -> String {
    traced::secret("redis password", password);
    let example = include_str!("../../config/sidegate.yaml");
    let line = example
        .lines()
        .find_map(|line| line.trim().strip_prefix("#   user sidegate "));
    format!("user sidegate {}", line.expect("the example names it")).replace("PASSWORD", password)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster() {
    let Some(redis) = Redis::with(&["--cluster-enabled", "yes"]).await else {
        return;
    };
    let mut client = redis.client().await;
    let slots = redis::cmd("CLUSTER")
        .arg("ADDSLOTSRANGE")
        .arg(0)
        .arg(16383)
        .to_owned();
    let _: () = slots.query_async(&mut client).await.expect("has all slots");
    let formed = async {
        loop {
            let info = redis::cmd("CLUSTER").arg("INFO").to_owned();
            let info: String = info.query_async(&mut client).await.expect("tells");
            if info.contains("cluster_state:ok") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), formed)
        .await
        .expect("forms");
    // The user that config/sidegate.yaml names, and what it adds for a cluster.
    let rules = format!("{} +cluster|slots", acl("correct-horse-battery-staple"));
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER");
    for rule in rules.split(' ').skip(1) {
        user.arg(rule);
    }
    let _: () = user.query_async(&mut client).await.expect("has a user");
    let gate = gate(&format!(
        "url: {}, topology: cluster, username: sidegate, password: correct-horse-battery-staple",
        redis.url()
    ))
    .await;
    a_session_lives_and_ends(&gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_and_a_new_master() {
    let Some(first) = Redis::start().await else {
        return;
    };
    let master = first.address().port().to_string();
    let replicaof = format!("127.0.0.1 {master}");
    let second = Redis::with(&["--replicaof", &replicaof])
        .await
        .expect("as the first");
    let directory = tempfile::tempdir().expect("a directory");
    let port = crate::support::gate::free_port();
    let file = directory.path().join("sentinel.conf");
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor sessions 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds sessions 1000\n",
        directory.path().display()
    );
    fs::write(&file, text).expect("our own file");
    let mut command = Command::new("redis-server");
    command
        .arg(&file)
        .arg("--sentinel")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut sentinel = Running::by_output(command);
    sentinel
        .line("+slave")
        .await
        .expect("it has found the replica");
    let gate = gate(&format!(
        "url: \"redis://127.0.0.1:{port}\", topology: sentinel, sentinel_master: sessions"
    ))
    .await;
    a_session_lives_and_ends(&gate).await;
    let mut browser = gate.signed_in("ada").await;

    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a URL");
    let mut client = client
        .get_multiplexed_async_connection()
        .await
        .expect("connects");
    let failover = redis::cmd("SENTINEL")
        .arg("FAILOVER")
        .arg("sessions")
        .to_owned();
    let _: () = failover.query_async(&mut client).await.expect("begins");
    sentinel
        .line("+switch-master")
        .await
        .expect("there is a new master");
    let signed_in = async { while gate.browser().sign_in("/", "mei").await.status != 303 {} };
    tokio::time::timeout(Duration::from_secs(20), signed_in)
        .await
        .expect("the new master is found");
    assert_eq!(
        browser.fetch(API).await.status,
        202,
        "it has the old sessions"
    );
    let mut there = second.client().await;
    let role: redis::Value = redis::cmd("ROLE")
        .query_async(&mut there)
        .await
        .expect("tells");
    assert!(format!("{role:?}").contains("master"), "{role:?}");
}
