//! Puts the token into an envelope's header, and changes nothing else.

use zeroize::Zeroizing;

use super::EXACTTARGET;
use super::EnvelopeError;
use super::MAX_HEAD;
use super::SOAP_11;
use super::SOAP_12;
use super::chars::Chars;
use super::element::Elements;
use super::element::Kind;
use super::element::Tag;
use super::scan::Piece;
use super::scan::Scanner;
use crate::crypto::secret::AccessToken;

/// Takes an envelope in parts of any size and gives it back with the token in its header.
///
/// Every byte comes back as it was, but for three things: the token's element stands first in the
/// header, which is made if there is none or opened if it is `<Header/>`; and header blocks of the
/// client's that would be read as a token are gone.
pub struct Injector {
    chars: Chars,
    scanner: Scanner,
    seen: u64,
    writer: Writer,
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the envelope.
    Prolog,
    /// In the envelope, before its header or body.
    Envelope,
    Header,
    /// In a header block of the client's that goes no further.
    Removed,
    AfterHeader,
    Body,
    AfterBody,
    /// After the envelope.
    Epilog,
}

impl Place {
    fn is_past_head(self) -> bool {
        matches!(self, Self::Body | Self::AfterBody | Self::Epilog)
    }
}

struct Writer {
    elements: Elements,
    place: Place,
    /// The envelope's prefix with its colon.
    prefix: String,
    /// The envelope's namespace.
    namespace: String,
    /// Bytes before the body.
    head: usize,
    /// The token's element.
    token: Zeroizing<String>,
}

impl Injector {
    /// An injector for one envelope.
    pub fn new(token: &AccessToken) -> Self {
        let text = Zeroizing::new(quick_xml::escape::escape(token.expose()).into_owned());
        Self {
            chars: Chars::default(),
            scanner: Scanner::new(),
            seen: 0,
            writer: Writer {
                elements: Elements::default(),
                place: Place::Prolog,
                prefix: String::new(),
                namespace: String::new(),
                head: 0,
                token: Zeroizing::new(format!(
                    "<fueloauth xmlns=\"{EXACTTARGET}\">{}</fueloauth>",
                    *text
                )),
            },
        }
    }

    /// Takes the next part, and appends to `out` what is known of the result.
    pub fn feed(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        let in_first = |at: usize| u64::try_from(at).is_ok_and(|at| self.seen + at < 2);
        let mut first = part.iter().enumerate().take_while(|(at, _)| in_first(*at));
        if first.any(|(_, &byte)| byte == 0) {
            return Err(EnvelopeError::Encoding(
                "the first bytes are those of UTF-16 or UTF-32",
            ));
        }
        self.seen += u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.chars.feed(part)?;
        let writer = &mut self.writer;
        self.scanner
            .feed(part, &mut |piece| writer.take(piece, out))?;
        Ok(())
    }

    /// Nothing more comes: whether the envelope is whole.
    pub fn finish(&self) -> Result<(), EnvelopeError> {
        self.chars.finish()?;
        self.scanner.finish()?;
        if self.writer.place == Place::Epilog {
            Ok(())
        } else {
            Err(EnvelopeError::Malformed("the envelope breaks off"))
        }
    }

    /// Whether the body has begun: from here on as many bytes come out as go in.
    pub fn is_past_head(&self) -> bool {
        self.writer.place.is_past_head()
    }

    /// Bytes taken that have not come out yet. Past the head, all of them will.
    pub fn held(&self) -> usize {
        self.scanner.held()
    }
}

impl Writer {
    fn take(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        if !self.place.is_past_head() {
            self.head += piece.bytes().len();
            if self.head > MAX_HEAD {
                return Err(EnvelopeError::Limit("more than 64 KiB before the body"));
            }
        }
        match piece {
            Piece::Tag(raw) => {
                let outside = self.elements.depth();
                let tag = self.elements.read(raw)?;
                match tag.kind {
                    Kind::Start | Kind::Empty => self.open(&tag, raw, outside, out),
                    Kind::End => self.close(raw, out),
                }
            }
            Piece::Text { bytes, blank } => {
                self.mind_text(blank)?;
                self.pass(bytes, out);
                Ok(())
            }
            Piece::Other { bytes, cdata } => {
                self.mind_text(!cdata)?;
                self.pass(bytes, out);
                Ok(())
            }
        }
    }

