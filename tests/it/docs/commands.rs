//! The commands of the documentation work.
//!
//! The commands of one page run in one place, from top to bottom: `sidegate` and what every shell has, for
//! real; what would build, reach out or change the machine stands in [`LISTED`].

use std::collections::BTreeMap;
use std::process::Command;

use super::blocks::Block;
use super::blocks::Page;
use super::blocks::pages;
use super::blocks::root;
use super::world::World;
use crate::support::process::run;
use crate::support::process::sidegate;
use crate::support::tell;

/// What is not run here: by its first words, with the test that runs it, or else why none does.
const LISTED: &[(&str, Elsewhere)] = &[
    (
        "kubectl kustomize",
        Elsewhere::Tested("tests/deploy/manifests.py"),
    ),
    ("promtool", Elsewhere::Tested("tests/deploy/metrics.py")),
    // It reads what its reader has.
    (
        "sidegate import",
        Elsewhere::Tested("tests/it/commands_import.rs"),
    ),
    (
        "systemd-analyze",
        Elsewhere::Tested("tests/deploy/systemd.py"),
    ),
    (
        "cargo deny --locked --config deploy/deny.toml check bans",
        Elsewhere::Tested("tests/deploy/supply.py"),
    ),
    ("cargo test", Elsewhere::Tested("tests/run")),
    ("cargo fmt", Elsewhere::Tested(".ci/run")),
    ("cargo clippy", Elsewhere::Tested(".ci/run")),
    ("RUSTDOCFLAGS= cargo doc", Elsewhere::Tested(".ci/run")),
    ("tests/run", Elsewhere::Never("it runs this test")),
    (".ci/run", Elsewhere::Never("it runs this test")),
    ("tests/browser/run", Elsewhere::Tested("tests/run")),
    (
        "tests/bench/run",
        Elsewhere::Never("it measures for half an hour"),
    ),
    (
        "tests/bench/train",
        Elsewhere::Never("it builds a release and loads it"),
    ),
    ("cargo build", Elsewhere::Never("it builds a release")),
    ("cargo clean", Elsewhere::Never("it builds a release")),
    ("apt-get", Elsewhere::Never("it changes the machine")),
    ("rustup", Elsewhere::Never("it changes the machine")),
    ("cargo bench", Elsewhere::Never("it measures")),
    ("valgrind", Elsewhere::Never("it measures")),
    ("cargo auditable", Elsewhere::Never("it builds a release")),
    (
        "cargo audit",
        Elsewhere::Never("it reads what cargo auditable builds"),
    ),
    (
        "cargo cyclonedx",
        Elsewhere::Never("it is for others to read"),
    ),
    ("cargo deny", Elsewhere::Never("it fetches a list")),
    ("cargo install", Elsewhere::Never("it builds a release")),
    (
        "sha256sum /tmp",
        Elsewhere::Never("it compares two releases"),
    ),
    ("git", Elsewhere::Never("it reaches out")),
    ("docker", Elsewhere::Never("it needs a container engine")),
    ("kubectl", Elsewhere::Never("it needs a cluster")),
    ("helm", Elsewhere::Never("it needs a cluster")),
    ("install", Elsewhere::Never("it changes the machine")),
    ("systemctl", Elsewhere::Never("it changes the machine")),
    ("nginx", Elsewhere::Never("it changes the machine")),
    (
        "cd deploy/prometheus",
        Elsewhere::Tested("tests/deploy/metrics.py"),
    ),
    (
        "export SIDEGATE_COMMIT",
        Elsewhere::Never("it is for a release"),
    ),
];

/// What every shell has; no page may need more.
const SHELL: &[&str] = &[
    "cat", "chmod", "cp", "curl", "echo", "kill", "ls", "mkdir", "mv", "printf", "rm", "sleep",
    "test", "touch", "umask", "grep", "head", "ln",
];

