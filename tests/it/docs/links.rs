//! Every relative link leads to a file, and every anchor to a heading of it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::blocks::Page;
use super::blocks::pages;
use super::blocks::root;
use crate::support::tell;

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: HashMap<&str, HashSet<String>> = pages
        .iter()
        .map(|page| (page.name.as_str(), anchors(page)))
        .collect();
    let mut wrong = Vec::new();
    let (mut inside, mut outside) = (0, 0);
    for page in &pages {
        for (line, link) in links(page) {
            if link.starts_with("https://") || link.starts_with("mailto:") {
                outside += 1;
                continue;
            }
            inside += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&page.name).parent().expect("a file");
            let target = if path.is_empty() {
                PathBuf::from(&page.name)
            } else {
                plain(&folder.join(path))
            };
            let there = root().join(&target).exists();
            let known = anchors.get(target.to_str().expect("text"));
            let found = anchor.is_empty() || known.is_some_and(|known| known.contains(anchor));
            if !there || !found {
                wrong.push(format!("{}:{line}: {link}", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "lead nowhere:\n{}", wrong.join("\n"));
    assert!(inside > 60, "{inside}");
    tell(&format!(
        "links: {inside} of {} pages lead somewhere; {outside} leave the repository and are not followed",
        pages.len()
    ));
}

#[test]
fn headings_have_the_anchors_that_readers_get() {
    let page = Page {
        name: String::new(),
        text: "# SG-1001: The `key` is *wrong*\n## Twice\n```sh\n# none\n```\n## Twice\n"
            .to_owned(),
    };
    let expected = ["sg-1001-the-key-is-wrong", "twice", "twice-1"];
    assert_eq!(anchors(&page), expected.map(str::to_owned).into());
}

/// The targets of links, with their lines. `[text][label]` is not used here.
fn links(page: &Page) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in page.prose() {
        let targets = line.split("](").skip(1);
        found.extend(targets.filter_map(|rest| Some((number, rest.split_once(')')?.0))));
        assert!(!line.contains("]["), "{}:{number}: {line}", page.name);
    }
    found
}

/// As Markdown is shown on the usual sites: small letters, hyphens for blanks, no other punctuation.
fn anchors(page: &Page) -> HashSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let prose = page.prose();
    let headings = prose.iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then_some(title)
    });
    let mut anchors = HashSet::new();
    for heading in headings {
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                '-' | '_' => Some(c),
                c if c.is_alphanumeric() => Some(c),
                _ => None,
            })
            .collect();
        let times = seen.entry(slug.clone()).or_default();
        let again = *times > 0;
        anchors.insert(if again {
            format!("{slug}-{times}")
        } else {
            slug
        });
        *times += 1;
    }
    anchors
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leaves", path.display()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}
