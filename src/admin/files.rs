//! What is known of the files that may change while the gateway runs. Whoever reads them writes it down
//! here; what is in them is never kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::time::UnixTime;

/// A board on which readers of files leave word.
#[derive(Debug, Default)]
pub struct Files(Mutex<Vec<Watched>>);

/// Files that are taken over together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// What they hold.
    pub what: &'static str,
    /// Of which tenant, where there are several.
    pub tenant: Option<Arc<str>>,
    /// The name of each, and when it was written.
    pub written: Vec<(String, Option<UnixTime>)>,
    /// When changed files were last taken over.
    pub taken_over: Option<UnixTime>,
    /// Since when what is in the files is no good.
    pub refused: Option<UnixTime>,
}

impl Watched {
    /// Files of which nothing is known yet.
    pub fn new(what: &'static str, tenant: Option<Arc<str>>) -> Self {
        Self {
            what,
            tenant,
            ..Self::default()
        }
    }
}

/// What came of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The first one.
    First,
    /// As before.
    Same,
    /// Changed, and taken over.
    TakenOver,
    /// Changed, and no good.
    Refused,
}

impl Files {
    /// Keeps these only, with what is known of them, in this order: each has the place of its number.
    pub fn keep(&self, all: Vec<Watched>) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = std::mem::take(&mut *board);
        let same = |new: Watched| {
            let mut known = known.iter();
            let known = known.find(|known| known.what == new.what && known.tenant == new.tenant);
            known.cloned().unwrap_or(new)
        };
        *board = all.into_iter().map(same).collect();
    }

    /// A place on the board.
    pub fn add(&self, watched: Watched) -> usize {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.push(watched);
        board.len() - 1
    }

    /// Says at a place what came of reading `files`.
    pub fn tell(&self, place: usize, files: &[PathBuf], read: Read, now: UnixTime) {
        let written = files.iter().map(|file| {
            let name = file.file_name().unwrap_or(file.as_os_str());
            (name.to_string_lossy().into_owned(), written(file))
        });
        let written = written.collect();
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = board.get_mut(place) else {
            return;
        };
        known.written = written;
        match read {
            Read::First => known.refused = None,
            Read::Same => {}
            Read::TakenOver => (known.taken_over, known.refused) = (Some(now), None),
            Read::Refused => known.refused = Some(now),
        }
    }

    /// The whole board.
    pub fn all(&self) -> Vec<Watched> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.clone()
    }
}

fn written(file: &std::path::Path) -> Option<UnixTime> {
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixTime::default().plus(since_epoch))
}

/// What holds a client secret is called so.
pub const CLIENT_SECRET: &str = "client secret";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_until_something_good_is_taken_over() {
        let at = UnixTime::from_millis;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("key");
        std::fs::write(&file, "x").expect("our own file");
        let (files, paths) = (Files::default(), [file, directory.path().join("none")]);
        let place = files.add(Watched::new("session keys", None));
        let after = |read, now| {
            files.tell(place, &paths, read, at(now));
            let known = files.all().remove(place);
            (known.taken_over, known.refused)
        };
        assert_eq!(after(Read::First, 1), (None, None));
        assert_eq!(after(Read::Refused, 2), (None, Some(at(2))));
        assert_eq!(after(Read::Same, 3), (None, Some(at(2))));
        assert_eq!(after(Read::TakenOver, 4), (Some(at(4)), None));
        let [(key, written), (none, unwritten)] = &files.all()[0].written[..] else {
            panic!("two files");
        };
        assert_eq!((key.as_str(), none.as_str()), ("key", "none"));
        assert!(written.is_some() && unwritten.is_none());
        // A place that nobody gave out is none.
        files.tell(7, &paths, Read::Refused, at(5));
        assert_eq!(files.all().len(), 1);
    }
}
