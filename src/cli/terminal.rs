//! Where commands write, and how it looks there: colours where a person reads it, plain text in a pipe, in a
//! file, on a terminal that knows no colours and wherever `NO_COLOR` is set; `CLICOLOR_FORCE` asks for them in
//! a pipe too. Texts always hold their colours; they are taken out on the way. A reader that has gone away
//! (`| head`) is no failure of ours.

use std::fmt;
use std::io::IsTerminal as _;
use std::io::Write as _;

use anstyle::AnsiColor;
use anstyle::Style;

use crate::config::Environment;
use crate::config::Mark;
use crate::telemetry::escape::is_obeyed;

/// Standard output and standard error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

impl Terminal {
    /// The command's result.
    pub fn say(self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// What went wrong.
    pub fn complain(self, text: &str) {
        let _written = anstream::stderr().lock().write_all(text.as_bytes());
    }
}

/// Whether a line can be taken back. As with colours, a terminal without a name can do nothing.
fn can_erase(environment: &Environment) -> bool {
    let name = environment.get("TERM");
    name.is_some_and(|name| !name.is_empty() && name != "dumb")
}

/// A line that tells what is under way: it is written over, and leaves no trace.
#[derive(Debug)]
pub(super) struct Progress {
    live: bool,
    shown: bool,
}

impl Progress {
    /// On standard error, if that is a terminal and no result is told meanwhile by way of a pipe, which would
    /// come late.
    pub(super) fn new(environment: &Environment, told_meanwhile: bool) -> Self {
        let live = std::io::stderr().is_terminal() && can_erase(environment);
        Self {
            live: live && (!told_meanwhile || std::io::stdout().is_terminal()),
            shown: false,
        }
    }

    /// Shows `text` in place of what was there.
    pub(super) fn show(&mut self, text: &str) {
        if self.live {
            write_to_stderr(&format!("{ERASE}{text}"));
            self.shown = true;
        }
    }

    /// Takes the line away.
    pub(super) fn erase(&mut self) {
        if std::mem::take(&mut self.shown) {
            write_to_stderr(ERASE);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.erase();
    }
}

fn write_to_stderr(text: &str) {
    let mut out = std::io::stderr().lock();
    let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// To the beginning of the line, and nothing left of it (ECMA-48, EL).
const ERASE: &str = "\r\x1b[K";

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Works, but.
    Warning,
    /// Does not work.
    Bad,
    /// What to do.
    Hint,
    /// What to look at first.
    Strong,
}

impl Tone {
    /// `text` in this tone.
    pub(super) fn paint<T: fmt::Display>(self, text: T) -> Painted<T> {
        Painted { tone: self, text }
    }

    const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Hint => AnsiColor::Cyan.on_default(),
            Self::Strong => Style::new().bold(),
        }
    }
}

/// The marks of a configuration's report.
pub(super) fn paint(mark: Mark, text: &str) -> String {
    let tone = match mark {
        Mark::Error => Tone::Bad,
        Mark::Warning => Tone::Warning,
        Mark::Note => Tone::Strong,
        Mark::Hint => Tone::Hint,
    };
    tone.paint(text).to_string()
}

/// A text with its colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Painted<T> {
    tone: Tone,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.tone.style();
        write!(f, "{style}{}{style:#}", self.text)
    }
}

/// A text that others had a part in: without what would move a terminal's cursor, turn
/// its text round or change its title.
pub(super) fn harmless(text: &str) -> String {
    let shown = |c: char| {
        if is_obeyed(c) && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_erased_where_the_terminal_has_a_name() {
        for (name, can) in [
            (Some("xterm-256color"), true),
            (Some("dumb"), false),
            (Some(""), false),
            (None, false),
        ] {
            let environment: Environment = name.map(|name| ("TERM", name)).into_iter().collect();
            assert_eq!(can_erase(&environment), can, "{name:?}");
        }
    }

    #[test]
    fn colours_end_where_their_text_ends() {
        let painted = format!("{} x", Tone::Good.paint("ok"));
        assert_eq!(painted, "\x1b[32mok\x1b[0m x");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), "ok x");
    }

    #[test]
    fn others_do_not_write_to_the_terminal_as_they_like() {
        assert_eq!(
            harmless("a\x1b]0;title\x07b\rc\nd\u{9b}2J\u{202e}e"),
            "a\u{fffd}]0;title\u{fffd}b\u{fffd}c\nd\u{fffd}2J\u{fffd}e"
        );
    }
}
