//! `sidegate keygen`.

use super::Terminal;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;

/// Prints a new session key.
pub(super) fn run(terminal: Terminal) {
    let key = MasterKey::generate(&OsEntropy).to_text();
    terminal.say(&format!("{}\n", *key));
}