    /// Text has its place in header blocks and in the body.
    fn mind_text(&self, blank: bool) -> Result<(), EnvelopeError> {
        match (self.place, self.elements.depth()) {
            _ if blank => Ok(()),
            (Place::Prolog | Place::Epilog, _) => {
                Err(EnvelopeError::Malformed("text outside of the envelope"))
            }
            (_, 1) | (Place::Header, 2) => Err(EnvelopeError::Structure(
                "text where only elements have their place",
            )),
            _ => Ok(()),
        }
    }

    fn pass(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.place != Place::Removed {
            out.extend_from_slice(bytes);
        }
    }

    /// An element begins, inside of `outside` others.
    fn open(
        &mut self,
        tag: &Tag<'_>,
        raw: &str,
        outside: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), EnvelopeError> {
        match (self.place, outside) {
            (Place::Prolog, _) => self.open_envelope(tag)?,
            (Place::Epilog, _) => {
                return Err(EnvelopeError::Malformed(
                    "a second element after the envelope",
                ));
            }
            (_, 1) => return self.open_part(tag, raw, out),
            (Place::Header, 2) if is_token(tag) => {
                if tag.kind == Kind::Start {
                    self.place = Place::Removed;
                }
                return Ok(());
            }
            _ => {}
        }
        self.pass(raw.as_bytes(), out);
        Ok(())
    }

    fn open_envelope(&mut self, tag: &Tag<'_>) -> Result<(), EnvelopeError> {
        if !tag.is(SOAP_11, "Envelope") && !tag.is(SOAP_12, "Envelope") {
            return Err(EnvelopeError::Structure(
                "the root is not an Envelope of SOAP 1.1 or 1.2",
            ));
        }
        if tag.kind == Kind::Empty {
            return Err(NO_BODY);
        }
        tag.prefix().clone_into(&mut self.prefix);
        self.namespace.clone_from(&tag.namespace);
        self.place = Place::Envelope;
        Ok(())
    }

    /// A child of the envelope: its header, then its body, and nothing else.
    fn open_part(
        &mut self,
        tag: &Tag<'_>,
        raw: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), EnvelopeError> {
        let part = |local| tag.is(&self.namespace, local);
        match self.place {
            Place::Envelope if part("Header") => {
                self.open_header(tag, raw, out);
                return Ok(());
            }
            Place::Envelope if part("Body") => {
                let (prefix, token) = (&self.prefix, &*self.token);
                for text in ["<", prefix, "Header>", token, "</", prefix, "Header>"] {
                    out.extend_from_slice(text.as_bytes());
                }
            }
            Place::AfterHeader if part("Body") => {}
            _ => {
                return Err(EnvelopeError::Structure(
                    "the envelope holds something else than one Header, if any, and then one Body",
                ));
            }
        }
        self.place = match tag.kind {
            Kind::Start => Place::Body,
            Kind::Empty | Kind::End => Place::AfterBody,
        };
        out.extend_from_slice(raw.as_bytes());
        Ok(())
    }

    fn open_header(&mut self, tag: &Tag<'_>, raw: &str, out: &mut Vec<u8>) {
        match raw.strip_suffix("/>") {
            Some(open) if tag.kind == Kind::Empty => {
                for text in [open, ">", &*self.token, "</", tag.name, ">"] {
                    out.extend_from_slice(text.as_bytes());
                }
                self.place = Place::AfterHeader;
            }
            _ => {
                out.extend_from_slice(raw.as_bytes());
                out.extend_from_slice(self.token.as_bytes());
                self.place = Place::Header;
            }
        }
    }

    /// An element has ended.
    fn close(&mut self, raw: &str, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        self.pass(raw.as_bytes(), out);
        self.place = match (self.place, self.elements.depth()) {
            (Place::Removed, 2) => Place::Header,
            (Place::Header, 1) => Place::AfterHeader,
            (Place::Body, 1) => Place::AfterBody,
            (Place::AfterBody, 0) => Place::Epilog,
            (_, 0) => return Err(NO_BODY),
            (place, _) => place,
        };
        Ok(())
    }
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector")
            .field("seen", &self.seen)
            .field("place", &self.writer.place)
            .finish_non_exhaustive()
    }
}

/// A header block that Marketing Cloud may take for a token: the present one, or that of old packages.
/// Many clients write it without its namespace, or in that of the envelope, and are understood.
fn is_token(tag: &Tag<'_>) -> bool {
    let named = |name| tag.local().eq_ignore_ascii_case(name);
    named("fueloauth") || named("oAuth")
}

const NO_BODY: EnvelopeError = EnvelopeError::Structure("the envelope has no Body");
