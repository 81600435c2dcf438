//! Where secrets come from, and that they are never shown.

use std::fs;
use std::path::Path;

use super::super::Config;
use super::super::Loaded;
use super::super::Problems;
use super::super::report;
use super::KEY;
use super::LEAST;
use super::OTHER_KEY;
use super::brief;
use super::edited;
use super::environment;
use super::findings;
use crate::oauth::provider::Client;

fn in_dir(directory: &Path, text: &str) -> Result<Loaded, Problems> {
    let file = directory.join("sidegate.yaml");
    fs::write(&file, text).expect("a file");
    Config::load(&file, &environment())
}

fn write(path: &Path, content: impl AsRef<[u8]>, private: bool) {
    fs::write(path, content).expect("a file");
    set_mode(path, if private { 0o600 } else { 0o644 });
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
}

#[test]
fn a_secret_file_is_found_beside_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    write(&directory.path().join("secret"), "s3cr3t two\r\n\n", true);
    let text = edited("{ env: SECRET }", "{ file: secret }");
    let Loaded {
        config, warnings, ..
    } = in_dir(directory.path(), &text).expect("good");
    assert_eq!(warnings, []);
    assert!(
        matches!(&config.first.provider.client, Client::Web(secrets) if secrets.pair().first().expose() == "s3cr3t two")
    );
}

#[test]
fn a_file_that_others_may_read_is_warned_about() {
    let directory = tempfile::tempdir().expect("a directory");
    write(&directory.path().join("secret"), "s3cr3t", false);
    write(&directory.path().join("cert"), "x", false);
    write(&directory.path().join("key"), "x", false);
    let text = edited("{ env: SECRET }", "{ file: secret }")
        + "tls: { certificate_file: cert, key_file: key }\n";
    let Loaded { warnings, .. } = in_dir(directory.path(), &text).expect("good");
    let found: Vec<String> = warnings
        .iter()
        .map(|warning| format!("{} {}", warning.risk.as_str(), warning.key))
        .collect();
    assert_eq!(
        found,
        [
            "SG-6102 marketing_cloud.client_secret.file",
            "SG-6102 tls.key_file",
        ]
    );
}

#[test]
fn a_secret_that_cannot_be_read_is_a_problem() {
    let directory = tempfile::tempdir().expect("a directory");
    write(&directory.path().join("empty"), "\n", true);
    write(&directory.path().join("binary"), b"\xff\xfe", true);
    write(&directory.path().join("huge"), "x".repeat(70_000), true);
    write(&directory.path().join("controls"), "a\tb", true);
    let unreadable = "SG-6006 marketing_cloud.client_secret.file";
    for (secret, found) in [
        (
            "{ file: empty }",
            format!("{unreadable}: the file is empty"),
        ),
        (
            "{ file: binary }",
            format!("{unreadable}: the file is not UTF-8"),
        ),
        (
            "{ file: huge }",
            format!("{unreadable}: the file holds more"),
        ),
        (
            "{ file: . }",
            format!("{unreadable}: is not a regular file"),
        ),
        (
            "{ file: gone }",
            format!("{unreadable}: the file cannot be read: No such file"),
        ),
        ("{ file: '' }", unreadable.to_owned()),
        (
            "{ file: controls }",
            "SG-6004 marketing_cloud.client_secret".to_owned(),
        ),
        (
            "{ env: GONE }",
            "SG-6006 marketing_cloud.client_secret.env: names a variable that is not set"
                .to_owned(),
        ),
        (
            "{ file: empty, env: SECRET }",
            "SG-6004 marketing_cloud.client_secret: must be either".to_owned(),
        ),
        (
            "{}",
            "SG-6004 marketing_cloud.client_secret: must be either".to_owned(),
        ),
        (
            "{ file: [x] }",
            "SG-6004 marketing_cloud.client_secret.file: must be a single".to_owned(),
        ),
        (
            "{ vault: x }",
            "SG-6002 marketing_cloud.client_secret: holds an unknown key".to_owned(),
        ),
        (
            "[x]",
            "SG-6004 marketing_cloud.client_secret: must be {".to_owned(),
        ),
    ] {
        let text = edited("{ env: SECRET }", secret);
        let problems = in_dir(directory.path(), &text).expect_err("a problem");
        let all: Vec<String> = problems.as_slice().iter().map(brief).collect();
        let one = all.len() == 1 && all.iter().all(|problem| problem.starts_with(&found));
        assert!(one, "{secret}: {all:#?}");
    }
}

#[test]
fn session_keys_are_good_different_and_at_least_one() {
    for (keys, found) in [
        ("[{ env: KEY }, { env: OTHER_KEY }]", ""),
        (
            "[{ env: KEY }, { env: KEY }]",
            "SG-6004 session.keys[1]: is the same key as session.keys[0]",
        ),
        ("[{ env: SECRET }]", "SG-6004 session.keys[0]: the key"),
        ("[]", "SG-6004 session.keys"),
        ("{ env: KEY }", "SG-6004 session.keys: must be a list"),
        ("[{ env: GONE }]", "SG-6006 session.keys[0].env"),
        (KEY, "SG-6101 session.keys"),
    ] {
        let actual = findings(&edited("[{ env: KEY }]", keys)).join(" | ");
        let same = if found.is_empty() {
            actual.is_empty()
        } else {
            actual.starts_with(found)
        };
        assert!(same && !actual.contains(" | "), "{keys}: {actual}");
    }
}

