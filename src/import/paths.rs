//! Paths in place of regular expressions, where the two say nearly the same.

/// A path that a pattern stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) text: String,
    /// Whether the pattern ends within a segment, and so means more than the path.
    pub(super) approximate: bool,
}

/// The path of a pattern that begins at the path's start and is otherwise plain text. A pattern for one
/// path and nothing below it has none: a route would open more.
pub(super) fn of_pattern(pattern: &str) -> Option<Path> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut below = false;
    for end in ["(/.*)?$", "(/.*)?", "/.*$", "/.*"] {
        if let Some(shorter) = rest.strip_suffix(end) {
            // The slash belongs to the path: below it is what is meant.
            rest = if end.starts_with("/.") {
                rest.get(..=shorter.len()).unwrap_or(shorter)
            } else {
                shorter
            };
            below = true;
            break;
        }
    }
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => chars.next().filter(|c| "./-_~".contains(*c))?,
            c => c,
        };
        if !(literal.is_ascii_alphanumeric() || "/-_~.".contains(literal)) {
            return None;
        }
        text.push(literal);
    }
    let plain = text.len() > 1 && text.starts_with('/') && !text.contains("//");
    let dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
    let whole = below || text.ends_with('/');
    (plain && !dots).then_some(Path {
        text,
        approximate: !whole,
    })
}
