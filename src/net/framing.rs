//! A second look at HTTP/1 requests, before hyper's: where a message ends must be clear to every
//! reader (RFC 9112 §2.2, §6.3, §7.1).
//!
//! hyper forgives what the standard lets a server forgive: line feeds without a carriage return, a
//! length beside a transfer coding, the same length twice, codings before `chunked`, a fragment in
//! the target. A proxy in front of us may have read the same bytes otherwise, and what it took for a
//! body would be a request to us. None of this is visible in the parsed request any more.

use memchr::memchr;
use memchr::memchr2;

use crate::http::headers;

/// Follows the requests of one connection through their bytes.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// What has come of the line that is not complete yet.
    held: Vec<u8>,
    head: Head,
    /// Lines since the last message or chunk began, in bytes.
    lines: usize,
    /// Heads that came whole.
    heads: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a request line.
    #[default]
    Start,
    /// Among the fields.
    Fields,
    /// So many bytes of a body are to come.
    Body(u64),
    /// Before a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    /// Behind the last chunk.
    Trailers,
}

/// What the fields so far say about the body.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    old: bool,
    length: Option<u64>,
    chunked: bool,
}

/// Nothing from this byte on can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    /// How many bytes of those looked at last may still be read.
    pub(super) at: usize,
}

impl Framing {
    /// Looks at the bytes that came next.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            if let State::Body(left) | State::Chunk(left) = self.state {
                rest = self.skip(left, rest);
                continue;
            }
            if self.held.is_empty()
                && let Some((line, behind)) = clear_line(rest)
            {
                self.lines += rest.len() - behind.len();
                if self.line(line).is_none() || self.lines > MAX_LINES {
                    return Err(Ambiguous { at });
                }
                rest = behind;
                continue;
            }
            let Some((line, behind)) =
                memchr(b'\n', rest).and_then(|lf| rest.split_at_checked(lf + 1))
            else {
                self.lines += rest.len();
                if self.lines > MAX_LINES {
                    return Err(Ambiguous { at });
                }
                self.held.extend_from_slice(rest);
                return Ok(());
            };
            self.lines += line.len();
            let outcome = if self.held.is_empty() {
                self.line_with_end(line)
            } else {
                let mut whole = std::mem::take(&mut self.held);
                whole.extend_from_slice(line);
                self.line_with_end(&whole)
            };
            if outcome.is_none() || self.lines > MAX_LINES {
                return Err(Ambiguous { at });
            }
            rest = behind;
        }
        Ok(())
    }

    /// Whether all that came so far makes whole messages.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Start && self.held.is_empty()
    }

    /// How many heads came whole so far, modulo 2^32.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    fn skip<'a>(&mut self, left: u64, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - u64::try_from(here).unwrap_or(left);
        self.state = match self.state {
            State::Chunk(_) if left == 0 => State::ChunkEnd,
            State::Chunk(_) => State::Chunk(left),
            _ if left == 0 => State::Start,
            _ => State::Body(left),
        };
        bytes.get(here..).unwrap_or_default()
    }

    /// Takes a line with its end; `None` if it can be read in two ways.
    fn line_with_end(&mut self, line: &[u8]) -> Option<()> {
        let line = line.strip_suffix(b"\r\n")?;
        memchr(b'\r', line).is_none().then_some(())?;
        self.line(line)
    }

    /// Takes a line without its end.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        self.state = match self.state {
            // Empty lines before a request are left over from another age (RFC 9112 §2.2).
            State::Start | State::Trailers if line.is_empty() => State::Start,
            State::Start => {
                if memchr(b'#', line).is_some() {
                    return None;
                }
                self.head = Head {
                    old: line.ends_with(b" HTTP/1.0"),
                    ..Head::default()
                };
                State::Fields
            }
            State::Fields if line.is_empty() => {
                self.heads = self.heads.wrapping_add(1);
                self.head.body()?
            }
            State::Fields => {
                self.head.field(line)?;
                State::Fields
            }
            State::ChunkSize => match chunk_size(line)? {
                0 => State::Trailers,
                size => State::Chunk(size),
            },
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize)?,
            State::Trailers => State::Trailers,
            State::Body(_) | State::Chunk(_) => return None,
        };
        if matches!(self.state, State::Start | State::Body(_) | State::Chunk(_)) {
            self.lines = 0;
        }
        Some(())
    }
}

/// A line that ends here and in no other way, and what stands behind it: nearly all are found with one look.
fn clear_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(memchr2(b'\r', b'\n', bytes)?)?;
    Some((line, rest.strip_prefix(b"\r\n")?))
}