#[derive(Clone, Copy, Debug)]
enum Elsewhere {
    /// This test runs it, or holds what it reads.
    Tested(&'static str),
    /// None does, because …
    Never(&'static str),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_every_page_work() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut total = 0;
    for page in pages() {
        let blocks = page.blocks();
        assert!(
            blocks
                .iter()
                .all(|block| !["bash", "shell", "console", ""].contains(&block.language.as_str())),
            "{}: commands are ```sh, and every block names its language",
            page.name
        );
        if blocks.iter().any(|block| block.language == "sh") {
            let (lines, ran) = walk(&page, &blocks).await;
            total += lines;
            for kind in ran {
                *counts.entry(kind).or_default() += 1;
            }
        }
    }
    assert_eq!(
        counts.values().sum::<usize>(),
        total,
        "nothing is passed over"
    );
    let ran = counts.get(RUN).copied().unwrap_or_default();
    assert!(ran >= 10, "{counts:?}");
    tell(&format!("commands: {total} lines, of which {ran} ran"));
    for (kind, count) in counts.iter().filter(|(kind, _)| *kind != RUN) {
        tell(&format!("  {count} {kind}"));
    }
}

const RUN: &str = "ran";

/// Runs a page; answers how many lines of commands it has, and what became of each.
async fn walk(page: &Page, blocks: &[Block]) -> (usize, Vec<String>) {
    let mut world = World::new().await;
    let mut kinds = Vec::new();
    let mut total = 0;
    for block in blocks {
        if let Some(name) = block
            .note
            .as_deref()
            .and_then(|note| note.strip_prefix("file "))
        {
            let name = name.split(' ').next().unwrap_or_default();
            world.write(name, block);
        }
        if block.language != "sh" {
            continue;
        }
        well_formed(block);
        let mut script = String::new();
        for line in lines(&block.text) {
            total += 1;
            let (words, comment) = line.split_once(" #").unwrap_or((&line, ""));
            let words = words.trim();
            match kind(words, &block.place) {
                Kind::Shell => {
                    script.extend([words, "\n"]);
                    kinds.push(RUN.to_owned());
                }
                Kind::Serves => {
                    finish(&world, block, &mut script).await;
                    world
                        .start(&words.replace("cargo run --release -- ", "sidegate "))
                        .await;
                    kinds.push(RUN.to_owned());
                }
                Kind::Listed(elsewhere) => {
                    names_what_is_there(words, &block.place);
                    marked(page, comment, elsewhere, &line);
                    kinds.push(match elsewhere {
                        Elsewhere::Tested(file) => {
                            assert!(root().join(file).exists(), "{file}");
                            format!("read; run by {file}")
                        }
                        Elsewhere::Never(why) => format!("read, not run: {why}"),
                    });
                }
            }
        }
        finish(&world, block, &mut script).await;
    }
    world.end().await;
    (total, kinds)
}

async fn finish(world: &World, block: &Block, script: &mut String) {
    if script.is_empty() {
        return;
    }
    let output = world.run(script).await;
    assert!(
        output.status.success(),
        "{}:\n{script}\n{}{}",
        block.place,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    script.clear();
}

/// What becomes of a line.
#[derive(Debug)]
enum Kind {
    Shell,
    /// It runs until it is told to stop.
    Serves,
    Listed(Elsewhere),
}

fn kind(line: &str, place: &str) -> Kind {
    let serves = [
        "sidegate serve",
        "sidegate demo",
        "sidegate sandbox",
        "cargo run --release -- demo",
    ];
    if serves.iter().any(|start| line.starts_with(start)) {
        return Kind::Serves;
    }
    let line = bare(line);
    let begins = |start: &str| {
        let rest = line.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '=', '/']))
    };
    let listed = LISTED.iter().find(|(start, _)| begins(start));
    if let Some((_, elsewhere)) = listed {
        return Kind::Listed(*elsewhere);
    }
    for part in line.split(" && ").flat_map(|part| part.split(" | ")) {
        let program = bare(part).split(' ').next().unwrap_or_default().to_owned();
        assert!(
            program == "sidegate" || SHELL.contains(&program.as_str()),
            "{place}: {program:?} is neither run nor listed: {line}"
        );
    }
    Kind::Shell
}

