//! Text as YAML scalars, for commands that write a configuration.

use std::fmt::Write as _;

/// A text as a YAML scalar: plain where nobody can read it otherwise, else quoted.
pub(crate) fn scalar(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "./_-:@+".contains(c);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(bare)
        && !text.ends_with(':')
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if safe {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            ' '..='~' => quoted.push(c),
            c => {
                // Writing to a string cannot fail.
                let _written = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// A list on one line.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::yaml;
    use crate::config::yaml::Kind;

    /// What our own reader makes of it, alone and in a list.
    fn read(yaml: &str) -> Option<Vec<String>> {
        let root = yaml::parse(&Arc::from("t"), yaml.as_bytes()).ok()?;
        let Kind::Map(entries) = root.kind else {
            return None;
        };
        let texts = entries
            .into_iter()
            .flat_map(|entry| match entry.value.kind {
                Kind::Text(text) => vec![text],
                Kind::List(items) => (items.into_iter())
                    .filter_map(|item| match item.kind {
                        Kind::Text(text) => Some(text),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            });
        Some(texts.collect())
    }

    fn comes_back(text: &str) {
        let yaml = format!("a: {}\nb: {}\n", scalar(text), list(&[text, text]));
        assert_eq!(read(&yaml), Some(vec![text.to_owned(); 3]), "{yaml}");
    }

    #[test]
    fn what_yaml_might_take_for_something_else_is_quoted() {
        for text in [
            "",
            " ",
            "a b",
            "null",
            "~",
            "yes",
            "No",
            "0123",
            "1e5",
            "- a",
            "a: b",
            "a:",
            "# a",
            "a #b",
            "[a",
            "{a}",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "'",
            "\"",
            "\\",
            "%a",
            "@a",
            "`a",
            "a,b",
            "\u{e9}",
            "\u{85}",
            "\n",
            "\t",
            "?",
            ":a",
            "http://127.0.0.1:3000",
            "unix:/run/api.sock",
            "[::1]:80",
            "::1/128",
            "/mc/rest/",
            "...",
            "---",
        ] {
            comes_back(text);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,24}|[ -~\n\t]{0,24}") {
            comes_back(&text);
        }
    }
}