#[test]
fn an_inline_secret_works_but_is_warned_about() {
    assert_eq!(
        findings(&edited("{ env: SECRET }", "0123")),
        ["SG-6101 marketing_cloud.client_secret"]
    );
    assert_eq!(
        findings(&edited(
            "{ env: KEY }",
            &format!("{KEY}, {{ env: OTHER_KEY }}")
        )),
        ["SG-6101 session.keys[0]"]
    );
}

/// Whatever place a secret was put in by mistake, nothing shows it.
#[test]
fn nothing_shows_a_secret() {
    let marked = "hunter2";
    for (old, new) in [
        ("{ env: SECRET }", "hunter2"),
        ("{ env: SECRET }", "{ hunter2 }"),
        ("{ env: SECRET }", "{ hunter2: 1, hunter2: 2 }"),
        ("{ env: SECRET }", "{ file: hunter2 }"),
        ("{ env: SECRET }", "{ file: { hunter2: 1 } }"),
        ("{ env: SECRET }", "{ env: hunter2 }"),
        ("{ env: SECRET }", "[hunter2]"),
        ("{ env: SECRET }", "\"hunter2\\t\""),
        ("{ env: SECRET }", "&hunter2 x"),
        ("{ env: SECRET }", "*hunter2"),
        ("{ env: SECRET }", "!hunter2 x"),
        ("{ env: SECRET }", "'hunter2"),
        ("{ env: SECRET }", "{ env: SECRET, : hunter2 }"),
        ("[{ env: KEY }]", "hunter2"),
        ("[{ env: KEY }]", "[hunter2]"),
        ("[{ env: KEY }]", "[[hunter2]]"),
        ("abc123", "hunter2 x"),
        ("mcabc", "hunter2!"),
        ("https://tool.example.com", "https://u:hunter2@x"),
        ("http://127.0.0.1:3000", "http://u:hunter2@x"),
        ("http://127.0.0.1:3000", "hunter2"),
    ] {
        let text = edited(old, new);
        let outcome = Config::from_text("t.yaml", &text, ".".as_ref(), &environment());
        let shown = format!(
            "{outcome:?}{}{}",
            report(&outcome, false, true, super::NOW).text,
            report(&outcome, true, true, super::NOW).text
        );
        assert!(!shown.contains(marked), "{new}: {shown}");
    }
    assert!(!LEAST.contains(marked));
}

#[test]
fn the_annotated_example_loads() {
    let example = include_str!("../../../config/sidegate.yaml");
    let directory = tempfile::tempdir().expect("a directory");
    let secrets = directory.path().join("secrets");
    fs::create_dir(&secrets).expect("a directory");
    for (name, content) in [
        ("tls.crt", "a certificate"),
        ("tls.key", "a key"),
        ("client-secret", "one"),
        ("next-client-secret", "two"),
        ("jwt-signing-secret", "a-signing-secret"),
        ("next-jwt-signing-secret", "another-signing-secret"),
        ("reports-ca.crt", "a certificate"),
        ("upstream-ca.crt", "a certificate"),
        ("upstream.crt", "a certificate"),
        ("upstream.key", "a key"),
        ("session-key", KEY),
        ("old-session-key", OTHER_KEY),
    ] {
        write(&secrets.join(name), content, true);
    }
    let Loaded {
        config, warnings, ..
    } = in_dir(directory.path(), example).expect("good");
    assert_eq!(warnings, []);
    assert_eq!(config.first.routes.len(), 9);
    // What is only a comment there loads as well.
    let sandbox = example.replace("# auth_base_url", "auth_base_url");
    let Loaded { config, .. } = in_dir(directory.path(), &sandbox).expect("good");
    assert_eq!(
        config.first.provider.auth.to_string(),
        "http://127.0.0.1:9100"
    );
}

/// What stands in the README and its guides loads, with what it leaves out filled in.
#[test]
fn the_yaml_of_the_readme_loads() {
    let directory = tempfile::tempdir().expect("a directory");
    write(&directory.path().join("client-secret"), "one", true);
    write(&directory.path().join("session-key"), KEY, true);
    let blocks = yaml_of_the_documentation();
    let ours = |block: &&String| block.contains("marketing_cloud:");
    let ours: Vec<_> = blocks.iter().filter(ours).collect();
    assert_eq!(ours.len(), 3, "{blocks:?}");
    for block in ours {
        let mut text = block.clone();
        for (key, rest) in [
            ("public_url", ": https://tool.example.com"),
            ("session", ": { keys: [{ file: session-key }] }"),
            ("routes", ": [{ path: /, to: \"http://127.0.0.1:3000\" }]"),
        ] {
            let given = text.lines().any(|line| line.starts_with(key));
            let for_tenants = text.contains("tenants:\n") && key != "session";
            if !given && !for_tenants {
                text.extend([key, rest, "\n"]);
            }
        }
        let loaded = in_dir(directory.path(), &text);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(loaded.warnings, [], "{text}");
    }
}

/// The blocks of YAML in a page.
/// The YAML of the README and of the guides that hold some.
pub(super) fn yaml_of_the_documentation() -> Vec<String> {
    let pages = [
        include_str!("../../../README.md"),
        include_str!("../../../deploy/docs/tenants.md"),
        include_str!("../../../deploy/docs/replicas.md"),
    ];
    pages.into_iter().flat_map(yaml_blocks).collect()
}

fn yaml_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for rest in page.split("```yaml\n").skip(1) {
        let (block, _) = rest.split_once("```").expect("an end");
        let indent = block.len() - block.trim_start_matches(' ').len();
        let lines = block
            .lines()
            .map(|line| line.get(indent..).unwrap_or_default());
        let lines: Vec<_> = lines.chain([""]).collect();
        blocks.push(lines.join("\n"));
    }
    blocks
}
