//! The small parts of XML: names, references, attributes, the declaration.

use super::EnvelopeError;
use super::MAX_ATTRIBUTES;
use super::chars::is_char;

/// A name and its value, as written.
pub(super) type Attribute<'a> = (&'a str, &'a str);

/// Reads attributes, each after a blank (XML 1.0 §3.1).
pub(super) fn attributes(text: &str) -> Result<Vec<Attribute<'_>>, EnvelopeError> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches(is_blank);
        if next.is_empty() {
            return Ok(found);
        }
        if next.len() == rest.len() {
            return Err(MALFORMED_TAG);
        }
        let (name, after) = next.split_once('=').ok_or(MALFORMED_TAG)?;
        let name = name.trim_end_matches(is_blank);
        let after = after.trim_start_matches(is_blank);
        let quote = after
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))
            .ok_or(MALFORMED_TAG)?;
        let (value, after) = after
            .strip_prefix(quote)
            .and_then(|after| after.split_once(quote))
            .ok_or(MALFORMED_TAG)?;
        if !is_qname(name) || value.contains('<') {
            return Err(MALFORMED_TAG);
        }
        references(value)?;
        if found.iter().any(|(known, _)| *known == name) {
            return Err(EnvelopeError::Malformed("an attribute that comes twice"));
        }
        if found.len() == MAX_ATTRIBUTES {
            return Err(EnvelopeError::Limit("more than 64 attributes in one tag"));
        }
        found.push((name, value));
        rest = after;
    }
}

/// Checks the references in a value.
fn references(value: &str) -> Result<(), EnvelopeError> {
    let mut parts = value.split('&');
    parts.next();
    for part in parts {
        let (name, _) = part.split_once(';').ok_or(BAD_REFERENCE)?;
        reference(name)?;
    }
    Ok(())
}

/// Checks one reference, without `&` and `;`. Without a document type there are five entities
/// (XML 1.0 §4.6) and characters by number.
pub(super) fn reference(name: &str) -> Result<(), EnvelopeError> {
    if matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
        return Ok(());
    }
    let number = name.strip_prefix('#').ok_or(BAD_REFERENCE)?;
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` takes a sign.
    let plain = digits.len() <= MAX_DIGITS && digits.chars().all(|c| c.is_digit(radix));
    let c = u32::from_str_radix(digits, radix)
        .ok()
        .filter(|_| plain)
        .and_then(char::from_u32);
    if c.is_some_and(is_char) {
        Ok(())
    } else {
        Err(BAD_REFERENCE)
    }
}

/// Checks what stands between `<?xml` and `?>` (XML 1.0 §2.8).
pub(super) fn declaration(text: &str) -> Result<(), EnvelopeError> {
    let malformed = EnvelopeError::Malformed("an XML declaration that is not well-formed");
    let given = attributes(text).map_err(|_| malformed)?;
    let mut given = given.into_iter().peekable();
    if given.next() != Some(("version", "1.0")) {
        return Err(EnvelopeError::Malformed(
            "an XML declaration that does not begin with version 1.0",
        ));
    }
    if let Some((_, encoding)) = given.next_if(|(name, _)| *name == "encoding")
        && !encoding.eq_ignore_ascii_case("utf-8")
    {
        return Err(EnvelopeError::Encoding(
            "an XML declaration with another encoding than UTF-8",
        ));
    }
    given.next_if(|field| matches!(field, ("standalone", "yes" | "no")));
    if given.next().is_some() {
        return Err(malformed);
    }
    Ok(())
}

/// Whether `text` is a name with at most one prefix (Namespaces in XML §4).
pub(super) fn is_qname(text: &str) -> bool {
    match text.split_once(':') {
        Some((prefix, local)) => is_ncname(prefix) && is_ncname(local),
        None => is_ncname(text),
    }
}

/// Whether `text` is a name without a colon.
pub(super) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(|c| starts_name(c) || continues_name(c))
}

/// XML 1.0 §2.3, `NameStartChar` but the colon.
fn starts_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues_name(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// XML 1.0 §2.3, `S`.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

pub(super) const MALFORMED_TAG: EnvelopeError =
    EnvelopeError::Malformed("a tag that is not well-formed");

pub(super) const BAD_REFERENCE: EnvelopeError = EnvelopeError::Malformed(
    "a reference that is not well-formed, or to an entity that XML does not know",
);

/// `1114111`, with a few zeros in front.
const MAX_DIGITS: usize = 10;
