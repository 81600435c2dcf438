//! A newcomer finds every page from the README, and the README is short.

use super::blocks::Page;
use super::blocks::pages;

#[test]
fn the_readme_names_every_page() {
    let readme = Page::named("README.md");
    let missing: Vec<_> = pages()
        .into_iter()
        .map(|page| page.name)
        .filter(|name| name.starts_with("deploy/docs/"))
        .filter(|name| !readme.text.contains(&format!("]({name})")))
        .collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
    let lines = readme.text.lines().count();
    assert!(lines <= 220, "README.md has {lines} lines");
}

/// Figures are told once, where the method stands; the page that explains them repeats some.
#[test]
fn figures_are_those_that_were_measured() {
    let measured = Page::named("tests/bench/README.md");
    let page = Page::named("deploy/docs/performance.md");
    let rows = page.text.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 4, "{rows:?}");
    for row in rows {
        assert!(measured.text.lines().any(|line| line == row), "{row}");
    }
}
