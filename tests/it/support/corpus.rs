//! Test cases of others, read where cargo unpacked the development dependency that carries them: the
//! repository holds no copy.

use std::path::PathBuf;

/// The text of `file` in the package `name`, at the version in `Cargo.lock`. What is not there fails
/// the test: a corpus that is silently skipped proves nothing.
pub fn read(name: &str, file: &str) -> String {
    let folder = format!("{name}-{}", locked_version(name));
    let sources = cargo_home().join("registry").join("src");
    let registries = std::fs::read_dir(&sources)
        .unwrap_or_else(|error| panic!("{}: {error}", sources.display()));
    let mut candidates =
        registries.map(|registry| registry.expect("readable").path().join(&folder).join(file));
    let path = candidates.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "{folder}/{file} is not below {}; `cargo fetch` brings it",
            sources.display()
        )
    });
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn locked_version(name: &str) -> String {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let lock = std::fs::read_to_string(lock).expect("Cargo.lock is here");
    let head = format!("name = \"{name}\"\nversion = \"");
    let rest = lock
        .split(&head)
        .nth(1)
        .unwrap_or_else(|| panic!("{name} is not locked"));
    rest.split('"').next().expect("a version").to_owned()
}

fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo"),
        PathBuf::from,
    )
}
