//! What packages take from the program: completions, manual pages, help.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;

const COMMANDS: [&str; 13] = [
    "serve",
    "demo",
    "sandbox",
    "check",
    "doctor",
    "explain",
    "init",
    "import",
    "schema",
    "keygen",
    "ready",
    "completions",
    "man",
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The output of a program that may not be here.
fn other(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            // Past the test harness, which swallows what passing tests print.
            let line = format!("LEFT OUT: {name}: there is no {program}; tests/run installs it");
            let _said = writeln!(std::io::stderr(), "{line}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn completions(folder: &Path, shell: &str) -> String {
    let output = run(sidegate(folder, &["completions", shell], &[])).await;
    assert_eq!(code(&output), 0, "{output:?}");
    let path = folder.join(shell);
    std::fs::write(&path, &output.stdout).expect("written");
    path.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bash_completes_commands_and_their_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = completions(folder.path(), "bash").await;
    // As readline does it: the words, the one at the cursor, and the function that is registered.
    let ask = r#"
        source "$1"; shift
        COMP_WORDS=(sidegate "$@"); COMP_CWORD=$#
        function_of=$(complete -p sidegate | sed -E 's/.* -F ([^ ]+) .*/\1/')
        "$function_of" sidegate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (words, expected) in [
        (&["imp"][..], &["import"][..]),
        (&["ch"], &["check"]),
        (&["check", "--s"], &["--strict"]),
        (&["completions", "z"], &["zsh"]),
        (
            &["init", "--client-"],
            &[
                "--client-id",
                "--client-type",
                "--client-secret-file",
                "--client-secret-stdin",
            ],
        ),
    ] {
        let arguments = [&["-c", ask, "bash", &script], words].concat();
        let Some(output) = other("bash", &arguments) else {
            return;
        };
        let offered: Vec<&str> = text(&output.stdout).lines().collect();
        assert_eq!(offered, expected, "{words:?}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zsh_and_fish_take_their_scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["zsh", "fish"] {
        let script = completions(folder.path(), shell).await;
        if let Some(output) = other(shell, &["-n", &script]) {
            assert!(output.status.success(), "{output:?}");
        }
    }
    let script = completions(folder.path(), "fish").await;
    let ask = format!("source {script}; complete -C 'sidegate imp'");
    if let Some(output) = other("fish", &["--no-config", "-c", &ask]) {
        assert!(text(&output.stdout).starts_with("import\t"), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manual_pages_are_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(sidegate(folder.path(), &["man"], &[])).await;
    assert_eq!(code(&output), 0, "{output:?}");
    let first = text(&output.stdout);
    assert!(first.contains(".TH sidegate 1"), "{first}");
    let output = run(sidegate(folder.path(), &["man", "pages"], &[])).await;
    assert_eq!(code(&output), 0, "{output:?}");
    let pages: Vec<String> = COMMANDS
        .iter()
        .map(|name| format!("sidegate-{name}.1"))
        .collect();
    for name in pages.iter().map(String::as_str).chain(["sidegate.1"]) {
        let path = folder.path().join("pages").join(name);
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            !page.contains("socket-names"),
            "hidden flags stay hidden: {name}"
        );
        let path = path.to_string_lossy();
        let Some(output) = other("mandoc", &["-T", "lint", "-W", "warning", &path]) else {
            return;
        };
        // Pages of the same program are the same on any day, so they have none; and what is generated has
        // a break beside a space.
        let known = ["cannot parse date", "skipping paragraph macro: br"];
        let wrong = text(&output.stdout).lines();
        let mut wrong = wrong.filter(|line| !known.iter().any(|known| line.contains(known)));
        assert_eq!(wrong.next(), None, "{name}");
    }
    std::fs::write(folder.path().join("file"), "").expect("written");
    let output = run(sidegate(folder.path(), &["man", "file"], &[])).await;
    assert_eq!(code(&output), 69, "{output:?}");
    assert!(
        text(&output.stderr).contains("error[SG-6608]: file: "),
        "{output:?}"
    );
}

/// Each says what it is for, shows how to call it, and tells its exit codes where there are several.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_explains_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(sidegate(folder.path(), &["--help"], &[])).await;
    let help = text(&output.stdout).to_owned();
    for part in [
        "Examples:",
        "Environment:",
        "Exit codes:",
        "SIDEGATE_CONFIG",
        "SG-",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    for name in COMMANDS {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let output = run(sidegate(folder.path(), &[name, "--help"], &[])).await;
        assert_eq!(code(&output), 0);
        let help = text(&output.stdout);
        assert!(help.contains("\nExample"), "{name}: {help}");
        assert!(help.contains(&format!("sidegate {name}")), "{name}: {help}");
        let plain = matches!(name, "schema" | "keygen" | "completions" | "man");
        assert_eq!(help.contains("\nExit codes:"), !plain, "{name}: {help}");
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(140), "{name}: {widest:?}");
    }
}

/// What goes wrong before a configuration is even looked at has a code as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_on_a_terminal_has_a_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let address = format!("127.0.0.1:{port}");
    let documented = include_str!("../../deploy/docs/errors.md");
    for (arguments, exit, expected) in [
        (&["nonsense"][..], 64, "SG-6601"),
        (&["serve", "extra"], 64, "SG-6601"),
        (&["demo", "--port", &port], 69, "SG-6603"),
        (&["sandbox", "--listen", &address], 69, "SG-6603"),
        (&["ready", "127.0.0.1:1"], 69, "SG-6604"),
        (&["serve", "--config", "nowhere"], 78, "SG-6008"),
        (
            &["explain", "GET", "/", "--config", "nowhere"],
            78,
            "SG-6008",
        ),
        (&["import", "nowhere"], 78, "SG-6620"),
    ] {
        let output = run(sidegate(folder.path(), arguments, &[])).await;
        assert_eq!(code(&output), exit, "{arguments:?}: {output:?}");
        let told = text(&output.stderr);
        assert!(told.starts_with("sidegate: "), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
        let commands = expected.starts_with("SG-66");
        assert!(
            !commands || documented.contains(&format!("## {expected}: ")),
            "{expected}"
        );
    }
}
