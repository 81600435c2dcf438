//! The page on every key, which is made from the table of keys.

use std::fmt::Write as _;

use super::schema::keys;
use crate::config::describe;
use crate::config::describe::Default;
use crate::config::describe::Form;
use crate::config::shape::Shape;

/// With `BLESS=1` the test writes it anew.
#[test]
fn the_documentation_is_this_table() {
    let page = page();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docs/configuration.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &page).expect("written");
    }
    let known = std::fs::read_to_string(file).expect("the page");
    assert!(
        known == page,
        "run this test with BLESS=1 and look at the difference"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (path, shape) in keys() {
        // A section with several places is described at one of them.
        if describe::canonical(&path) != path {
            if describe::shared(&path).is_some() && !path.ends_with("[]") {
                let own = describe::canonical(&path);
                writeln!(page, "| `{path}` | as `{own}` | | |").expect("a string");
            }
            continue;
        }
        let told = describe::describe(&path).expect("described");
        let default = match told.default {
            Default::Required => "**required**".to_owned(),
            Default::Nothing => "–".to_owned(),
            Default::Value(value) => format!("`{value}`"),
            Default::Told(text) => text.to_owned(),
        };
        let (form, about) = (form(shape, &told.form), told.about);
        let line = format!("| `{path}` | {form} | {default} | {about} |");
        writeln!(page, "{line}").expect("a string");
    }
    page
}

fn form(shape: &Shape, form: &Form) -> String {
    let text = match form {
        Form::Section => String::new(),
        Form::Text => "text".to_owned(),
        Form::File => "file".to_owned(),
        Form::Switch => "`true`, `false`".to_owned(),
        Form::Words(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Form::Whole(least, u64::MAX) => format!("whole number from {least}"),
        Form::Whole(least, most) => format!("whole number, {least} to {most}"),
        Form::Duration(range) => format!("duration, {range}"),
        Form::Size(range) => format!("size, {range}"),
        Form::Pattern(name, _) | Form::Mixed(name, _) => (*name).to_owned(),
    };
    match shape {
        Shape::Text => text,
        Shape::Texts => format!("{text}; or a list"),
        Shape::Secret => "secret".to_owned(),
        Shape::Secrets => "list of secrets".to_owned(),
        Shape::Section(_) => "section".to_owned(),
        Shape::Fields => format!("names and values ({text})"),
        Shape::Sections(_) => "list of sections".to_owned(),
        Shape::TextOrSection(_) => format!("{text}; or a section"),
    }
}

const HEAD: &str = "# Configuration keys

Every key of the YAML file. [config/sidegate.yaml](../../config/sidegate.yaml) shows them in use, [config/sidegate.schema.json](../../config/sidegate.schema.json)
(`sidegate schema`) tells editors about them. This page is made from `src/config/shape.rs` and `src/config/describe/` and held equal to them by a test.

Durations have units (`90s`, `1h 30m`), sizes too (`512 KiB`, `1 GiB`). A list may be one text with commas in between. A secret is
`{ file: PATH }`, `{ env: NAME }`, or the text itself, which is warned about. Relative paths start at the file's directory.
`SIDEGATE__SECTION__KEY` in the environment overrides `section.key`.

| key | type | default | what it does |
|---|---|---|---|
";
