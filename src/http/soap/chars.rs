//! Which characters a document holds.

use super::EnvelopeError;

/// Checks that bytes, however they are cut, are characters of XML 1.0 (§2.2) in UTF-8.
#[derive(Debug, Default)]
pub(super) struct Chars {
    /// The beginning of a character whose end has not come.
    begun: Vec<u8>,
}

impl Chars {
    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), EnvelopeError> {
        let mut bytes = bytes;
        while !self.begun.is_empty() {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            self.begun.push(byte);
            bytes = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(text) => {
                    all_allowed(text)?;
                    self.begun.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(NOT_UTF_8),
                Err(_) => {}
            }
        }
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(NOT_UTF_8),
            Err(error) => {
                let (whole, begun) = bytes.split_at(error.valid_up_to());
                self.begun.extend_from_slice(begun);
                std::str::from_utf8(whole).map_err(|_| NOT_UTF_8)?
            }
        };
        all_allowed(whole)
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) -> Result<(), EnvelopeError> {
        if self.begun.is_empty() {
            Ok(())
        } else {
            Err(NOT_UTF_8)
        }
    }
}

fn all_allowed(text: &str) -> Result<(), EnvelopeError> {
    let control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    if text.bytes().any(control) || text.contains(['\u{fffe}', '\u{ffff}']) {
        return Err(EnvelopeError::Malformed(
            "a character that XML does not allow",
        ));
    }
    Ok(())
}

/// Whether a character may stand in a document at all.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

const NOT_UTF_8: EnvelopeError = EnvelopeError::Encoding("bytes that are not UTF-8");
