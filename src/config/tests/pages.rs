//! The section `pages`, as far as files belong to it.

use std::fs;
use std::path::Path;

use super::super::Config;
use super::LEAST;
use super::brief;
use super::environment;

fn problems(directory: &Path, pages: &str) -> Vec<String> {
    let text = format!("{LEAST}pages: {pages}\n");
    let loaded = Config::from_text("t.yaml", &text, directory, &environment());
    loaded.map_or_else(
        |problems| problems.as_slice().iter().map(brief).collect(),
        |_| Vec::new(),
    )
}

#[test]
fn a_logo_is_a_picture_and_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).expect("written");
    write("good.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    write("page.png", b"<html/>");
    write("active.svg", b"<svg><script/></svg>");
    write(
        "large.png",
        &[b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 33_000]].concat(),
    );
    for (logo, wanted) in [
        ("good.svg", ""),
        ("page.png", "SG-6502 pages.logo: is no PNG"),
        ("active.svg", "SG-6502 pages.logo: is an SVG with a script"),
        ("large.png", "SG-6502 pages.logo: is larger than 32 KiB"),
    ] {
        let found = problems(directory.path(), &format!("{{ logo: {logo} }}"));
        assert_eq!(
            found.len(),
            usize::from(!wanted.is_empty()),
            "{logo}: {found:?}"
        );
        assert!(
            found.iter().all(|found| found.starts_with(wanted)),
            "{logo}: {found:?}"
        );
    }
}

#[test]
fn templates_are_tried_and_their_mistakes_told_by_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("own");
    fs::create_dir(&pages).expect("made");
    let write = |name: &str, text: &str| fs::write(pages.join(name), text).expect("written");
    let found = || problems(directory.path(), "{ directory: own }");
    write("notes.txt", "{{");
    assert_eq!(
        found(),
        ["SG-6503 pages.directory: holds no template in place of a page"]
    );
    write(
        "base.html",
        "<!doctype html>\n{% block content %}{% endblock %}",
    );
    write(
        "failure.html",
        "{% extends 'base.html' %}\n{% block content %}{{ title }} {{ code }}{% endblock %}",
    );
    assert_eq!(found(), [""; 0]);
    write("signed_out.html", "\n\n{{ nothing }}");
    write("sign_out.html", "<script src=x></script>");
    let told = found();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told.iter()
            .any(|told| told.contains("own/sign_out.html:1: a script from elsewhere")),
        "{told:?}"
    );
    write("sign_out.html", "x");
    let told = found();
    assert!(
        told.iter()
            .any(|told| told.contains("own/signed_out.html:3: undefined value")),
        "{told:?}"
    );
}
