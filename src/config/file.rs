//! The configuration as something that can be read again.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;

use super::Config;
use super::Environment;
use super::Loaded;
use super::Problems;

/// A file and the environment above it, which stays what it was at the start.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    environment: Environment,
}

impl ConfigFile {
    /// The file at `path` with the overrides in `environment`.
    pub fn new(path: &Path, environment: Environment) -> Self {
        Self {
            path: path.to_owned(),
            environment,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now. Text and hash are of one reading.
    pub fn read(&self) -> Reading {
        let bytes = super::read(&self.path);
        let hash = bytes
            .as_ref()
            .map_or_else(|_| Hash::default(), |bytes| Hash::of(bytes));
        let outcome = Config::load_bytes(&self.path, bytes, &self.environment, true);
        Reading { hash, outcome }
    }

    /// The hash of what it says now; that of nothing where it cannot be read.
    pub fn hash(&self) -> Hash {
        super::read(&self.path).map_or_else(|_| Hash::default(), |bytes| Hash::of(&bytes))
    }
}

/// What a file was found to say.
#[derive(Debug)]
pub struct Reading {
    /// Changes with the text.
    pub hash: Hash,
    /// The configuration, or all that is wrong with it.
    pub outcome: Result<Loaded, Problems>,
}

/// Tells texts of a configuration apart, so that one can see whether two processes have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hash(Arc<str>);

impl Hash {
    fn of(bytes: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let short = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Self(format!("{short:016x}").into())
    }

    /// The first 16 digits of the text's SHA-256.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_text_that_was_resolved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sidegate.yaml");
        let file = ConfigFile::new(&path, Environment::default());
        let missing = file.read();
        assert_eq!(missing.hash, Hash::default());
        assert!(missing.outcome.is_err());
        std::fs::write(&path, "nonsense: true\n").expect("our own file");
        let first = file.read();
        assert!(first.outcome.is_err());
        assert_eq!(first.hash, file.hash());
        // printf 'nonsense: true\n' | sha256sum
        assert_eq!(first.hash.as_str().len(), 16);
        std::fs::write(&path, "nonsense: false\n").expect("our own file");
        assert_ne!(first.hash, file.hash());
    }
}
