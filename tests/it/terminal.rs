//! Manners on a terminal and off it: colours for people, plain text for pipes, and a line that tells what is
//! under way and leaves no trace.

use std::path::Path;
use std::process::Command;

use crate::support::Gate;
use crate::support::Patient;
use crate::support::process::run;
use crate::support::process::sidegate;
use crate::support::pty::Shown;
use crate::support::pty::Watched;
use crate::support::pty::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_is_coloured_on_a_terminal_and_its_progress_goes() {
    let gate = Gate::start().await;
    let patient = Patient::of(&gate);
    let seen = watch(patient.command(&[], &[XTERM]), Shown::Both).await;
    assert_eq!(seen.exit, 0, "{seen:?}");
    for part in [
        "\x1b[32mok     \x1b[0m session keys: ",
        "\x1b[33mwarning\x1b[0m configuration: ",
        "\x1b[36m`sidegate check` lists them with their places.\x1b[0m",
        // Shown, and taken back before anything else is told.
        "\r\x1b[K[2/11] session keys …\r\x1b[K\x1b[32mok ",
        "\r\x1b[K[11/11] upstreams …\r\x1b[K\x1b[32mok ",
    ] {
        assert!(seen.terminal.contains(part), "{part:?}\n{}", seen.terminal);
    }
    let screen = seen.screen();
    assert!(!screen.contains('…'), "{screen}");
    assert!(screen.ends_with("9 ok, 1 warning, 0 failed.\n"), "{screen}");
    // The same as in a pipe, but for what is different with each run.
    let (_, plain) = patient.program(false).await;
    assert_eq!(names(&screen), names(&plain));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_red_and_says_what_to_do() {
    let gate = Gate::start().await;
    let patient = Patient {
        secret: "wrong-hunter2",
        ..Patient::of(&gate)
    };
    let seen = watch(patient.command(&[], &[XTERM]), Shown::Both).await;
    assert_eq!(seen.exit, 78, "{seen:?}");
    let failed = "\x1b[1m\x1b[31mfailed \x1b[0m token endpoint, client_secret: ";
    assert!(seen.terminal.contains(failed), "{}", seen.terminal);
    assert!(
        seen.terminal
            .contains("\x1b[1m\x1b[31m1 failed\x1b[0m.\r\n")
    );
}

/// The order of the rules is the one that the conventions ask for: `NO_COLOR` first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn surroundings_decide_on_colours_and_progress() {
    let gate = Gate::start().await;
    let patient = Patient::of(&gate);
    let no_color = ("NO_COLOR", "1");
    let force = ("CLICOLOR_FORCE", "1");
    for (variables, colours, progress) in [
        (&[XTERM][..], true, true),
        (&[XTERM, no_color], false, true),
        (&[XTERM, ("NO_COLOR", "")], true, true),
        (&[XTERM, ("CLICOLOR", "0")], false, true),
        (&[XTERM, no_color, force], false, true),
        (&[("TERM", "dumb")], false, false),
        (&[], false, false),
        (&[("TERM", "dumb"), force], true, false),
    ] {
        let seen = watch(patient.command(&[], variables), Shown::Both).await;
        let text = &seen.terminal;
        assert_eq!(text.contains("\x1b[32m"), colours, "{variables:?}: {text}");
        assert_eq!(text.contains('…'), progress, "{variables:?}: {text}");
        assert_eq!(text.contains("\r\x1b[K"), progress, "{variables:?}: {text}");
        assert!(seen.screen().ends_with("0 failed.\n"), "{variables:?}");
    }
    let piped = run(patient.command(&[], &[XTERM])).await;
    assert!(!piped.stdout.contains(&0x1b) && piped.stderr.is_empty());
    let forced = run(patient.command(&[], &[force])).await;
    assert!(forced.stdout.starts_with(b"\x1b[33mwarning"));
    assert!(forced.stderr.is_empty(), "a pipe sees no progress");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_get_their_document_and_people_the_progress() {
    let gate = Gate::start().await;
    let patient = Patient::of(&gate);
    let seen = watch(patient.command(&["--json"], &[XTERM]), Shown::Errors).await;
    let document: serde_json::Value = serde_json::from_str(&seen.pipe).expect("one document");
    assert_eq!(document["ok"], true);
    assert!(seen.terminal.contains("[1/11] configuration …"), "{seen:?}");
    assert_eq!(seen.screen(), "", "nothing is left of it");
    // Lines that come by way of a pipe come late: the progress would be in between.
    let seen = watch(patient.command(&[], &[XTERM]), Shown::Errors).await;
    assert_eq!(seen.terminal, "");
    assert!(!seen.pipe.contains('\x1b'), "{seen:?}");
    let seen = watch(patient.command(&[], &[XTERM]), Shown::Output).await;
    assert_eq!(seen.pipe, "");
    assert!(seen.terminal.contains("\x1b[32mok"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_marks_errors_warnings_and_hints() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |text: &str| std::fs::write(folder.path().join("a.yaml"), text).expect("written");
    place(RISKY);
    let seen = check(folder.path(), &[XTERM], Shown::Both).await;
    assert_eq!(seen.exit, 0, "{seen:?}");
    assert!(
        seen.terminal
            .contains("a.yaml:1:13: \x1b[33mwarning[SG-6104]\x1b[0m: ")
    );
    assert!(seen.terminal.contains("\x1b[36mhint:\x1b[0m "), "{seen:?}");
    place(&RISKY.replace("routes:", "rutes:"));
    let seen = check(folder.path(), &[XTERM], Shown::Both).await;
    assert_eq!(seen.exit, 78, "{seen:?}");
    for part in [
        "\x1b[1m\x1b[31merror[SG-6002]\x1b[0m: rutes: unknown key\r\n",
        "    \x1b[36mhint:\x1b[0m did you mean routes?\r\n",
        "\x1b[1m\x1b[31mThe configuration cannot be used\x1b[0m: ",
    ] {
        assert!(seen.terminal.contains(part), "{part:?}: {}", seen.terminal);
    }
    let plain = check(folder.path(), &[XTERM, ("NO_COLOR", "1")], Shown::Both).await;
    assert!(!plain.terminal.contains('\x1b'), "{plain:?}");
    assert_eq!(plain.screen(), seen.screen());
    // `serve` refuses it in the same words, on standard error.
    let serve = watch(program(folder.path(), "serve", &[XTERM]), Shown::Both).await;
    assert_eq!(serve.exit, 78, "{serve:?}");
    assert!(
        serve
            .terminal
            .starts_with("\x1b[1msidegate:\x1b[0m a.yaml:"),
        "{serve:?}"
    );
    assert!(
        serve.terminal.contains("\x1b[31merror[SG-6002]\x1b[0m"),
        "{serve:?}"
    );
    let serve = run(program(folder.path(), "serve", &[XTERM])).await;
    assert!(!serve.stderr.contains(&0x1b), "{serve:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_coloured_on_a_terminal_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = |variables| sidegate(folder.path(), &["doctor", "--nonsense"], variables);
    let seen = watch(command(&[XTERM]), Shown::Both).await;
    assert_eq!(seen.exit, 64);
    assert!(seen.terminal.contains("\x1b["), "{seen:?}");
    let plain = run(command(&[XTERM])).await;
    assert!(!plain.stderr.contains(&0x1b), "{plain:?}");
    assert_eq!(
        seen.screen().trim(),
        String::from_utf8_lossy(&plain.stderr).trim()
    );
}

async fn check(folder: &Path, variables: &[(&str, &str)], shown: Shown) -> Watched {
    watch(program(folder, "check", variables), shown).await
}

fn program(folder: &Path, name: &str, variables: &[(&str, &str)]) -> Command {
    let key = ("KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    sidegate(
        folder,
        &[name, "--config", "a.yaml"],
        &[variables, &[key, ("SECRET", "s")]].concat(),
    )
}

/// The first words of each line.
fn names(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines
        .map(|line| line.split(": ").next().unwrap_or(line))
        .collect()
}

const XTERM: (&str, &str) = ("TERM", "xterm-256color");

/// Good, but plain http.
const RISKY: &str = "public_url: http://127.0.0.1:8080
listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
marketing_cloud:
  subdomain: mc563885gzs27c5t9-63k636ttgm
  client_id: vqwyswrlzzfk024ivr682esb
  client_secret: { env: SECRET }
session:
  keys: [{ env: KEY }]
routes:
  - { path: /, to: http://127.0.0.1:3000 }
";
