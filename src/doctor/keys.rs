//! The keys that seal sessions: how many, who can read them, how old the one in use is. That each is 32 random
//! bytes was seen to when the configuration was read.

use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use super::finding::Finding;
use super::subject::Subject;
use crate::config::Risk;
use crate::time::UnixTime;

pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let config = &subject.loaded.config;
    let count = config.keys.ids().count();
    let plural = if count == 1 { "" } else { "s" };
    let mut detail = format!(
        "{count} key{plural} of 256 random bits, {} seals",
        config.keys.first().id()
    );
    let mut age = None;
    match config.key_sources.first().and_then(|source| source.file()) {
        Some(file) => {
            let (told, since) = in_file(file, subject.clock.now());
            detail.push_str(&told);
            age = since;
        }
        None => detail.push_str("; it is not in a file, so a rotation needs a restart"),
    }
    let files = config.key_sources.iter().filter_map(|source| source.file());
    let open: Vec<&Path> = files.filter(|file| is_open(file)).collect();
    if !open.is_empty() {
        let names: Vec<_> = open.iter().map(|file| file.display().to_string()).collect();
        let whole = format!("{detail}; every user of this machine can read or write one");
        let mut found = Finding::warning(NAME, whole).advice(format!(
            "chmod 600 {}; then rotate, since others may have it.",
            names.join(" ")
        ));
        found.code = Some(Risk::ReadableByOthers.as_str());
        return vec![found];
    }
    vec![match age {
        Some(age) if age >= OLD => Finding::warning(NAME, detail)
            .advice("Rotate it: put the output of `sidegate keygen` in front and keep this one behind it; nobody is signed out."),
        _ => Finding::ok(NAME, detail),
    }]
}

/// What there is to say about the file of the key that seals, and its age.
fn in_file(file: &Path, now: UnixTime) -> (String, Option<Duration>) {
    let Ok(metadata) = std::fs::metadata(file) else {
        return ("; its file is gone".to_owned(), None);
    };
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let age = since.map(|since| now.since(UnixTime::default().plus(since)));
    let days = age.map_or(0, |age| age.as_secs() / 86_400);
    let mode = mode(&metadata);
    let told = format!("; its file has mode {mode:03o} and is {days} days old");
    (told, age)
}

fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| mode(&metadata) & 0o007 != 0)
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> u32 {
    0
}

const NAME: &str = "session keys";

/// After a year a key has sealed enough (NIST SP 800-57 part 1, 5.3.6: one to two years for keys of this kind).
const OLD: Duration = Duration::from_hours(365 * 24);
