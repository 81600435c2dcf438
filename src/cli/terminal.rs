//! Where commands write. A reader that has gone away (`| head`) is no failure of ours.

use std::io::Write as _;

/// Standard output and standard error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

impl Terminal {
    /// The command's result.
    pub fn say(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// What went wrong.
    pub fn complain(self, text: &str) {
        let _written = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