impl Head {
    /// Notes what a field says about the body.
    fn field(&mut self, line: &[u8]) -> Option<()> {
        // Every other line is done with after one look.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return Some(());
        }
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let value = value.get(1..)?.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).ok()?;
            let plain =
                (1..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            let length = plain.then(|| digits.parse().ok())??;
            self.length.replace(length).is_none().then_some(())?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let first = !std::mem::replace(&mut self.chunked, true);
            (first && value.eq_ignore_ascii_case(b"chunked")).then_some(())?;
        } else if headers::is_nearly_framing(name) {
            // `Transfer_Encoding` is a coding to a reader in front, and then the body is a request to us.
            return None;
        }
        Some(())
    }

    /// What follows the head.
    fn body(self) -> Option<State> {
        match (self.chunked, self.length) {
            (false, None | Some(0)) => Some(State::Start),
            (false, Some(length)) => Some(State::Body(length)),
            (true, None) if !self.old => Some(State::ChunkSize),
            (true, _) => None,
        }
    }
}

/// The size before a chunk: hexadecimal digits, and extensions that nobody needs.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&b| b == b';').next()?;
    let plain = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Lines of one head, or about one chunk, in bytes: more than hyper takes of a head, so that it is
/// hyper that says which of its limits was met.
const MAX_LINES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEXT: &str = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

    /// Looks at `text` in pieces of every size; all have to agree.
    fn refusal(text: &str) -> Option<usize> {
        let whole = Framing::default().look(text.as_bytes()).err();
        for size in 1..text.len() {
            let mut framing = Framing::default();
            let outcome = text
                .as_bytes()
                .chunks(size)
                .try_for_each(|piece| framing.look(piece));
            assert_eq!(outcome.is_err(), whole.is_some(), "{text:?} by {size}");
        }
        whole.map(|ambiguous| ambiguous.at)
    }

    #[test]
    fn clear_messages_pass() {
        for text in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nX: #\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\n\n\r#\n",
            "POST / HTTP/1.1\r\ncontent-length:0\r\nTe: x\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Lengths: 1\r\nX_Content_Length: 1\r\nTransfer: 1\r\n\r\n",
            "POST / HTTP/1.0\r\nCONTENT-LENGTH:\t3 \r\n\r\nabc",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\n\n\r\n\n\r\r\n0A\r\n0123456789\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
        ] {
            assert_eq!(refusal(&format!("{text}{NEXT}")), None, "{text:?}");
        }
    }

    #[test]
    fn what_two_readers_could_frame_differently_is_refused() {
        for text in [
            "GET / HTTP/1.1\nHost: h\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\r\r\n\r\n",
            "GET /#x HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx",
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
            "GET / HTTP/1.1\r\nContent-Length:\r\n\r\nx",
            "GET / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nx",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nContent.Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nCONTENT--LENGTH: 1\r\n\r\n",
        ] {
            assert!(refusal(&format!("{text}{NEXT}")).is_some(), "{text:?}");
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        for chunks in [
            "\r\n",
            "x\r\n",
            "+1\r\na\r\n",
            "0x1\r\na\r\n",
            " 1\r\na\r\n",
            "1 \r\na\r\n",
            "1\na\r\n",
            "1\r\na\n",
            "1\r\nab\r\n",
            "1;x\ny\r\na\r\n",
            "10000000000000000\r\na\r\n",
            "0\r\nX: a\nY: b\r\n\r\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert!(refusal(&text).is_some(), "{chunks:?}");
        }
    }

    #[test]
    fn what_came_before_may_still_be_read() {
        let bad = "GET / HTTP/1.1\r\nHost: h\r\nX: a\n\r\n";
        let at = NEXT.len() + "GET / HTTP/1.1\r\nHost: h\r\n".len();
        assert_eq!(refusal(&format!("{NEXT}{bad}")), Some(at));
    }

    #[test]
    fn lines_without_end_are_not_kept() {
        let mut framing = Framing::default();
        let piece = vec![b'a'; 64 * 1024];
        let outcome = (0..8).try_for_each(|_| framing.look(&piece));
        assert!(outcome.is_err() && framing.held.len() <= MAX_LINES);
    }

    proptest! {
        /// However the bytes are cut, the verdict is the same, and nothing panics.
        #[test]
        fn pieces_make_no_difference(
            parts in proptest::collection::vec("(GET / HTTP/1\\.[01]|content-length: [0-9]{1,2}|transfer-encoding: chunked|x: y|[0-9a-f]{1,2}|\r|\n|\r\n|\r\n\r\n|[a-z]{1,9}){1,3}", 0..12),
            size in 1..40_usize,
        ) {
            let text = parts.concat();
            let whole = Framing::default().look(text.as_bytes());
            let mut framing = Framing::default();
            let pieces = text.as_bytes().chunks(size).try_for_each(|piece| framing.look(piece));
            prop_assert_eq!(whole.is_err(), pieces.is_err());
        }
    }
}
