//! What the page on security claims is shown by tests that there are.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use super::blocks::Page;
use super::blocks::pages;
use super::blocks::root;
use crate::support::tell;

/// The third column of each table names tests: `module::test` below `tests/it`, or `src/file.rs::test`.
#[test]
fn each_claim_about_security_names_a_test() {
    let page = Page::named("deploy/docs/security.md");
    let (mut met, mut open, mut not_ours, mut named) = (0, 0, 0, 0);
    for (number, line) in page.prose() {
        let cells: Vec<_> = line
            .split(" | ")
            .map(|cell| cell.trim_matches(['|', ' ']))
            .collect();
        let [place, _, how, shown] = cells.as_slice() else {
            assert!(
                !line.starts_with("| 9700") && !line.starts_with("| 10017"),
                "line {number}: four columns: {line}"
            );
            continue;
        };
        if !(place.starts_with("9700 ") || place.starts_with("10017 ")) {
            continue;
        }
        let tests: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        for test in &tests {
            assert!(exists(test), "line {number}: there is no test {test}");
            named += 1;
        }
        if how.starts_with("**Not met") || how.starts_with("**In part") {
            open += 1;
        } else if how.starts_with("Not ours") {
            not_ours += 1;
            assert!(tests.is_empty(), "line {number}: {line}");
        } else {
            met += 1;
            assert!(!tests.is_empty(), "line {number}: nothing shows it: {line}");
        }
    }
    assert!(
        met > 25 && open > 2 && not_ours > 0,
        "{met} {open} {not_ours}"
    );
    tell(&format!(
        "security: {met} requirements met, {open} not or in part, {not_ours} not ours; {named} tests named, all there"
    ));
}

/// A test that a page names in passing, as `module::test`, is there.
#[test]
fn tests_that_pages_name_are_there() {
    let mut seen = 0;
    for page in pages() {
        for (line, text) in page.prose() {
            for span in text.split('`').skip(1).step_by(2) {
                let is_path = span.contains("::") && !span.contains([' ', '(', '<', '{', '*']);
                let test = is_path
                    && span
                        .split("::")
                        .all(|part| part.starts_with(|c: char| c.is_ascii_lowercase()));
                if test {
                    assert!(
                        exists(span),
                        "{}:{line}: there is no test {span}",
                        page.name
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

/// Whether `place::test` is there.
pub fn exists(test: &str) -> bool {
    let Some((place, name)) = test.rsplit_once("::") else {
        return false;
    };
    let file = if place.starts_with("src/") {
        root().join(place)
    } else {
        let path = place.replace("::", "/");
        root().join("tests/it").join(path).with_extension("rs")
    };
    let source = std::fs::read_to_string(file).unwrap_or_default();
    names(&source).any(|known| known == name)
}

/// Whether any test has this name, or a part of one.
pub fn is_a_test(part: &str) -> bool {
    static ALL: OnceLock<HashSet<String>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all = HashSet::new();
        for folder in ["tests/it", "src"] {
            gather(&root().join(folder), &mut all);
        }
        all
    });
    all.iter().any(|name| name.contains(part))
}

/// Whether a module of the tests has this name.
pub fn is_a_module(name: &str) -> bool {
    root()
        .join("tests/it")
        .join(name)
        .with_extension("rs")
        .exists()
}

fn gather(folder: &Path, all: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, all);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(path).expect("text");
            all.extend(names(&text).map(ToOwned::to_owned));
        }
    }
}

/// The names of the functions that are tests; those within proptest's macro have the same attribute.
fn names(source: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    source.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        }
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line.strip_prefix("fn ").filter(|_| marked)?;
        marked = false;
        rest.split(['(', '<']).next()
    })
}
