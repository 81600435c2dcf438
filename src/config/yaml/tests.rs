use std::fmt::Write;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The tree in one line: what was read, without what it means.
fn shown(text: &str) -> String {
    fn show(node: &Node, out: &mut String) {
        match &node.kind {
            Kind::Null => out.push('-'),
            Kind::Text(text) => write!(out, "{text:?}").expect("a string"),
            Kind::List(items) => {
                out.push('[');
                for item in items {
                    show(item, out);
                    out.push(' ');
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for entry in entries {
                    write!(out, "{}=", entry.key).expect("a string");
                    show(&entry.value, out);
                    out.push(' ');
                }
                out.push('}');
            }
        }
    }
    let node = parse(&"test".into(), text.as_bytes()).expect("YAML");
    let mut out = String::new();
    show(&node, &mut out);
    out
}

fn refusal(text: &[u8]) -> (usize, usize, String) {
    match parse(&"test".into(), text) {
        Ok(_) => panic!("{:?} was taken", String::from_utf8_lossy(text)),
        Err(refused) => (refused.at.line, refused.at.column, refused.message),
    }
}

#[test]
fn scalars_stay_as_written() {
    for scalar in [
        "0123",
        "1e5",
        "0x1F",
        "0o17",
        "12345678901234567890123",
        "3.9",
        "1.10",
        "true",
        "Yes",
        "off",
        ".inf",
        ".nan",
        "2026-11-23",
        "12:30:45",
        "1_000",
        "+1",
        "a#b",
        "http://127.0.0.1:3000",
    ] {
        assert_eq!(shown(&format!("k: {scalar}")), format!("{{k={scalar:?} }}"));
    }
}

#[test]
fn only_what_is_not_quoted_is_nothing() {
    for nothing in ["", "~", "null", "Null", "NULL"] {
        assert_eq!(shown(&format!("k: {nothing}")), "{k=- }");
        assert_eq!(
            shown(&format!("k: '{nothing}'")),
            format!("{{k={nothing:?} }}")
        );
        assert_eq!(
            shown(&format!("k: \"{nothing}\"")),
            format!("{{k={nothing:?} }}")
        );
    }
    assert_eq!(shown("[~, ]"), "[- ]");
}

#[test]
fn collections_of_either_style_are_read() {
    for (text, tree) in [
        ("", "{}"),
        ("# only a comment\n", "{}"),
        ("---\n", "-"),
        ("a: {b: 1, c: [x, y]}\n", r#"{a={b="1" c=["x" "y" ] } }"#),
        (
            "a:\n  - b: 1\n    c: 2\n  - d\n",
            r#"{a=[{b="1" c="2" } "d" ] }"#,
        ),
        ("a: |\n  x\n  y\n", r#"{a="x\ny\n" }"#),
        ("\u{feff}a: 1\r\nb: 2\r\n", r#"{a="1" b="2" }"#),
        ("a: 1\na: 2\n", r#"{a="1" a="2" }"#),
        ("<<: {a: 1}\n", r#"{<<={a="1" } }"#),
    ] {
        assert_eq!(shown(text), tree, "{text}");
    }
}

#[test]
fn what_shares_or_types_is_refused_where_it_stands() {
    for (text, line, column, message) in [
        ("a: 1\nb: &x 2\n", 2, 7, "anchors"),
        ("a: &x {b: 1}\nb: *x\n", 1, 7, "anchors"),
        ("a: *x\n", 1, 4, "not YAML"),
        ("a: !!str 1\n", 1, 10, "tags"),
        ("a: !secret x\n", 1, 12, "tags"),
        ("a: !!map {}\n", 1, 10, "tags"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
        ("? [a]\n: 1\n", 1, 3, "a key must be plain text"),
        ("? {a: 1}\n: 1\n", 1, 3, "a key must be plain text"),
        ("a: 1\n~: 2\n", 2, 1, "a key is empty"),
        ("a: 1\nb: \u{7}\n", 2, 4, "a control character"),
        ("a: 1\u{0}\nb: 2\n", 1, 5, "a control character"),
        ("a: [1\nb: 2\n", 2, 2, "not YAML"),
        ("a: 'x\n", 1, 4, "not YAML"),
        ("a:\n\t- b\n", 2, 2, "not YAML"),
    ] {
        let (at_line, at_column, said) = refusal(text.as_bytes());
        assert!(said.starts_with(message), "{text}: {said}");
        assert_eq!((at_line, at_column), (line, column), "{text}: {said}");
    }
    assert_eq!(
        refusal(b"a: 1\nb: \xff\n"),
        (2, 4, "the file is not UTF-8 text".to_owned())
    );
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let mut aliases = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..64 {
        let below = level - 1;
        writeln!(aliases, "a{level}: &a{level} [*a{below}, *a{below}]").expect("a string");
    }
    let mut blocks = String::new();
    for depth in 0..1000 {
        writeln!(blocks, "{}a:", " ".repeat(depth)).expect("a string");
    }
    blocks.truncate(MAX_BYTES);
    let started = tokio::time::Instant::now();
    for (bomb, message) in [
        (aliases, "anchors"),
        ("[".repeat(MAX_BYTES), "not YAML: recursion"),
        ("{a: ".repeat(MAX_BYTES / 4), "not YAML: recursion"),
        ("- ".repeat(MAX_BYTES / 2), "nested"),
        (blocks, "nested"),
        ("[x,".to_owned() + &"x,".repeat(100_000), "more than"),
        ("a: 1\n".repeat(50_000), "more than"),
        ("x".repeat(MAX_BYTES + 1), "the file is larger"),
    ] {
        let (_, _, said) = refusal(bomb.as_bytes());
        assert!(said.starts_with(message), "{said}");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&"test".into(), &bytes));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-c0:?,\\[\\]{}&*!|>'\"%@`#~<\\\\ \t\n\r.\u{feff}\u{85}é]{0,60}") {
        drop(parse(&"test".into(), text.as_bytes()));
    }

    #[test]
    fn a_quoted_text_comes_back(text in "[ -~äöü€]{0,40}") {
        let quoted = format!("k: '{}'", text.replace('\'', "''"));
        prop_assert_eq!(shown(&quoted), format!("{{k={text:?} }}"));
    }
}
