//! Several files at once, or none.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::crypto::Entropy;
use crate::lifecycle;

/// A file to be.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Whether only its owner may read it.
    pub(super) private: bool,
    /// Whether it takes the place of one that is there.
    pub(super) replaces: bool,
}

/// Writes all files into `folder`, which is made if it is not there. What fails leaves nothing behind, and what
/// was there as it was.
pub(super) fn write(folder: &Path, files: &[NewFile], entropy: &dyn Entropy) -> Result<(), String> {
    // From here on Ctrl-C waits until all is written: a few milliseconds.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let _held = {
        let _entered = runtime.enter();
        lifecycle::stop_signal().map_err(|error| error.to_string())?
    };
    let said = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| said(folder, error))?;
    let mut drafts = Drafts(Vec::new());
    for file in files {
        let draft = drafts.add(file, entropy);
        draft.map_err(|error| said(&file.path, error))?;
    }
    let mut placed = Placed::default();
    for (file, draft) in files.iter().zip(&drafts.0) {
        if let Err(error) = placed.put(file, draft, entropy) {
            return Err(placed.undo(said(&file.path, error)));
        }
    }
    // Names are as lasting as what they name.
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    if let Err(error) = synced {
        return Err(placed.undo(said(folder, error)));
    }
    placed.keep();
    Ok(())
}

/// Files that took their place, and what was there before them.
#[derive(Default)]
struct Placed<'a> {
    new: Vec<&'a Path>,
    /// Where something was, and where it is meanwhile.
    aside: Vec<(&'a Path, PathBuf)>,
}

impl<'a> Placed<'a> {
    /// Takes its place at once, and never that of another, unless it may.
    fn put(&mut self, file: &'a NewFile, draft: &Path, entropy: &dyn Entropy) -> io::Result<()> {
        let path = file.path.as_path();
        let there = path.symlink_metadata();
        if let (true, Ok(there)) = (file.replaces, there) {
            if there.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let aside = hidden(path, entropy);
            // Not every file system has links.
            std::fs::hard_link(path, &aside).or_else(|_| std::fs::rename(path, &aside))?;
            self.aside.push((path, aside));
            return std::fs::rename(draft, path);
        }
        match std::fs::hard_link(draft, path) {
            Ok(()) => {}
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
                std::fs::rename(draft, path)?;
            }
            Err(error) => return Err(error),
        }
        self.new.push(path);
        Ok(())
    }

    /// Puts everything back, and says what could not be.
    fn undo(self, mut why: String) -> String {
        for path in self.new {
            let _removed = std::fs::remove_file(path);
        }
        for (path, aside) in self.aside {
            match std::fs::rename(&aside, path) {
                // Two names of the same file stay two (rename(2)): it was not replaced yet.
                Ok(()) => {
                    let _removed = std::fs::remove_file(&aside);
                }
                Err(error) => {
                    let (path, aside) = (path.display(), aside.display());
                    why = format!("{why}; what {path} held is in {aside}: {error}");
                }
            }
        }
        why
    }

    /// What was there is not wanted any more.
    fn keep(self) {
        for (_, aside) in self.aside {
            let _removed = std::fs::remove_file(aside);
        }
    }
}

/// A name beside the file's that nobody looks for.
fn hidden(path: &Path, entropy: &dyn Entropy) -> PathBuf {
    let random = u64::from_ne_bytes(entropy.bytes());
    let name = path.file_name().unwrap_or_default();
    path.with_file_name(format!(".{}.{random:016x}", name.to_string_lossy()))
}

/// Files that are written and have no name yet that anybody looks for.
struct Drafts(Vec<PathBuf>);

impl Drafts {
    fn add(&mut self, file: &NewFile, entropy: &dyn Entropy) -> io::Result<()> {
        let draft = hidden(&file.path, entropy);
        let mode = if file.private { 0o600 } else { 0o644 };
        let mut opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        self.0.push(draft);
        opened.write_all(&file.bytes)?;
        opened.sync_all()
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        for draft in &self.0 {
            // Those that took their place by renaming are gone.
            let _removed = std::fs::remove_file(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::crypto::OsEntropy;

    fn file(path: PathBuf, text: &str, replaces: bool) -> NewFile {
        NewFile {
            path,
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            private: true,
            replaces,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("one").file_name().into_string());
        let mut names: Vec<_> = names.map(|name| name.expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn all_are_written_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("new");
        let pair = |replaces| {
            let one = file(inner.join("one"), "1", replaces);
            [one, file(inner.join("two"), "2", replaces)]
        };
        write(&inner, &pair(false), &OsEntropy).expect("written");
        assert_eq!(names(&inner), ["one", "two"]);
        let mode = std::fs::metadata(inner.join("one"))
            .expect("one")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        // The second is in the way, so that the first is taken back.
        std::fs::remove_file(inner.join("one")).expect("removed");
        let refused = write(&inner, &pair(false), &OsEntropy).expect_err("in the way");
        assert!(refused.contains("two"), "{refused}");
        assert_eq!(names(&inner), ["two"]);
        let mut other = pair(true);
        other[1].bytes = Zeroizing::new(b"3".to_vec());
        write(&inner, &other, &OsEntropy).expect("replaced");
        assert_eq!(names(&inner), ["one", "two"]);
        assert_eq!(std::fs::read(inner.join("two")).expect("two"), b"3");
    }

    #[test]
    fn what_cannot_be_replaced_as_a_whole_stays_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("one"), "old").expect("written");
        std::os::unix::fs::symlink("one", at("two")).expect("linked");
        std::fs::create_dir(at("four")).expect("made");
        let files = ["one", "two", "three", "four"].map(|name| file(at(name), "new", true));
        let refused = write(folder.path(), &files, &OsEntropy).expect_err("a folder");
        assert!(refused.contains("four"), "{refused}");
        assert_eq!(names(folder.path()), ["four", "one", "two"]);
        assert_eq!(std::fs::read(at("one")).expect("one"), b"old");
        let target = std::fs::read_link(at("two")).expect("a link");
        assert_eq!(target, Path::new("one"));
        std::fs::remove_dir(at("four")).expect("removed");
        write(folder.path(), &files, &OsEntropy).expect("written");
        assert_eq!(names(folder.path()), ["four", "one", "three", "two"]);
        assert_eq!(std::fs::read(at("two")).expect("two"), b"new");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("file"), "").expect("written");
        let inner = folder.path().join("file/inner");
        let refused = write(&inner, &[], &OsEntropy).expect_err("a file");
        assert!(refused.contains("file/inner"), "{refused}");
    }
}
