//! A secret typed on a terminal that does not show it.

use std::io;
use std::os::fd::AsFd;

use rustix::process::Signal;
use rustix::process::getpid;
use rustix::process::kill_process;
use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::SpecialCodeIndex;
use rustix::termios::Termios;
use rustix::termios::tcgetattr;
use rustix::termios::tcsetattr;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Reads a line from standard input without showing it; `ask` is called once nothing is shown any more.
///
/// The terminal is told to pass on Ctrl-C as it is, so that it can be set right before the program ends.
pub(super) fn read(ask: impl FnOnce()) -> io::Result<SecretString> {
    let stdin = io::stdin();
    let silent = Silent::begin(&stdin)?;
    ask();
    let line = line(&mut stdin.lock());
    drop(silent);
    match line {
        Ok(Typed::Line(text)) => Ok(SecretString::from(text.as_str())),
        Ok(Typed::Interrupt) => {
            // As it would have been without us.
            kill_process(getpid(), Signal::INT)?;
            Err(io::ErrorKind::Interrupted.into())
        }
        Err(error) => Err(error),
    }
}

enum Typed {
    Line(Zeroizing<String>),
    Interrupt,
}

fn line(input: &mut impl io::Read) -> io::Result<Typed> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = [0];
    // One at a time, as they are typed.
    while input.read(&mut byte)? == 1 {
        match byte[0] {
            b'\r' | b'\n' => {
                let text = std::str::from_utf8(&bytes);
                let text = text.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                return Ok(Typed::Line(Zeroizing::new(text.to_owned())));
            }
            CTRL_C => return Ok(Typed::Interrupt),
            CTRL_D => break,
            BACKSPACE | DELETE => {
                // The last character, all its bytes.
                while bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            CTRL_U => bytes.clear(),
            byte if bytes.len() < LONGEST => bytes.push(byte),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A terminal that shows nothing, until this is dropped.
struct Silent<F: AsFd> {
    terminal: F,
    before: Termios,
}

impl<F: AsFd> Silent<F> {
    fn begin(terminal: F) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<F: AsFd> Drop for Silent<F> {
    fn drop(&mut self) {
        let _restored = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// More than any secret has.
const LONGEST: usize = 1024;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Option<String> {
        match line(&mut &*bytes) {
            Ok(Typed::Line(text)) => Some(text.to_string()),
            Ok(Typed::Interrupt) => Some("interrupt".to_owned()),
            Err(_) => None,
        }
    }

    #[test]
    fn a_line_can_be_corrected_and_left() {
        assert_eq!(typed(b"abc\r").as_deref(), Some("abc"));
        assert_eq!(typed(b"abx\x7fc\nrest").as_deref(), Some("abc"));
        assert_eq!(typed("aé\x7fb\n".as_bytes()).as_deref(), Some("ab"));
        assert_eq!(typed(b"wrong\x15\x7fabc\n").as_deref(), Some("abc"));
        assert_eq!(typed(b"ab\x03").as_deref(), Some("interrupt"));
        assert_eq!(typed(b"ab\x04"), None);
        assert_eq!(typed(b"ab"), None);
        assert_eq!(typed(b"\xff\n"), None);
        assert_eq!(typed(&[b'a'; LONGEST + 1]), None);
    }
}
