//! What `deploy/` holds, tried by the programs that it is written for as far as they can be had without a
//! container engine; `tests/deploy` has the tests.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

#[test]
fn nginx_asks_the_gateway() {
    holds("proxies.py", "nginx");
}

#[test]
fn caddy_asks_the_gateway() {
    holds("proxies.py", "caddy");
}

#[test]
fn envoy_asks_the_gateway() {
    holds("proxies.py", "envoy");
}

#[test]
fn traefik_asks_the_gateway() {
    holds("proxies.py", "traefik");
}

#[test]
fn prometheus_and_grafana_ask_for_what_is_there() {
    holds("metrics.py", "");
}

#[test]
fn image_compose_kubernetes_and_helm_are_sound() {
    holds("manifests.py", "");
}

#[test]
fn systemd_takes_the_units() {
    holds("systemd.py", "");
}

#[test]
fn what_it_is_made_of_is_allowed() {
    holds("supply.py", "");
}

#[test]
fn builds_follow_the_profile_of_their_toolchain() {
    holds("builds.py", "");
}

/// Runs the tests of `file` whose names hold `word`.
fn holds(file: &str, word: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prepared = root.join("target/test-python/bin/python");
    let python = if prepared.exists() {
        prepared
    } else {
        "python3".into()
    };
    let program = std::env::var_os("SIDEGATE_TEST_PROGRAM");
    let output = Command::new(python)
        .arg(root.join("tests/deploy").join(file))
        .arg(word)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "SIDEGATE",
            program.unwrap_or_else(|| env!("CARGO_BIN_EXE_sidegate").into()),
        )
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tell(&format!(
                "LEFT OUT: {file} {word}: there is no Python; tests/run installs it"
            ));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|line| line.starts_with("LEFT OUT: ")) {
        tell(line);
    }
    assert!(
        output.status.success() && (said.contains("ok      ") || said.contains("LEFT OUT: ")),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Past the test harness, which swallows what passing tests print.
fn tell(line: &str) {
    let _said = writeln!(std::io::stderr(), "{line}");
}
