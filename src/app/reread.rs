//! Files that may change while the gateway runs: session keys, client secrets, the list of revoked
//! sessions, and the configuration itself (see [`super::reload`]). They are read again when their directory changes (Kubernetes swaps a link in it) and on
//! a timer, since notice of changes does not come everywhere.

mod groups;
mod settling;
mod upstream_tls;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use notify::event::AccessKind;
use notify::event::AccessMode;
use notify::event::ModifyKind;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;

pub(super) use groups::CertificateFiles;
pub(super) use groups::ClientSecretFiles;
pub(super) use groups::KeyFiles;
pub(super) use groups::RevocationFile;
pub(super) use groups::SigningSecretFiles;
pub(super) use settling::SETTLE;
pub(super) use settling::Settling;
pub(super) use upstream_tls::UpstreamTlsFiles;

use crate::admin::files::Files;
use crate::admin::files::Read;
use crate::admin::files::Watched;
use crate::session::Revocations;
use crate::time::Clock;

/// Files that are taken over together, or not at all.
pub(super) trait Group: Send {
    /// What they are, for the status page.
    fn about(&self) -> Watched;

    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads them.
    fn read(&self) -> Reading;
}

/// What was found in the files of a group.
pub(super) struct Reading {
    /// Changes whenever the files do.
    digest: Digest,
    /// How to put it into force, or what is wrong with it.
    outcome: Result<Box<dyn FnOnce()>, String>,
}

type Digest = [u8; 32];

/// A group and what was found in its files last. Its place on the board is its number.
struct Known {
    group: Box<dyn Group>,
    seen: Option<Digest>,
    /// What may be seen next.
    next: Settling<Digest>,
}

impl Known {
    /// Whether `digest` is what is known, or stays long enough to be.
    fn is_settled(&mut self, digest: Digest, now: Instant) -> bool {
        if self.seen == Some(digest) {
            self.next.forget();
            return true;
        }
        self.next.is_settled(digest, now)
    }
}

/// Reads files again and takes over what is good.
pub(super) struct Rereader {
    groups: Mutex<Vec<Known>>,
    revocations: Mutex<Vec<Arc<Revocations>>>,
    /// Another file whose directory is watched: that of the configuration.
    beside: Mutex<Option<PathBuf>>,
    clock: Arc<dyn Clock>,
    board: Arc<Files>,
    changed: Arc<Notify>,
    watcher: Mutex<Option<RecommendedWatcher>>,
}

impl Rereader {
    pub(super) fn new(clock: Arc<dyn Clock>, board: Arc<Files>) -> Self {
        Self {
            groups: Mutex::default(),
            revocations: Mutex::default(),
            beside: Mutex::default(),
            clock,
            board,
            changed: Arc::default(),
            watcher: Mutex::default(),
        }
    }

    /// Reads these files from now on. What was found in those that were there before counts as seen: they
    /// have been read for the configuration that names them.
    pub(super) fn follow(&self, groups: Vec<Box<dyn Group>>, revocations: Vec<Arc<Revocations>>) {
        let mut known = lock(&self.groups);
        let before = std::mem::take(&mut *known);
        let watched = groups.into_iter().filter(|group| !group.files().is_empty());
        let same = |group: Box<dyn Group>| {
            let (about, files) = (group.about(), group.files());
            let mut before = before.iter();
            let before =
                before.find(|known| known.group.about() == about && known.group.files() == files);
            Known {
                seen: before.and_then(|known| known.seen),
                next: Settling::default(),
                group,
            }
        };
        *known = watched.map(same).collect();
        self.board
            .keep(known.iter().map(|known| known.group.about()).collect());
        drop(known);
        *lock(&self.revocations) = revocations;
    }

    /// Watches the directory of this file as well.
    pub(super) fn watch_beside(&self, file: PathBuf) {
        *lock(&self.beside) = Some(file);
    }

    /// Reads all files, now. What is in force stays where a file has not changed or is no good.
    pub(super) fn reread(&self) {
        self.reread_where(|_, _| true);
    }

    /// Reads all files at `now`, and leaves alone what may still be written. Answers whether there was any
    /// such.
    pub(super) fn reread_settled(&self, now: Instant) -> bool {
        let mut unsettled = false;
        self.reread_where(|known, digest| {
            let settled = known.is_settled(digest, now);
            unsettled |= !settled;
            settled
        });
        unsettled
    }

    /// Whether any file may still be written at `now`.
    pub(super) fn is_unsettled(&self, now: Instant) -> bool {
        let mut unsettled = false;
        for known in lock(&self.groups).iter_mut() {
            let digest = known.group.read().digest;
            unsettled |= !known.is_settled(digest, now);
        }
        unsettled
    }

