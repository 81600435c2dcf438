//! A document in pieces: text, tags and the rest, found in bytes however they are cut.

use quick_xml::parser::ElementParser;
use quick_xml::parser::Parser as _;
use quick_xml::parser::PiParser;

use super::EnvelopeError;
use super::MAX_TAG;
use super::syntax;

/// One piece. All bytes of a document are in its pieces, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A part of text; `blank` if there is nothing but blanks.
    Text { bytes: &'a [u8], blank: bool },
    /// A part of a comment or CDATA section, or a whole processing instruction or declaration.
    Other { bytes: &'a [u8], cdata: bool },
    /// A whole tag, from `<` to `>`.
    Tag(&'a str),
}

impl<'a> Piece<'a> {
    /// All of it.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text { bytes, .. } | Self::Other { bytes, .. } => bytes,
            Self::Tag(text) => text.as_bytes(),
        }
    }
}

/// Cuts a document into pieces. `Chars` has looked at its bytes before.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// A tag, instruction, reference or mark whose end has not come.
    begun: Vec<u8>,
    /// How many brackets the text ends with, as far as `]]>` goes.
    brackets: u8,
    /// Whether nothing but a byte order mark has come.
    at_start: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte that is not a byte order mark.
    Start,
    Text,
    /// After `&`.
    Reference,
    /// After `<`, as long as it may become several things.
    Markup,
    Tag(ElementParser),
    Instruction(PiParser),
    /// In a comment, after so many dashes.
    Comment(u8),
    /// In a CDATA section, after so many brackets.
    Cdata(u8),
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            begun: Vec::new(),
            brackets: 0,
            at_start: true,
        }
    }

    /// How many bytes wait for the end of their piece.
    pub(super) fn held(&self) -> usize {
        self.begun.len()
    }

    /// Gives the pieces in `bytes` to `take`.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = self.step(rest, take)?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) -> Result<(), EnvelopeError> {
        match self.state {
            State::Text => Ok(()),
            _ => Err(EnvelopeError::Malformed("the envelope breaks off")),
        }
    }

    /// Takes one or more bytes and says how many.
    fn step(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        match self.state {
            State::Start => self.start(bytes, take),
            State::Text => self.text(bytes, take),
            State::Reference => self.reference(bytes, take),
            State::Markup => self.markup(bytes, take),
            State::Tag(parser) => self.tag(parser, bytes, take),
            State::Instruction(parser) => self.instruction(parser, bytes, take),
            State::Comment(dashes) => self.comment(dashes, bytes, take),
            State::Cdata(brackets) => self.cdata(brackets, bytes, take),
        }
    }

    /// XML 1.0, appendix F: what the first bytes tell of the encoding.
    fn start(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let Some(&byte) = bytes.first() else {
            return Ok(0);
        };
        self.begun.push(byte);
        if BOM == self.begun.as_slice() {
            let bom = std::mem::take(&mut self.begun);
            self.state = State::Text;
            take(Piece::Other {
                bytes: &bom,
                cdata: false,
            })?;
        } else if !BOM.starts_with(&self.begun) {
            let begun = std::mem::take(&mut self.begun);
            if begun.len() > 1 {
                return Err(EnvelopeError::Malformed("text before the envelope"));
            }
            self.state = State::Text;
            return self.text(bytes, take);
        }
        Ok(1)
    }

    fn text(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let end = memchr::memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at(end);
        if !text.is_empty() {
            self.at_start = false;
            self.mind_brackets(text)?;
            let blank = text
                .iter()
                .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            take(Piece::Text { bytes: text, blank })?;
        }
        let Some(&mark) = rest.first() else {
            return Ok(end);
        };
        self.brackets = 0;
        self.begun.push(mark);
        self.state = if mark == b'<' {
            State::Markup
        } else {
            State::Reference
        };
        Ok(end + 1)
    }

    /// XML 1.0 §2.4: `]]>` must not stand in text.
    fn mind_brackets(&mut self, text: &[u8]) -> Result<(), EnvelopeError> {
        if self.brackets == 0 && memchr::memchr(b']', text).is_none() {
            return Ok(());
        }
        for &byte in text {
            match byte {
                b']' => self.brackets = (self.brackets + 1).min(2),
                b'>' if self.brackets == 2 => {
                    return Err(EnvelopeError::Malformed("`]]>` in text"));
                }
                _ => self.brackets = 0,
            }
        }
        Ok(())
    }

    fn reference(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let Some(&byte) = bytes.first() else {
            return Ok(0);
        };
        self.begun.push(byte);
        if byte == b';' {
            let begun = std::mem::take(&mut self.begun);
            let name = std::str::from_utf8(&begun).ok();
            let name = name.and_then(|name| name.strip_prefix('&')?.strip_suffix(';'));
            syntax::reference(name.ok_or(syntax::BAD_REFERENCE)?)?;
            self.state = State::Text;
            self.at_start = false;
            take(Piece::Text {
                bytes: &begun,
                blank: false,
            })?;
        } else if self.begun.len() > MAX_REFERENCE {
            return Err(syntax::BAD_REFERENCE);
        }
        Ok(1)
    }

    fn markup(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let Some(&byte) = bytes.first() else {
            return Ok(0);
        };
        if self.begun.len() == 1 {
            match byte {
                b'?' => self.state = State::Instruction(PiParser::default()),
                b'!' => {}
                // Looked at again, by what looks for its end.
                _ => {
                    self.state = State::Tag(ElementParser::default());
                    return Ok(0);
                }
            }
            self.begun.push(byte);
            return Ok(1);
        }
        self.begun.push(byte);
        let (comment, cdata): (&[u8], &[u8]) = (b"<!--", b"<![CDATA[");
        if self.begun == comment {
            self.state = State::Comment(0);
            self.give(false, take)?;
        } else if self.begun == cdata {
            self.state = State::Cdata(0);
            self.give(true, take)?;
        } else if !comment.starts_with(&self.begun) && !cdata.starts_with(&self.begun) {
            return Err(if b"<!DOCTYPE".starts_with(self.begun.as_slice()) {
                EnvelopeError::Doctype
            } else {
                EnvelopeError::Malformed("a declaration that XML does not know")
            });
        }
        Ok(1)
    }

    fn tag(
        &mut self,
        mut parser: ElementParser,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let end = parser.feed(bytes);
        self.state = State::Tag(parser);
        let used = self.hold(bytes, end)?;
        if end.is_some() {
            let begun = std::mem::take(&mut self.begun);
            self.state = State::Text;
            self.at_start = false;
            let tag = std::str::from_utf8(&begun).map_err(|_| syntax::MALFORMED_TAG)?;
            take(Piece::Tag(tag))?;
        }
        Ok(used)
    }

    fn instruction(
        &mut self,
        mut parser: PiParser,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let end = parser.feed(bytes);
        self.state = State::Instruction(parser);
        let used = self.hold(bytes, end)?;
        if end.is_some() {
            let begun = std::mem::take(&mut self.begun);
            let malformed =
                EnvelopeError::Malformed("a processing instruction that is not well-formed");
            let inner = std::str::from_utf8(&begun).ok();
            let inner = inner.and_then(|text| text.strip_prefix("<?")?.strip_suffix("?>"));
            let inner = inner.ok_or(malformed)?;
            let (target, rest) =
                inner.split_at(inner.find(syntax::is_blank).unwrap_or(inner.len()));
            if target == "xml" && self.at_start {
                syntax::declaration(rest)?;
            } else if !syntax::is_ncname(target) || target.eq_ignore_ascii_case("xml") {
                return Err(malformed);
            }
            self.state = State::Text;
            self.at_start = false;
            take(Piece::Other {
                bytes: &begun,
                cdata: false,
            })?;
        }
        Ok(used)
    }

    fn comment(
        &mut self,
        dashes: u8,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let mut dashes = dashes;
        let mut end = None;
        for (at, &byte) in bytes.iter().enumerate() {
            match (dashes, byte) {
                (2, b'>') => {
                    end = Some(at);
                    break;
                }
                // XML 1.0 §2.5.
                (2, _) => return Err(EnvelopeError::Malformed("`--` in a comment")),
                (_, b'-') => dashes += 1,
                _ => dashes = 0,
            }
        }
        self.state = end.map_or(State::Comment(dashes), |_| State::Text);
        Self::pass(bytes, end, false, take)
    }

    fn cdata(
        &mut self,
        brackets: u8,
        bytes: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let mut brackets = brackets;
        let mut end = None;
        for (at, &byte) in bytes.iter().enumerate() {
            match (brackets, byte) {
                (2, b'>') => {
                    end = Some(at);
                    break;
                }
                (_, b']') => brackets = (brackets + 1).min(2),
                _ => brackets = 0,
            }
        }
        self.state = end.map_or(State::Cdata(brackets), |_| State::Text);
        Self::pass(bytes, end, true, take)
    }

    /// Passes bytes up to and with `end` on.
    fn pass(
        bytes: &[u8],
        end: Option<usize>,
        cdata: bool,
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<usize, EnvelopeError> {
        let used = end.map_or(bytes.len(), |end| end + 1);
        let bytes = bytes.get(..used).unwrap_or(bytes);
        take(Piece::Other { bytes, cdata })?;
        Ok(used)
    }

    /// Holds bytes up to and with `end` back.
    fn hold(&mut self, bytes: &[u8], end: Option<usize>) -> Result<usize, EnvelopeError> {
        let used = end.map_or(bytes.len(), |end| end + 1);
        if self.begun.len() + used > MAX_TAG {
            return Err(EnvelopeError::Limit("a tag of more than 16 KiB"));
        }
        self.begun
            .extend_from_slice(bytes.get(..used).unwrap_or(bytes));
        Ok(used)
    }

    /// Gives what is held as the beginning of a comment or CDATA section.
    fn give(
        &mut self,
        cdata: bool,
        take: &mut impl FnMut(Piece<'_>) -> Result<(), EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        self.at_start = false;
        let bytes = std::mem::take(&mut self.begun);
        take(Piece::Other {
            bytes: &bytes,
            cdata,
        })
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// `&#x10ffff;`, with a few zeros in front.
const MAX_REFERENCE: usize = 16;
