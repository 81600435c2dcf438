//! Blocks in languages of others.

use std::collections::BTreeMap;
use std::process::Command;

use super::blocks::Block;
use super::blocks::blocks;
use super::blocks::root;
use crate::support::tell;

#[test]
fn blocks_of_other_languages_are_what_they_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for block in blocks() {
        let note = block.note.as_deref().unwrap_or_default();
        let kind = match (block.language.as_str(), note.strip_prefix("from ")) {
            ("yaml" | "sh", _) => continue,
            // Pictures, and what a program prints.
            ("text", None) => "text, for people",
            (_, Some(file)) => stands_in(&block, file),
            ("nginx", None) => {
                let file = folder.path().join("nginx.conf");
                let text = format!("events {{}}\nhttp {{\n{}}}\n", block.text);
                std::fs::write(&file, text).expect("written");
                let mut nginx = Command::new("nginx");
                nginx
                    .arg("-t")
                    .arg("-c")
                    .arg(&file)
                    .arg("-p")
                    .arg(folder.path());
                agrees(&mut nginx, &block)
            }
            ("python", None) => {
                let mut python = Command::new("python3");
                python.args(["-c", "import ast, sys; ast.parse(sys.argv[1])", &block.text]);
                agrees(&mut python, &block)
            }
            ("js", None) => {
                let file = folder.path().join("page.mjs");
                std::fs::write(&file, &block.text).expect("written");
                agrees(Command::new("node").arg("--check").arg(&file), &block)
            }
            // Of the page on pages, which the test beside `http::pages::custom` compiles.
            ("html", None) if block.place.starts_with("deploy/docs/pages.md:") => {
                "templates that a unit test compiles"
            }
            ("html", None) => {
                let helper = include_str!("../../../src/gateway/session_helper.js");
                let line = r#"<script src="/oauth2/session.js" data-warn="120" defer></script>"#;
                assert_eq!(block.text.trim(), line, "{}", block.place);
                assert!(helper.contains("dataset.warn"));
                "what tools include"
            }
            ("json", None) => {
                let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
                assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
                "json that is read"
            }
            (language, None) => panic!("{}: nobody tries {language:?}", block.place),
        };
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    assert!(counts.len() > 1, "{counts:?}");
    tell(&format!("other languages: {counts:?}"));
}

/// Lines of a file that is tested by itself; where they stand does not count, nor how far they are indented.
pub fn stands_in(block: &Block, file: &str) -> &'static str {
    let text = std::fs::read_to_string(root().join(file));
    let text = text.unwrap_or_else(|error| panic!("{}: {file}: {error}", block.place));
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let wanted: Vec<_> = block.text.lines().map(str::trim).collect();
    assert!(!wanted.is_empty());
    assert!(
        lines.windows(wanted.len()).any(|lines| lines == wanted),
        "{}: does not stand in {file}",
        block.place
    );
    "lines of a file that is tested"
}

fn agrees(command: &mut Command, block: &Block) -> &'static str {
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", block.place);
            "read by their own programs"
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = command.get_program().to_string_lossy().into_owned();
            tell(&format!("LEFT OUT: {}: there is no {name}", block.place));
            "left out, as their programs are not here"
        }
        Err(error) => panic!("{error}"),
    }
}
