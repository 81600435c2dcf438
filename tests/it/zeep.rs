//! A SOAP client that others wrote, zeep, in the name of somebody who is signed in.

use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::soap::ROUTES;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zeep_calls_the_tenant_through_the_gateway() {
    let Some(python) = python() else { return };
    let gate = Gate::with(Plan {
        routes: ROUTES.to_owned(),
        ..Plan::default()
    })
    .await;
    let browser = gate.signed_in("ada").await;
    // Old enough that a refusal may be for its age.
    gate.advance(60);
    let mut command = Command::new(python);
    command
        .arg(root().join("tests/soap/client.py"))
        .args([
            &gate.origin(),
            &gate.sandbox.origin().to_string(),
            &browser.jar["sidegate"],
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = process::run(command).await;
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    crate::support::tell(&said);
    assert_eq!(process::code(&output), 0, "{said}{wrong}");
    for line in [
        "describe: Subscriber has ID, EmailAddress, SubscriberKey, Status",
        "retrieve: 25 MoreDataAvailable",
        "retrieve: 25 MoreDataAvailable",
        "retrieve: 10 OK",
        "retrieved: 60, subscriber.1@example.com to subscriber.60@example.com",
        "business units: Aurora Goods Europe, Aurora Goods Asia Pacific",
        "create: Has Errors; OK Created, Error InvalidEmailAddress, Error The subscriber is already on the list",
        "after create: 61",
        "server fault: The server has failed",
        "token expired in the middle: 61 retrieved",
        "login failed: Login Failed",
        "document type: SG-1034",
        "signed out: SG-2001",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.dead_tokens), (1, 0), "{stats:?}");
}

/// The Python that `tests/run` prepares.
fn python() -> Option<PathBuf> {
    let python = root().join("target/test-python/bin/python");
    let asked = Command::new(&python)
        .args(["-c", "import zeep"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if asked.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    // Past the test harness, which swallows what passing tests print.
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut stderr = std::io::stderr();
    let _said = writeln!(
        stderr,
        "LEFT OUT: {name}: there is no zeep; tests/run installs it"
    );
    None
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
