//! Authorities and certificates for upstreams that change while the gateway runs.

use std::path::Path;

use crate::support::Gate;
use crate::support::server::Server;
use crate::support::server::Speech;
use crate::support::server::echo;
use crate::upstream_protocols::Authority;
use crate::upstream_protocols::before;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_files_count_for_new_connections_and_bad_ones_do_not() {
    let [old, new, used] = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let (_, authority) = (Authority::new(old.path()), Authority::new(new.path()));
    copy(old.path(), used.path());
    let speech = Speech {
        tls: Some(authority.server("localhost", true, &["http/1.1"])),
        ..Speech::default()
    };
    let server = Server::start(speech, async |request| echo(&request)).await;
    let file = |name: &str| used.path().join(name).display().to_string();
    let options = format!(
        ", upstream_tls: {{ ca_file: {}, certificate_file: {}, key_file: {} }}",
        file("ca.pem"),
        file("us.pem"),
        file("us.key")
    );
    let to = format!("https://localhost:{}", server.address.port());
    let gate = before(&to, &options, "").await;
    assert_eq!(status(&gate).await, 502, "neither knows the other");
    // The authority alone: we know it, and it does not know us.
    std::fs::copy(new.path().join("ca.pem"), used.path().join("ca.pem")).expect("copied");
    reread(&gate);
    assert_eq!(status(&gate).await, 502);
    copy(new.path(), used.path());
    reread(&gate);
    assert_eq!(status(&gate).await, 200);
    // A key of another certificate, and then no certificate at all: what was in force stays.
    std::fs::copy(old.path().join("us.key"), used.path().join("us.key")).expect("copied");
    reread(&gate);
    std::fs::write(used.path().join("ca.pem"), "nonsense").expect("written");
    reread(&gate);
    let before = server.connections();
    while server.connections() == before {
        // Until it was a new connection: those that are kept go one after the other.
        let answers = futures_util::future::join_all((0..8).map(|_| status(&gate))).await;
        assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    for name in ["ca.pem", "us.pem", "us.key"] {
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}

fn reread(gate: &Gate) {
    tokio::task::block_in_place(|| gate.app().reread());
}

async fn status(gate: &Gate) -> u16 {
    gate.browser().fetch("/x").await.status
}
