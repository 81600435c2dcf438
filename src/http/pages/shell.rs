//! What all pages have in common, as templates see it.

use serde::Serialize;

use super::brand::Brand;
use super::brand::BrandName;
use super::brand::Logo;
use super::brand::SupportUrl;
use super::messages::Messages;
use crate::language::Language;

/// The frame around a page.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Shell<'a> {
    #[serde(skip)]
    pub(super) language: Language,
    /// The language's tag.
    pub(super) lang: &'static str,
    /// The messages.
    pub(super) t: &'static Messages,
    /// What the tool is called.
    pub(super) name: &'a str,
    /// A `data:` URL.
    pub(super) logo: Option<&'a str>,
    /// Where people get help.
    pub(super) support: Option<&'a str>,
    /// The style sheet.
    pub(super) style: &'a str,
}

impl<'a> Shell<'a> {
    pub(super) fn new(language: Language, brand: &'a Brand, style: &'a str) -> Self {
        Self {
            language,
            lang: language.tag(),
            t: Messages::of(language),
            name: brand.name.as_ref().map_or("Sidegate", BrandName::as_str),
            logo: brand.logo.as_ref().map(Logo::as_str),
            support: brand.support.as_ref().map(SupportUrl::as_str),
            style,
        }
    }
}

/// A part of a sentence: words, or the name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) code: bool,
    pub(super) text: &'static str,
}

/// A sentence in parts; what stands between backticks is code.
pub(super) fn pieces(sentence: &'static str) -> Vec<Piece> {
    let parts = sentence.split('`').enumerate();
    let pieces = parts.map(|(index, text)| Piece {
        code: index % 2 == 1,
        text,
    });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

/// A business unit, and what stands on its button.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Unit {
    pub(super) id: u64,
    pub(super) label: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_are_code() {
        let piece = |code, text| Piece { code, text };
        let expected = [piece(false, "Set "), piece(true, "a.b"), piece(false, ".")];
        assert_eq!(pieces("Set `a.b`."), expected);
        assert_eq!(pieces(""), []);
    }
}