    fn reread_where(&self, mut may: impl FnMut(&mut Known, Digest) -> bool) {
        let mut groups = lock(&self.groups);
        let now = self.clock.now();
        for (place, known) in groups.iter_mut().enumerate() {
            let Reading { digest, outcome } = known.group.read();
            if !may(known, digest) {
                continue;
            }
            let before = known.seen.replace(digest);
            let read = match outcome {
                _ if before == Some(digest) => Read::Same,
                Ok(take_over) => {
                    take_over();
                    before.map_or(Read::First, |_| Read::TakenOver)
                }
                Err(problem) => {
                    tracing::error!(
                        event = "files.refused",
                        problem,
                        "A changed file is no good; what was in force stays."
                    );
                    Read::Refused
                }
            };
            self.board.tell(place, &known.group.files(), read, now);
        }
        drop(groups);
        for revocations in lock(&self.revocations).iter() {
            revocations.tidy(now);
        }
    }

    /// Calls `look` whenever something happens to the files or a while has passed, for as long as `control`
    /// runs; and once more soon, when `look` answers that it found something unsettled.
    pub(super) fn watch(
        &self,
        control: &Handle,
        look: impl Fn(Instant) -> bool + Send + Sync + 'static,
    ) {
        self.watch_directories();
        let (changed, look) = (Arc::clone(&self.changed), Arc::new(look));
        control.spawn(async move {
            let mut timer = tokio::time::interval(TIMER);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.reset();
            let mut unsettled = false;
            loop {
                tokio::select! {
                    // Most writers take several quick steps: one look for all of them.
                    () = changed.notified() => tokio::time::sleep(GATHER).await,
                    () = tokio::time::sleep(SETTLE), if unsettled => {}
                    _ = timer.tick() => {}
                }
                let (look, now) = (Arc::clone(&look), Instant::now());
                let looked = tokio::task::spawn_blocking(move || look(now)).await;
                unsettled = looked.unwrap_or_else(|error| {
                    tracing::error!(%error, "Reading files again broke off.");
                    false
                });
                if unsettled {
                    tracing::debug!(
                        event = "files.unsettled",
                        "A file has changed; it is looked at once more before it is taken over."
                    );
                }
            }
        });
    }

    /// Watches where the files are now.
    pub(super) fn watch_directories(&self) {
        // The old one is dropped when the new one watches.
        let watcher = self.watcher();
        *lock(&self.watcher) = watcher;
        // Something may have happened since the files were read, and before they were watched.
        self.changed.notify_one();
    }

    fn watcher(&self) -> Option<RecommendedWatcher> {
        let files = self.files();
        let directories = directories(&files);
        if directories.is_empty() {
            return None;
        }
        let changed = Arc::clone(&self.changed);
        let names = files
            .iter()
            .filter_map(|file| Some(file.file_name()?.to_owned()));
        let names: BTreeSet<OsString> = names.collect();
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(&event, &names)) {
                changed.notify_one();
            }
        };
        let missing = |error: notify::Error| {
            tracing::warn!(event = "files.unwatched", %error,
                "No notice of changed files; they are read again every 30 seconds.");
        };
        let mut watcher = notify::recommended_watcher(told).map_err(missing).ok()?;
        for directory in directories {
            if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                missing(error);
            }
        }
        Some(watcher)
    }

    /// All that is read, and where links lead: the file at their end may be written anew in its place.
    fn files(&self) -> Vec<PathBuf> {
        let groups = lock(&self.groups);
        let files = groups.iter().flat_map(|known| known.group.files());
        let mut files: Vec<PathBuf> = files.chain(lock(&self.beside).clone()).collect();
        let ends = files.iter().filter_map(|file| file.canonicalize().ok());
        files.extend(ends.collect::<Vec<_>>());
        files
    }
}

/// Where `files` are, each directory once.
fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let directory = |file: &PathBuf| {
        let directory = file.parent()?;
        let here = directory == Path::new("");
        let directory = if here { Path::new(".") } else { directory };
        Some(
            directory
                .canonicalize()
                .unwrap_or_else(|_| directory.to_owned()),
        )
    };
    files.iter().filter_map(directory).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Our own reading of a file is not a change of it, and what is written into others beside it (a log,
/// perhaps) is none either. What comes, goes or is renamed may be a link on the way.
fn is_change(event: &notify::Event, names: &BTreeSet<OsString>) -> bool {
    let ours = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
    match event.kind {
        EventKind::Modify(ModifyKind::Name(_)) => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(_) => {
            event.paths.is_empty() || event.paths.iter().any(ours)
        }
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// How long after a notice the files are read.
const GATHER: Duration = Duration::from_millis(100);

/// How often files are read without any notice.
const TIMER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