/// Without the values of variables in front.
fn bare(line: &str) -> String {
    let mut rest = line.trim();
    let mut names = String::new();
    while let Some((name, value)) = rest.split_once('=')
        && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    {
        let quoted = value
            .strip_prefix('"')
            .and_then(|value| value.split_once('"'));
        let after = match quoted {
            Some((_, after)) => after,
            None => value
                .find(' ')
                .map_or("", |at| value.get(at..).unwrap_or_default()),
        };
        if name == "RUSTDOCFLAGS" {
            names.push_str("RUSTDOCFLAGS= ");
        }
        rest = after.trim_start();
    }
    names + rest
}

/// Lines of commands: joined where they go on, without those that only comment.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(ToOwned::to_owned).collect()
}

fn well_formed(block: &Block) {
    let read = Command::new("bash")
        .args(["-n", "-c", &block.text])
        .output();
    let read = read.expect("bash");
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{}: {said}", block.place);
}

/// Files of the repository and tests that a line names are there.
fn names_what_is_there(line: &str, place: &str) {
    for word in line.split([' ', '=']) {
        let folder = ["deploy/", "tests/", "config/", "src/"]
            .iter()
            .any(|start| word.starts_with(start));
        let path = word.split('*').next().unwrap_or_default();
        let path = if word.contains('*') {
            path.rsplit_once('/').map_or(path, |(folder, _)| folder)
        } else {
            path
        };
        assert!(
            !folder || root().join(path).exists(),
            "{place}: there is no {word}"
        );
    }
    let Some(("cargo test" | "BLESS=1 cargo test", rest)) = line.split_once(" --test it ") else {
        return;
    };
    let name = rest.split(' ').next().unwrap_or_default();
    let last = name.rsplit("::").next().unwrap_or_default();
    assert!(
        super::proof::is_a_test(last) || super::proof::is_a_module(last),
        "{place}: no test {name}"
    );
}

/// A page that marks what no test runs marks all of it and nothing else.
fn marked(page: &Page, comment: &str, elsewhere: Elsewhere, line: &str) {
    if page.text.contains('†') {
        let never = matches!(elsewhere, Elsewhere::Never(_));
        assert_eq!(comment.contains('†'), never, "{}: {line}", page.name);
    }
}

/// What is said in passing, `sidegate …` within a sentence, is a command that there is, with options that there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_in_sentences_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut help: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for page in pages() {
        for (line, text) in page.prose() {
            for span in text.split('`').skip(1).step_by(2) {
                let Some(rest) = span.strip_prefix("sidegate ") else {
                    continue;
                };
                let mut words = rest.split(' ');
                let name = words.next().unwrap_or_default().to_owned();
                if !name.bytes().all(|b| b.is_ascii_lowercase()) {
                    continue;
                }
                if !help.contains_key(&name) {
                    let output = run(sidegate(folder.path(), &[&name, "--help"], &[])).await;
                    let known = output.status.success();
                    assert!(known, "{}:{line}: there is no {span}", page.name);
                    help.insert(
                        name.clone(),
                        String::from_utf8(output.stdout).expect("text"),
                    );
                }
                seen += 1;
                for option in
                    words.filter_map(|word| word.trim_matches(['[', ']', '…']).strip_prefix("--"))
                {
                    let known = help[&name].contains(&format!("--{option}"));
                    assert!(known, "{}:{line}: no --{option} in {span}", page.name);
                }
            }
        }
    }
    assert!(seen >= 15, "{seen}");
    tell(&format!("commands in sentences: {seen} known"));
}
