//! Where a secret came from, so that it can be read again when its file changes.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use secrecy::SecretString;

use super::resolve::FileFault;
use super::resolve::read_secret;

/// The origin of a secret.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The configuration or a variable: stays what it is until the process ends.
    Given(SecretString),
    /// A file.
    File(PathBuf),
}

impl SecretSource {
    /// The secret as it is now.
    pub fn read(&self) -> Result<SecretString, Unreadable> {
        match self {
            Self::Given(text) => Ok(text.clone()),
            Self::File(file) => read_secret(file)
                .map(|(secret, _)| secret)
                .map_err(|fault| Unreadable {
                    file: file.clone(),
                    fault,
                }),
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::File(file) => Some(file),
        }
    }
}

/// A file that gives no secret.
#[derive(Debug)]
pub struct Unreadable {
    file: PathBuf,
    fault: FileFault,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.fault)
    }
}

impl std::error::Error for Unreadable {}
