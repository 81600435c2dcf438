//! Tells the program which commit it is made of, for `--version`: what `SIDEGATE_COMMIT` says, else, in a
//! release build, what git says. Everyday builds are not made anew with each commit. Nothing here depends on
//! the time or the place of the build.

use std::path::Path;
use std::process::Command;

#[expect(
    clippy::disallowed_macros,
    reason = "this is how a build script speaks to Cargo"
)]
fn main() {
    let told = std::env::var_os("SIDEGATE_COMMIT").and_then(|text| text.into_string().ok());
    let release = std::env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    let commit = told.filter(|text| is_commit(text));
    let commit = commit.or_else(|| release.then(asked).flatten());
    println!("cargo:rerun-if-env-changed=SIDEGATE_COMMIT");
    println!("cargo:rerun-if-changed=src/build.rs");
    // Moves with every commit, checkout and pull.
    if release && Path::new(".git/logs/HEAD").exists() {
        println!("cargo:rerun-if-changed=.git/logs/HEAD");
    }
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=SIDEGATE_COMMIT={commit}");
}

/// The commit of this very folder, if it is a git repository's own.
fn asked() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    is_commit(text).then(|| text.to_owned())
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
