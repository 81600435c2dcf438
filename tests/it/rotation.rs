//! Keys and secrets that change while people work.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::oauth::client_secrets::Which;
use sidegate::sandbox::Client;
use sidegate::sandbox::ClientKind;
use sidegate::sandbox::Settings;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::Gate;
use crate::support::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rotations_under_load_sign_nobody_out() {
    let keys = Keys::new();
    let gate = keys.gate().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (done, mut requests) = mpsc::unbounded_channel();
    let mut people = Vec::new();
    for number in 0..6 {
        let mut browser = gate.signed_in("ada").await;
        let (stop, done) = (Arc::clone(&stop), done.clone());
        people.push(tokio::spawn(async move {
            let mut count = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let answer = browser.fetch("/echo").await;
                assert_eq!(answer.status, 200, "{answer:?}");
                count += 1;
                done.send(number).expect("the test is there");
            }
            count
        }));
    }
    for _ in 0..3 {
        let old = keys.read(0);
        keys.write(1, &old);
        keys.write(0, &new_key());
        gate.app().reread();
        // Everybody has been here since: two answers each, of which the first may be an old one.
        let mut seen = [0_u32; 6];
        while requests.try_recv().is_ok() {}
        while seen.iter().any(|&times| times < 2) {
            let number: usize = requests.recv().await.expect("people are at work");
            seen[number] += 1;
        }
        let only = keys.read(0);
        keys.write(1, &only);
        gate.app().reread();
    }
    stop.store(true, Ordering::Relaxed);
    let mut total = 0;
    for person in people {
        total += person.await.expect("never signed out");
    }
    assert!(total > 36, "{total}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_an_old_key_is_sealed_anew_at_its_next_request() {
    let keys = Keys::new();
    let gate = keys.gate().await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(browser.fetch("/echo").await.set_cookies().len(), 0);
    keys.write(1, &keys.read(0));
    keys.write(0, &new_key());
    gate.app().reread();
    assert_eq!(browser.fetch("/echo").await.set_cookies().len(), 1);
    assert_eq!(browser.fetch("/echo").await.set_cookies().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_key_ends_its_sessions_cleanly() {
    let keys = Keys::new();
    let gate = keys.gate().await;
    let mut browser = gate.signed_in("ada").await;
    for _ in 0..4 {
        assert_eq!(browser.fetch("/echo").await.status, 200);
    }
    let other = new_key();
    keys.write(0, &other);
    keys.write(1, &other);
    gate.app().reread();
    for _ in 0..4 {
        let mut again = browser.clone();
        let answer = again.fetch("/echo").await;
        assert_eq!((answer.status, answer.code()), (401, "SG-2001".to_owned()));
        assert!(again.jar.is_empty(), "its cookies are cleared");
    }
    assert_eq!(browser.navigate("/echo").await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_is_no_good_changes_nothing() {
    let keys = Keys::new();
    let gate = keys.gate().await;
    let mut browser = gate.signed_in("ada").await;
    for bad in ["", "not a key"] {
        keys.write(0, bad);
        gate.app().reread();
        assert_eq!(browser.fetch("/echo").await.status, 200, "{bad:?}");
    }
    std::fs::remove_file(keys.file(0)).expect("our own file");
    gate.app().reread();
    assert_eq!(browser.fetch("/echo").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_staged_client_secret_is_tried_and_remembered() {
    let directory = tempfile::tempdir().expect("a directory");
    let gate = with_secrets(directory.path(), "retired", Some("staged"), "staged").await;
    assert_eq!(gate.app().client_secret_in_use(), None);
    gate.signed_in("ada").await;
    let in_use = gate.app().client_secret_in_use().expect("known");
    assert_eq!(in_use.which, Which::Next);
    assert_eq!(gate.control().stats().token_calls, 2);
    gate.advance(60);
    gate.signed_in("ada").await;
    assert_eq!(gate.control().stats().token_calls, 3, "tried first now");
    assert_eq!(
        gate.app().client_secret_in_use(),
        Some(in_use),
        "since then"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_client_secret_is_used_without_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let gate = with_secrets(directory.path(), "retired", None, "fresh").await;
    let mut browser = gate.browser();
    let refused = browser.sign_in("/", "ada").await;
    assert!(refused.status >= 400, "{refused:?}");
    assert_eq!(gate.app().client_secret_in_use(), None);
    std::fs::write(directory.path().join("first"), "fresh\n").expect("our own file");
    gate.app().reread();
    gate.signed_in("ada").await;
    let in_use = gate.app().client_secret_in_use().map(|known| known.which);
    assert_eq!(in_use, Some(Which::First));
}

/// A gateway whose client secrets are files, at a provider that takes `accepted` only.
pub async fn with_secrets(
    directory: &Path,
    first: &str,
    next: Option<&str>,
    accepted: &str,
) -> Gate {
    let line = |key: &str, name: &str, text: &str| {
        let file = directory.join(name);
        std::fs::write(&file, text).expect("our own file");
        format!("  {key}: {{ file: {} }}\n", file.display())
    };
    let first = line("client_secret", "first", first);
    let next = next.map(|text| line("next_client_secret", "next", text));
    let secrets = vec![accepted.to_owned()];
    let web = Client {
        kind: ClientKind::Web { secrets },
        ..Client::web()
    };
    Gate::with(Plan {
        client: format!(
            "  client_id: sandbox-web-client\n{first}{}",
            next.unwrap_or_default()
        ),
        sandbox: Settings {
            clients: vec![web],
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await
}

/// Two key files.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::tempdir().expect("a directory"));
        keys.write(0, &new_key());
        keys.write(1, &new_key());
        keys
    }

    async fn gate(&self) -> Gate {
        Gate::with(Plan {
            keys: format!(
                "[{{ file: {} }}, {{ file: {} }}]",
                self.file(0).display(),
                self.file(1).display()
            ),
            ..Plan::default()
        })
        .await
    }

    fn file(&self, number: usize) -> PathBuf {
        self.0.path().join(number.to_string())
    }

    fn read(&self, number: usize) -> String {
        std::fs::read_to_string(self.file(number)).expect("our own file")
    }

    fn write(&self, number: usize, text: &str) {
        std::fs::write(self.file(number), text).expect("our own file");
    }
}

fn new_key() -> String {
    MasterKey::generate(&OsEntropy).to_text().to_string()
}
