use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use notify::event::CreateKind;
use notify::event::DataChange;
use notify::event::RemoveKind;
use notify::event::RenameMode;

use super::*;
use crate::time::SystemClock;

/// A file that counts how often it was taken over.
struct Counted {
    file: PathBuf,
    taken: Arc<AtomicUsize>,
}

impl Group for Counted {
    fn about(&self) -> Watched {
        Watched::new("counted", None)
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.file.clone()]
    }

    fn read(&self) -> Reading {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut digest = Digest::default();
        for (place, byte) in digest.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        let taken = Arc::clone(&self.taken);
        let take_over: Box<dyn FnOnce()> = Box::new(move || {
            taken.fetch_add(1, Ordering::Relaxed);
        });
        let good = !text.starts_with("bad");
        Reading {
            digest,
            outcome: good.then_some(take_over).ok_or(text),
        }
    }
}

fn following(group: impl Group + 'static) -> Rereader {
    let rereader = Rereader::new(Arc::new(SystemClock), Arc::default());
    rereader.follow(vec![Box::new(group)], Vec::new());
    rereader
}

fn counted(file: &Path) -> (Rereader, Arc<AtomicUsize>) {
    let taken = Arc::<AtomicUsize>::default();
    let group = Counted {
        file: file.to_owned(),
        taken: Arc::clone(&taken),
    };
    (following(group), taken)
}

#[test]
fn only_changed_and_good_files_are_taken_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    let (rereader, taken) = counted(&file);
    for (text, expected) in [("a", 1), ("a", 1), ("b", 2), ("bad", 2), ("b", 3)] {
        std::fs::write(&file, text).expect("our own file");
        rereader.reread();
        assert_eq!(taken.load(Ordering::Relaxed), expected, "{text}");
        let known = rereader.board.all().remove(0);
        assert_eq!(known.refused.is_some(), text == "bad", "{text}");
        assert_eq!(known.taken_over.is_some(), expected > 1, "{text}");
    }
    assert_eq!(directories(&rereader.files()).len(), 1);
}

#[test]
fn a_file_that_is_followed_on_is_not_taken_over_once_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, name).expect("our own file");
        file
    };
    let taken = Arc::<AtomicUsize>::default();
    let group = |file: &Path| -> Box<dyn Group> {
        Box::new(Counted {
            file: file.to_owned(),
            taken: Arc::clone(&taken),
        })
    };
    let (one, other) = (at("one"), at("other"));
    let rereader = Rereader::new(Arc::new(SystemClock), Arc::default());
    for (file, expected) in [(&one, 1), (&one, 1), (&other, 2), (&one, 3)] {
        rereader.follow(vec![group(file)], Vec::new());
        rereader.reread();
        assert_eq!(taken.load(Ordering::Relaxed), expected);
        assert_eq!(rereader.board.all().len(), 1);
    }
    rereader.follow(Vec::new(), Vec::new());
    assert!(rereader.board.all().is_empty() && directories(&rereader.files()).is_empty());
    rereader.watch_beside(directory.path().join("sidegate.yaml"));
    assert_eq!(directories(&rereader.files()).len(), 1);
}

