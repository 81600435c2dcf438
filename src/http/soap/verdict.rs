//! Whether an answer is a fault that says that the token is no good.

use super::EnvelopeError;
use super::SOAP_11;
use super::SOAP_12;
use super::element::Elements;
use super::element::Kind;
use super::element::Tag;
use super::scan::Piece;
use super::scan::Scanner;

/// What the beginning of an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough yet.
    Open,
    /// Anything but a refused token.
    Other,
    /// The token has expired or is unknown: the security fault `Token Expired` or `Login Failed`.
    TokenRefused,
}

/// Reads the beginning of an answer.
pub fn verdict(beginning: &[u8]) -> Verdict {
    let mut reader = Reader::default();
    let mut scanner = Scanner::new();
    let read = scanner.feed(beginning, &mut |piece| reader.take(piece));
    match reader.verdict {
        // What cannot be read is not a fault of Marketing Cloud's.
        Verdict::Open if read.is_err() => Verdict::Other,
        verdict => verdict,
    }
}

struct Reader {
    elements: Elements,
    /// The local names of the open elements.
    path: Vec<String>,
    text: Vec<u8>,
    security: bool,
    refused: bool,
    verdict: Verdict,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            elements: Elements::default(),
            path: Vec::new(),
            text: Vec::new(),
            security: false,
            refused: false,
            verdict: Verdict::Open,
        }
    }
}

impl Reader {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), EnvelopeError> {
        if self.verdict != Verdict::Open {
            return Ok(());
        }
        match piece {
            Piece::Tag(raw) => {
                let tag = self.elements.read(raw)?;
                match tag.kind {
                    Kind::Start => self.open(&tag),
                    Kind::Empty => {}
                    Kind::End => self.close(),
                }
            }
            Piece::Text { blank: false, .. } if self.path.is_empty() => {
                self.verdict = Verdict::Other;
            }
            Piece::Text { bytes, .. } | Piece::Other { bytes, cdata: true } => {
                self.text.extend_from_slice(bytes);
            }
            Piece::Other { cdata: false, .. } => {}
        }
        Ok(())
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let soap = tag.namespace == SOAP_11 || tag.namespace == SOAP_12;
        let expected = match self.path.len() {
            0 => soap && tag.local() == "Envelope",
            1 => soap && matches!(tag.local(), "Header" | "Body"),
            2 if self.path.last().is_some_and(|last| last == "Body") => {
                soap && tag.local() == "Fault"
            }
            _ => true,
        };
        if !expected {
            self.verdict = Verdict::Other;
        }
        self.path.push(tag.local().to_owned());
        self.text.clear();
    }

    fn close(&mut self) {
        // Text holds no `<` and no `]]>` but those of sections.
        let text = String::from_utf8_lossy(&self.text).replace("<![CDATA[", "");
        let text = text.replace("]]>", "");
        let text = text.trim();
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["Envelope", "Body", "Fault", "faultcode"]
            | ["Envelope", "Body", "Fault", "Code", "Subcode", "Value"] => {
                self.security = text.rsplit(':').next() == Some("Security");
            }
            ["Envelope", "Body", "Fault", "faultstring"]
            | ["Envelope", "Body", "Fault", "Reason", "Text"] => {
                self.refused = REFUSED.iter().any(|known| text.eq_ignore_ascii_case(known));
            }
            ["Envelope", "Body", "Fault"] => self.verdict = Verdict::Other,
            _ => {}
        }
        if self.security && self.refused {
            self.verdict = Verdict::TokenRefused;
        }
        self.path.pop();
        self.text.clear();
    }
}

/// There is no code for it: Marketing Cloud tells by these texts, in either case.
const REFUSED: [&str; 2] = ["Token Expired", "Login Failed"];
