//! Files that may change while the gateway runs: session keys, client secrets, the list of revoked
//! sessions. They are read again when their directory changes (Kubernetes swaps a link in it) and on
//! a timer, since notice of changes does not come everywhere.

mod groups;
mod upstream_tls;

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use notify::event::AccessKind;
use notify::event::AccessMode;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

pub(super) use groups::CertificateFiles;
pub(super) use groups::ClientSecretFiles;
pub(super) use groups::KeyFiles;
pub(super) use groups::RevocationFile;
pub(super) use groups::SigningSecretFiles;
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

/// A group, what was found in its files last, and its place on the board.
struct Known {
    group: Box<dyn Group>,
    seen: Option<Digest>,
    place: usize,
}

/// Reads files again and takes over what is good.
pub(super) struct Rereader {
    groups: Mutex<Vec<Known>>,
    revocations: Vec<Arc<Revocations>>,
    clock: Arc<dyn Clock>,
    board: Arc<Files>,
}

impl Rereader {
    pub(super) fn new(
        groups: Vec<Box<dyn Group>>,
        revocations: Vec<Arc<Revocations>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let board = Arc::<Files>::default();
        let watched = groups.into_iter().filter(|group| !group.files().is_empty());
        let watched = watched.map(|group| Known {
            place: board.add(group.about()),
            group,
            seen: None,
        });
        Self {
            groups: Mutex::new(watched.collect()),
            revocations,
            clock,
            board,
        }
    }

    /// What is known of the files.
    pub(super) fn board(&self) -> Arc<Files> {
        Arc::clone(&self.board)
    }

    /// Reads all files, now. What is in force stays where a file has not changed or is no good.
    pub(super) fn reread(&self) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        for Known { group, seen, place } in groups.iter_mut() {
            let Reading { digest, outcome } = group.read();
            let before = seen.replace(digest);
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
            self.board.tell(*place, &group.files(), read, now);
        }
        drop(groups);
        for revocations in &self.revocations {
            revocations.tidy(now);
        }
    }

    /// Reads again whenever something happens to the files, for as long as `control` runs.
    pub(super) fn watch(self: Arc<Self>, control: &Handle) {
        let changed = Arc::new(Notify::new());
        let watcher = self.watcher(&changed);
        control.spawn(async move {
            let _watcher = watcher;
            let mut timer = tokio::time::interval(TIMER);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.reset();
            loop {
                tokio::select! {
                    // Writers take several steps: the last one is waited for.
                    () = changed.notified() => tokio::time::sleep(SETTLE).await,
                    _ = timer.tick() => {}
                }
                let this = Arc::clone(&self);
                let reread = tokio::task::spawn_blocking(move || this.reread());
                if let Err(error) = reread.await {
                    tracing::error!(%error, "Reading files again broke off.");
                }
            }
        });
    }

    fn watcher(&self, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let directories = self.directories();
        if directories.is_empty() {
            return None;
        }
        let changed = Arc::clone(changed);
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
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

    fn directories(&self) -> BTreeSet<PathBuf> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let files = groups.iter().flat_map(|known| known.group.files());
        files
            .filter_map(|file| {
                let directory = file.parent()?;
                let here = directory == Path::new("");
                Some(if here { Path::new(".") } else { directory }.to_owned())
            })
            .collect()
    }
}

/// Our own reading of a file is not a change of it.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// How long after a notice the files are read.
const SETTLE: Duration = Duration::from_millis(100);

/// How often files are read without any notice.
const TIMER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
