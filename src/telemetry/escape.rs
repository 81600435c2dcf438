//! Text of strangers as it may stand in a log or a trace: whoever shows it obeys nothing in it.

mod line;

use std::borrow::Cow;
use std::fmt::Write as _;

pub(super) use line::Escaped;

/// Whether a terminal, or a reader of lines, would obey this character instead of showing it. JSON's own
/// escapes (RFC 8259 section 7) leave DEL, C1, the separators and the overrides of direction as they are.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a quoted string of JSON.
pub(super) fn string(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    // What needs no escape is nearly everything, and copied as it stands.
    let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    // All bytes are looked at, since that is done many at a time.
    if text.bytes().fold(true, |all, b| all & plain(b)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return Ok(());
    }
    let quoted = serde_json::to_string(text).map_err(std::io::Error::other)?;
    out.extend_from_slice(shown(&quoted).as_bytes());
    Ok(())
}

/// The text with such characters as `\uXXXX`, which is also how JSON has them. All of them are in the plane
/// that four digits name.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) {
            // Writing to a string cannot fail.
            let _written = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, meant) in [
            ("/y\u{9b}31m", r#""/y\u009b31m""#),
            ("/\u{7f}\u{85}", r#""/\u007f\u0085""#),
            ("\u{2028}\u{2029}", r#""\u2028\u2029""#),
            ("a\u{202e}b\u{2066}", r#""a\u202eb\u2066""#),
            ("\u{1b}[2J\n", r#""\u001b[2J\n""#),
            ("/grün/\u{1f980}", "\"/grün/\u{1f980}\""),
            ("\\u009b\"", r#""\\u009b\"""#),
        ] {
            assert_eq!(written(text), meant);
        }
        assert_eq!(shown("/y\u{9b}\n\u{202e}"), r"/y\u009b\u000a\u202e");
        assert!(matches!(shown("/grün"), Cow::Borrowed("/grün")));
    }

    proptest! {
        #[test]
        fn nothing_obeyed_is_left_and_json_says_the_same(
            text in "([\u{0}-\u{9f}]|[\u{600}-\u{620}]|[\u{2000}-\u{2070}]|\\PC|.){0,24}",
        ) {
            let written = written(&text);
            prop_assert!(!written.contains(is_obeyed), "{written:?}");
            let read: String = serde_json::from_str(&written).expect("JSON");
            prop_assert_eq!(&read, &text);
            prop_assert!(!shown(&text).contains(is_obeyed));
        }
    }
}