#[test]
fn reading_a_file_is_no_change_of_it_and_a_log_beside_it_is_none() {
    let names = BTreeSet::from([OsString::from("sidegate.yaml")]);
    let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    for (kind, path, change) in [
        (
            EventKind::Access(AccessKind::Open(AccessMode::Read)),
            "sidegate.yaml",
            false,
        ),
        (
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
            "sidegate.yaml",
            false,
        ),
        (written, "sidegate.yaml", true),
        (data, "sidegate.yaml", true),
        (written, "access.log", false),
        (data, "access.log", false),
        (renamed, "..data", true),
        (EventKind::Create(CreateKind::Any), "..data_tmp", true),
        (EventKind::Remove(RemoveKind::Any), "sidegate.yaml", true),
        (EventKind::Any, "access.log", true),
    ] {
        let event = notify::Event::new(kind).add_path(Path::new("/etc/sidegate").join(path));
        assert_eq!(is_change(&event, &names), change, "{kind:?} {path}");
    }
    assert!(
        is_change(&notify::Event::new(data), &names),
        "of nobody knows what"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_link_that_is_swapped_as_kubernetes_does_is_noticed() {
    struct Told(PathBuf, tokio::sync::mpsc::UnboundedSender<String>);
    impl Group for Told {
        fn about(&self) -> Watched {
            Watched::new("told", None)
        }

        fn files(&self) -> Vec<PathBuf> {
            vec![self.0.clone()]
        }

        fn read(&self) -> Reading {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            self.1.send(text).expect("the test is there");
            Reading {
                digest: Digest::default(),
                outcome: Err(String::new()),
            }
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for version in ["1", "2"] {
        std::fs::create_dir(at(version)).expect("a directory");
        std::fs::write(at(version).join("key"), version).expect("our own file");
    }
    let link = |version: &str, name: &str| {
        std::os::unix::fs::symlink(version, at(name)).expect("a link");
    };
    link("1", "..data");
    link("..data/key", "key");
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let group = Told(at("key"), sender);
    let rereader = Arc::new(following(group));
    let again = Arc::clone(&rereader);
    rereader.watch(&Handle::current(), move |now| again.reread_settled(now));
    link("2", "..data_tmp");
    std::fs::rename(at("..data_tmp"), at("..data")).expect("our own link");
    let noticed = async { while told.recv().await.expect("watched") != "2" {} };
    let deadline = TIMER * 2;
    tokio::time::timeout(deadline, noticed)
        .await
        .expect("noticed");
}

/// Files that are there as the test says, without any disk and any time that passes by itself.
#[tokio::test(start_paused = true)]
async fn what_is_still_written_is_not_taken_over() {
    use tokio::sync::mpsc::UnboundedSender;

    struct Slow(Arc<Mutex<&'static str>>, UnboundedSender<(bool, String)>);
    impl Group for Slow {
        fn about(&self) -> Watched {
            Watched::new("slow", None)
        }

        fn files(&self) -> Vec<PathBuf> {
            vec![PathBuf::from("/nowhere/revoked.yaml")]
        }

        fn read(&self) -> Reading {
            let text = (*lock(&self.0)).to_owned();
            let tell = |taken: bool, text: &str| {
                let told = self.1.send((taken, text.to_owned()));
                told.expect("the test is there");
            };
            tell(false, &text);
            let digest = std::array::from_fn(|at| text.as_bytes().get(at).copied().unwrap_or(0));
            let (sender, text) = (self.1.clone(), text);
            Reading {
                digest,
                outcome: Ok(Box::new(move || {
                    sender.send((true, text)).expect("the test is there");
                })),
            }
        }
    }
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let text = Arc::new(Mutex::new("whole"));
    let rereader = Arc::new(following(Slow(Arc::clone(&text), sender)));
    rereader.reread();
    for expected in [false, true] {
        let first = told.recv().await.expect("read");
        assert_eq!(first, (expected, "whole".to_owned()));
    }
    let again = Arc::clone(&rereader);
    rereader.watch(&Handle::current(), move |now| again.reread_settled(now));
    // By a notice, and by the timer where none comes.
    for (noticed, half, whole) in [(true, "h", "two"), (false, "hal", "three")] {
        *lock(&text) = half;
        if noticed {
            rereader.changed.notify_one();
        }
        let seen = async |of: &str, told: &mut tokio::sync::mpsc::UnboundedReceiver<_>| loop {
            let (taken, text): (bool, String) = told.recv().await.expect("watched");
            assert!(!taken, "{text}");
            if text == of {
                return Instant::now();
            }
        };
        seen(half, &mut told).await;
        *lock(&text) = whole;
        let found = seen(whole, &mut told).await;
        let taken = loop {
            let (taken, text) = told.recv().await.expect("watched");
            assert_eq!(text, whole);
            if taken {
                break Instant::now();
            }
        };
        assert!(taken - found >= SETTLE, "{:?}", taken - found);
        assert!(taken - found < SETTLE * 2, "{:?}", taken - found);
    }
}
