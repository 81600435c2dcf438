use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::*;
use crate::admin::Readiness;
use crate::admin::files::Files;
use crate::admin::reloads::Reloads;
use crate::admin::reloads::State;
use crate::app::Begun;
use crate::app::Ports;
use crate::app::begin;
use crate::app::build::Ground;
use crate::app::reread::SETTLE;
use crate::config::ConfigFile;
use crate::config::Environment;
use crate::time::UnixTime;

/// A gateway without workers that is looked at when the test says so.
struct Looked {
    folder: tempfile::TempDir,
    begun: Begun,
    reloads: Arc<Reloads>,
    files: Arc<Files>,
    first: Instant,
}

impl Looked {
    fn at(text: &str, write: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path());
        let path = folder.path().join("sidegate.yaml");
        std::fs::write(&path, text).expect("our own file");
        let variables = [("KEY", KEY), ("SECRET", "s")];
        let file = ConfigFile::new(&path, variables.into_iter().collect::<Environment>());
        let reading = file.read();
        let loaded = reading.outcome.expect("good");
        let now = UnixTime::default();
        let reloads = Arc::new(Reloads::begun(now));
        let files = Arc::<Files>::default();
        let ground = Ground {
            tracer: None,
            ports: Ports::default(),
            control: Handle::current(),
            tasks: TaskTracker::new(),
            workers: 0,
            started: now,
            readiness: Arc::<Readiness>::default(),
            reloads: Arc::clone(&reloads),
            files: Arc::clone(&files),
        };
        let begun = begin(loaded.config, ground).expect("begins");
        begun.rereader.reread();
        begun.reloader.standing().file = Some((file, reading.hash));
        Self {
            folder,
            begun,
            reloads,
            files,
            first: Instant::now(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("our own file");
    }

    /// As SIGHUP does.
    fn ask(&self) -> Reload {
        self.begun.reloader.reload(Trigger::Asked)
    }

    /// Looks so long after the beginning.
    fn look(&self, millis: u64) -> (bool, Arc<State>) {
        let now = self.first + Duration::from_millis(millis);
        let unsettled = self.begun.reloader.look(now);
        (unsettled, self.reloads.state())
    }
}

#[tokio::test]
async fn half_a_file_is_never_in_force() {
    let looked = Looked::at(&text(RULE), |_| {});
    let settle = u64::try_from(SETTLE.as_millis()).expect("short");
    assert!(!looked.look(0).0);
    let whole = text("    require: { business_unit: [2] }\n");
    // The rule is the last line: without it the route is open to everybody who has signed in.
    let half = text("");
    assert!(whole.starts_with(&half));
    looked.write("sidegate.yaml", &half);
    for at in [100, 500, 100 + settle - 1] {
        let (unsettled, state) = looked.look(at);
        assert!(unsettled && state.applied == 0, "{at}: {state:?}");
    }
    looked.write("sidegate.yaml", &whole);
    let again = 100 + settle;
    for at in [again, again + settle - 1] {
        let (unsettled, state) = looked.look(at);
        assert!(unsettled && state.applied == 0, "{at}: {state:?}");
    }
    let (unsettled, state) = looked.look(again + settle);
    assert_eq!((unsettled, state.applied), (false, 1));
    let file = looked.begun.reloader.standing().file.clone();
    let (file, hash) = file.expect("followed");
    assert_eq!((&*state.hash, file.hash()), (hash.as_str(), hash.clone()));
    // The half that goes as it came was never there.
    looked.write("sidegate.yaml", &half);
    assert!(looked.look(again * 3).0);
    looked.write("sidegate.yaml", &whole);
    assert!(!looked.look(again * 5).0);
    looked.write("sidegate.yaml", &half);
    assert!(looked.look(again * 7).0);
    assert_eq!(looked.reloads.state().applied, 1);
}

#[tokio::test]
async fn whoever_asks_while_something_settles_gets_it_once() {
    let looked = Looked::at(&text(RULE), |_| {});
    assert!(!looked.look(0).0);
    let reloads = || looked.reloads.state().applied;
    let changed = |number: u8| text(&format!("    require: {{ business_unit: [{number}] }}\n"));
    // What somebody asks for is what is there, and is not taken again when it would have settled.
    looked.write("sidegate.yaml", &changed(2));
    assert!(looked.look(100).0);
    assert!(matches!(looked.ask(), Reload::Applied(_)));
    for at in [1_200, 1_300, 40_000] {
        assert_eq!((looked.look(at).0, reloads()), (false, 1), "{at}");
    }
    // Half of it was there: the rest is taken over by itself.
    looked.write("sidegate.yaml", &text(""));
    assert!(looked.look(50_000).0);
    assert!(matches!(looked.ask(), Reload::Applied(_)));
    looked.write("sidegate.yaml", &changed(3));
    assert!(looked.look(50_500).0, "settles anew");
    assert!(looked.look(51_400).0);
    assert_eq!((looked.look(51_500).0, reloads()), (false, 3));
    // Half of it was no good: the rest is taken over all the same, and the refusal is over.
    looked.write("sidegate.yaml", "routes: [");
    assert!(looked.look(60_000).0);
    assert_eq!(looked.ask(), Reload::Refused);
    looked.write("sidegate.yaml", &changed(4));
    assert!(looked.look(60_100).0);
    assert_eq!((looked.look(61_100).0, reloads()), (false, 4));
    assert!(looked.reloads.state().refused.is_none());
    // What comes back to what is in force is no change.
    looked.write("sidegate.yaml", &changed(5));
    assert!(looked.look(70_000).0);
    looked.write("sidegate.yaml", &changed(4));
    assert!(matches!(looked.ask(), Reload::Applied(_)));
    for at in [70_500, 71_000, 72_000] {
        assert_eq!((looked.look(at).0, reloads()), (false, 5), "{at}");
    }
}

#[tokio::test]
async fn a_text_waits_for_the_files_beside_it() {
    let list = "everybody: 2026-01-01T00:00:00Z\n";
    let naming = format!(
        "{}session:\n  keys: [{{ env: KEY }}]\n  not_before: revoked.yaml\n",
        text(RULE).replace("session:\n  keys: [{ env: KEY }]\n", "")
    );
    let looked = Looked::at(&naming, |folder| {
        std::fs::write(folder.join("revoked.yaml"), list).expect("our own file");
    });
    assert!(!looked.look(0).0);
    looked.write("sidegate.yaml", &format!("{naming}# changed\n"));
    assert!(looked.look(1_000).0);
    looked.write("revoked.yaml", "");
    let (unsettled, state) = looked.look(2_000);
    assert_eq!((unsettled, state.applied), (true, 0));
    looked.write("revoked.yaml", list);
    let (unsettled, state) = looked.look(2_100);
    assert_eq!((unsettled, state.applied), (false, 1));
}

#[tokio::test]
async fn what_was_refused_for_a_missing_secret_waits_until_that_is_whole() {
    let looked = Looked::at(&text(RULE), |_| {});
    let naming = text(RULE).replace("{ env: SECRET }", "{ file: secret }");
    looked.write("sidegate.yaml", &naming);
    assert!(looked.look(0).0);
    let (unsettled, state) = looked.look(1_000);
    assert!(!unsettled && state.refused.is_some());
    looked.write("secret", "a-");
    assert!(looked.look(2_000).0);
    looked.write("secret", "a-secret");
    let (unsettled, state) = looked.look(3_000);
    assert_eq!((unsettled, state.applied), (false, 1));
}

#[tokio::test]
async fn other_authorities_for_clients_are_another_configuration() {
    let issue = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("issues");
    let (own, old, new) = (issue(), issue().cert.pem(), issue().cert.pem());
    let tls = "tls: { certificate_file: tls.crt, key_file: tls.key, client_ca_file: ca.crt, client_auth: required }";
    let looked = Looked::at(&format!("{tls}\n{}", text(RULE)), |folder| {
        for (name, text) in [
            ("tls.crt", &own.cert.pem()),
            ("tls.key", &own.signing_key.serialize_pem()),
            ("ca.crt", &old),
        ] {
            std::fs::write(folder.join(name), text).expect("our own file");
        }
    });
    let in_force = || {
        let snapshots = looked.begun.reloader.snapshots();
        let tls = snapshots.borrow().tls.clone();
        tls.expect("there is TLS")
    };
    let before = in_force();
    assert!(!looked.look(0).0);
    // Half of them is nothing, and changes nothing.
    let half = new.get(..new.len() / 2).expect("ASCII");
    looked.write("ca.crt", half);
    assert!(looked.look(100).0);
    looked.write("ca.crt", &new);
    assert!(looked.look(600).0);
    assert!(looked.look(1_500).0);
    assert!(Arc::ptr_eq(&before, &in_force()));
    let (unsettled, state) = looked.look(1_600);
    assert_eq!((unsettled, state.applied), (false, 1));
    let after = in_force();
    assert!(!Arc::ptr_eq(&before, &after));
    // Nonsense is refused, and then as good as any other text that is put right.
    looked.write("ca.crt", "nonsense");
    assert!(looked.look(3_000).0);
    let (_, state) = looked.look(4_000);
    assert!(state.refused.is_some(), "{state:?}");
    assert!(Arc::ptr_eq(&after, &in_force()));
    looked.write("ca.crt", &new);
    assert!(looked.look(5_000).0);
    let (unsettled, state) = looked.look(6_000);
    assert_eq!((unsettled, state.refused.is_some()), (false, false));
    // Its directory is watched, and the status page has it.
    let board = looked.files.all();
    let names = board.iter().flat_map(|known| &known.written);
    assert!(names.clone().any(|(name, _)| name == "ca.crt"), "{board:?}");
}

fn text(end: &str) -> String {
    format!(
        "public_url: http://127.0.0.1:8080\nadmin_listen: 127.0.0.1:0\nlisten: 127.0.0.1:0\n\
         marketing_cloud:\n  subdomain: sandbox\n  client_id: abc\n  client_secret: {{ env: SECRET }}\n\
         session:\n  keys: [{{ env: KEY }}]\n\
         routes:\n  - path: /\n    to: http://127.0.0.1:1\n{end}"
    )
}

const RULE: &str = "    require: { business_unit: [1] }\n";
/// 32 bytes that guard nothing.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
