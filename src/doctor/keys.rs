//! The keys that seal sessions: how many, who can read them, how old the one in use is.

use std::path::Path;
use std::time::SystemTime;

use super::finding::Finding;
use super::subject::Subject;
use crate::time::UnixTime;

pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let config = &subject.loaded.config;
    let count = config.keys.ids().count();
    let plural = if count == 1 { "" } else { "s" };
    let mut detail = format!("{count} key{plural}, {} seals", config.keys.first().id());
    let files: Vec<&Path> = config
        .key_sources
        .iter()
        .filter_map(|source| source.file())
        .collect();
    match config.key_sources.first().and_then(|source| source.file()) {
        Some(file) => detail.push_str(&in_file(file, subject.clock.now())),
        None => detail.push_str("; it is not in a file, so a rotation needs a restart"),
    }
    let open = files.into_iter().find(|file| is_open(file));
    vec![match open {
        Some(file) => Finding::warning(
            NAME,
            format!("{detail}; every user of this machine can read one"),
        )
        .advice(format!("chmod 600 {}", file.display())),
        None => Finding::ok(NAME, detail),
    }]
}

fn in_file(file: &Path, now: UnixTime) -> String {
    let Ok(metadata) = std::fs::metadata(file) else {
        return "; its file is gone".to_owned();
    };
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let age = since.map(|since| now.since(UnixTime::default().plus(since)));
    let days = age.map_or(0, |age| age.as_secs() / 86_400);
    format!(
        "; its file has mode {:03o} and is {days} days old",
        mode(&metadata)
    )
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
