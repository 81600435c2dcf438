//! Styles and scripts within a template. Their text has to be constant, so that its hash can stand in the
//! policy: what a request brings can then never become a script that runs.

/// A style or a script of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Element<'a> {
    /// The text of a `<style>`.
    Style(&'a str),
    /// The text of a `<script>`.
    Script(&'a str),
}

/// Why one cannot be allowed, and on which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// All of them, but for those that hold our own text (`{{ shell.style|safe }}`, `{{ script|safe }}`).
pub(super) fn elements(source: &str) -> Vec<Result<Element<'_>, Fault>> {
    let lower = source.to_ascii_lowercase();
    let mut found = Vec::new();
    for (open, close, is_style) in [("<style", "</style", true), ("<script", "</script", false)] {
        for (at, _) in lower.match_indices(open) {
            let after = at + open.len();
            let name_ends = lower.get(after..).is_some_and(|rest| {
                rest.starts_with(['>', '/']) || rest.starts_with(|c: char| c.is_ascii_whitespace())
            });
            if !name_ends {
                continue;
            }
            let fault = |what| Fault {
                line: source
                    .get(..at)
                    .map_or(1, |before| before.matches('\n').count() + 1),
                what,
            };
            let read = element(source, &lower, after, close).ok_or("an element that does not end");
            match read {
                Err(what) => found.push(Err(fault(what))),
                Ok((attributes, _)) if !is_plain(attributes) => found.push(Err(fault(
                    "a style or script whose attributes are not read in one way only: quote each value whole, with &gt; for > and no comment",
                ))),
                Ok((attributes, _)) if attributes.contains("src") => found.push(Err(fault(
                    "a script from elsewhere, which the page's policy refuses: write it here",
                ))),
                Ok((_, text)) if is_ours(text) => {}
                Ok((_, text)) if text.contains("{{") || text.contains("{%") => {
                    let what =
                        "a style or script that is not constant, which the page's policy refuses";
                    found.push(Err(fault(what)));
                }
                Ok((_, text)) if text.contains("{#") => found.push(Err(fault(
                    "a comment of the template within a style or script, which is left out of the page: move it in front, or write /* … */",
                ))),
                Ok((_, text)) if is_style => found.push(Ok(Element::Style(text))),
                Ok((_, text)) => found.push(Ok(Element::Script(text))),
            }
        }
    }
    found
}

/// Attributes and text of the element whose name ends at `after`.
fn element<'a>(
    source: &'a str,
    lower: &str,
    after: usize,
    close: &str,
) -> Option<(&'a str, &'a str)> {
    let attributes = source.get(after..)?.split_once('>')?.0;
    let start = after + attributes.len() + 1;
    let length = lower.get(start..)?.find(close)?;
    Some((attributes, source.get(start..start + length)?))
}

/// Whether attributes end at the first `>` for a browser, too (HTML, 13.2.5.32): quotes stand around whole
/// values, and nothing of the template's is cut.
fn is_plain(attributes: &str) -> bool {
    let balanced =
        |open, close| attributes.matches(open).count() == attributes.matches(close).count();
    if attributes.contains("{#") || !balanced("{{", "}}") || !balanced("{%", "%}") {
        return false;
    }
    let mut rest = attributes.trim_start_matches(is_space);
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c| !is_space(c) && !QUOTES.contains(&c) && c != '=');
        let value = after.trim_start_matches(is_space).strip_prefix('=');
        rest = match value.map(|value| value.trim_start_matches(is_space)) {
            _ if after.len() == rest.len() => return false,
            None => after,
            Some(value) => {
                let quote = QUOTES.iter().find(|quote| value.starts_with(**quote));
                let ended = if let Some(quote) = quote {
                    value.get(1..).and_then(|value| value.split_once(*quote))
                } else {
                    let plain = |c| !is_space(c) && !QUOTES.contains(&c) && c != '=';
                    let left = value.trim_start_matches(plain);
                    Some((value, left)).filter(|_| left.len() < value.len())
                };
                let Some((_, left)) = ended else {
                    return false;
                };
                left
            }
        };
        if !rest.is_empty() && !rest.starts_with(is_space) && !rest.starts_with('/') {
            return false;
        }
        rest = rest.trim_start_matches(is_space);
    }
    true
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace()
}

const QUOTES: [char; 2] = ['"', '\''];

fn is_ours(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    matches!(plain.as_str(), "{{shell.style|safe}}" | "{{script|safe}}") && text.trim() == text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn constant_text_is_found_and_other_text_refused() {
        let source = "<STYLE media=screen>a{}</style>\n<script>x</script><styles></styles>\
                      <style>{{ shell.style|safe }}</style><script>{{ script|safe }}</script>";
        assert_eq!(
            elements(source),
            [Ok(Element::Style("a{}")), Ok(Element::Script("x"))]
        );
        for (source, line) in [
            ("\n<script>{{ name }}</script>", 2),
            ("\n<script>a{# b #}c</script>", 2),
            ("\n\n<style>p{}{#- b -#}</style>", 3),
            ("\n<script title=\"a>b\">x</script>", 2),
            ("<style title='a>b'>x</style>", 1),
            ("<script title = \">\">x</script>", 1),
            ("<script a'b=\"c'>\">x</script>", 1),
            ("<script a=b=\" x=\">\">x</script>", 1),
            ("<script =\"=\">\">x</script>", 1),
            ("<script a=\"b\"c=\">\">x</script>", 1),
            ("<script {# > #}>x</script>", 1),
            ("<script {{ a > b }}>x</script>", 1),
            ("<style>{% if a %}{% endif %}</style>", 1),
            ("\n\n<script src='/x.js'></script>", 3),
            ("<script>x", 1),
            ("<style", 1),
        ] {
            let found = elements(source);
            let fault = found.first().and_then(|found| found.as_ref().err());
            assert_eq!(
                fault.map(|fault| fault.line),
                (source != "<style").then_some(line),
                "{source}"
            );
        }
    }

    #[test]
    fn attributes_that_are_read_in_one_way_are_taken() {
        for attributes in [
            "",
            " ",
            "/",
            " defer",
            " type=module async",
            " id = \"a b\"\n class='c \"d\"' e=\"\" /",
            " title=\"a &gt; b\" title={{ shell.lang }}",
            " {% if shell %}defer{% endif %}",
        ] {
            let source = format!("<script{attributes}>x</script>");
            assert_eq!(elements(&source), [Ok(Element::Script("x"))], "{source}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(source in "(<style|<script|</style>|>|[\\PC]|\u{130}){0,20}") {
            let _found = elements(&source);
        }
    }
}
