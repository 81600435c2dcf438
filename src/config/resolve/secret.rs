//! Secrets: from a file, from a variable, or written where they are used.

use std::fmt;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::io::Read;
use std::path::Path;

use secrecy::ExposeSecret;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Resolver;
use crate::config::place::KeyPath;
use crate::config::place::Location;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawSecret;
use crate::config::raw::RawSecretSource;
use crate::config::secret_source::SecretSource;

impl Resolver<'_> {
    /// A secret and where to read it again.
    pub(super) fn secret(
        &mut self,
        path: &KeyPath,
        raw: RawSecret,
    ) -> Option<(SecretString, SecretSource)> {
        match raw {
            RawSecret::Text(text) => {
                self.note_inline(path);
                let secret = trimmed(text.0.expose_secret());
                if secret.is_none() {
                    self.bad(path, "is empty");
                }
                secret.map(given)
            }
            RawSecret::From(source) => match self.one_source(path, source) {
                RawSecretSource {
                    file: Some(file),
                    env: None,
                } => self.secret_file(&path.child("file"), &file),
                RawSecretSource {
                    file: None,
                    env: Some(name),
                } => self.secret_variable(&path.child("env"), &name).map(given),
                RawSecretSource { .. } => {
                    if !self.findings.blames(path) {
                        self.bad(path, "must be either { file: PATH } or { env: NAME }");
                    }
                    None
                }
            },
        }
    }

    /// A variable that says `{ file }` takes the place of a file that says `{ env }`, or the other
    /// way round: layers are laid over each other key by key.
    fn one_source(&self, path: &KeyPath, source: RawSecretSource) -> RawSecretSource {
        let overrides = |key: &str| {
            let location = self.findings.places.value(&path.child(key));
            matches!(location, Location::Variable(_))
        };
        match (overrides("file"), overrides("env")) {
            (true, false) => RawSecretSource {
                env: None,
                ..source
            },
            (false, true) => RawSecretSource {
                file: None,
                ..source
            },
            _ => source,
        }
    }

    /// A secret in the file is a risk; one in a variable is where people put them.
    pub(super) fn note_inline(&mut self, path: &KeyPath) {
        if matches!(self.findings.places.value(path), Location::File { .. }) {
            self.findings
                .warn(
                    Risk::InlineSecret,
                    path,
                    "a secret stands in the configuration file",
                )
                .hint("use { file: PATH } or { env: NAME }");
        }
    }

    fn secret_file(&mut self, path: &KeyPath, file: &str) -> Option<(SecretString, SecretSource)> {
        let file = self.base.join(file);
        match read(&file) {
            Ok((secret, by_others)) => {
                if by_others {
                    self.readable_by_others(path);
                }
                Some((secret, SecretSource::File(file)))
            }
            Err(fault) => {
                self.unreadable(path, &fault);
                None
            }
        }
    }

    fn secret_variable(&mut self, path: &KeyPath, name: &str) -> Option<SecretString> {
        let message = match self.environment.get(name).map(std::ffi::OsStr::to_str) {
            None => "names a variable that is not set",
            Some(None) => "names a variable that is not UTF-8 text",
            Some(Some(text)) => match trimmed(text) {
                Some(secret) => return Some(secret),
                None => "names a variable that is empty",
            },
        };
        self.findings.problem(Code::SecretUnreadable, path, message);
        None
    }
}

/// Whether a file that can be opened may be read by every user of the machine.
pub(super) fn inspect(file: &Path) -> Result<bool, FileFault> {
    open(file).map(|(_, by_others)| by_others)
}

/// Why a file gives no secret. Does not name the file: a secret may stand in place of its name.
#[derive(Debug)]
pub(in crate::config) enum FileFault {
    /// The operating system's reason.
    Io(io::Error),
    /// A directory, a pipe, a device.
    NotAFile,
    /// More than [`MAX_SECRET`] bytes.
    TooLarge,
    /// Not UTF-8.
    NotText,
    /// Nothing but line ends.
    Empty,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotAFile => f.write_str("is not a regular file"),
            Self::TooLarge => write!(f, "the file holds more than {MAX_SECRET} bytes"),
            Self::NotText => f.write_str("the file is not UTF-8 text"),
            Self::Empty => f.write_str("the file is empty"),
        }
    }
}

/// Largest file that is taken for a secret, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// A secret, and whether every user of the machine may read it.
pub(in crate::config) fn read(file: &Path) -> Result<(SecretString, bool), FileFault> {
    let (file, by_others) = open(file)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let count = file
        .take(MAX_SECRET + 1)
        .read_to_end(&mut bytes)
        .map_err(FileFault::Io)?;
    if u64::try_from(count).is_ok_and(|count| count > MAX_SECRET) {
        return Err(FileFault::TooLarge);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| FileFault::NotText)?;
    let secret = trimmed(text).ok_or(FileFault::Empty)?;
    Ok((secret, by_others))
}

fn open(file: &Path) -> Result<(File, bool), FileFault> {
    // Asked before opening: to open a pipe is to wait for its writer.
    let metadata = std::fs::metadata(file).map_err(FileFault::Io)?;
    if !metadata.is_file() {
        return Err(FileFault::NotAFile);
    }
    let opened = File::open(file).map_err(FileFault::Io)?;
    Ok((opened, open_to_others(&metadata)))
}

#[cfg(unix)]
fn open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &Metadata) -> bool {
    false
}

fn given(secret: SecretString) -> (SecretString, SecretSource) {
    let copy = secret.clone();
    (secret, SecretSource::Given(copy))
}

/// Without the line end that editors and `echo` leave behind.
fn trimmed(text: &str) -> Option<SecretString> {
    let text = text.trim_end_matches(['\n', '\r']);
    (!text.is_empty()).then(|| text.into())
}
