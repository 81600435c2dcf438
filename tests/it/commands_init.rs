//! `sidegate init`: on a terminal, in a pipe, and what comes of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::process::Stdio;

use crate::support::browser;
use crate::support::browser::Browser;
use crate::support::process::Running;
use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;
use crate::support::terminal::Terminal;
use crate::support::terminal::was_interrupted;

const SUBDOMAIN: &str = "mc563885gzs27c5t9-63k636ttgm";

const SECRET: &str = "not-to-be-shown-4711";

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("one").file_name().into_string());
    names.map(|name| name.expect("text")).collect()
}

fn all_three() -> BTreeSet<String> {
    ["client-secret", "session-key", "sidegate.yaml"]
        .map(str::to_owned)
        .into()
}

fn mode(file: &Path) -> u32 {
    let metadata = std::fs::metadata(file).expect("there");
    metadata.permissions().mode() & 0o777
}

fn text(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(bytes).expect("text")
}

async fn passes_strictly(folder: &Path) {
    let arguments = ["check", "--strict", "--config", "sidegate.yaml"];
    let checked = run(sidegate(folder, &arguments, &[])).await;
    assert_eq!(code(&checked), 0, "{}", text(&checked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_asked_until_the_answer_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("conf");
    let mut terminal = Terminal::start(folder.path(), &["init"]);
    terminal.expect("Directory for the files [.]: ");
    terminal.write("conf\n");
    terminal.expect("Public URL");
    terminal.write("http://tool.example.com\n");
    terminal.expect("must be https");
    terminal.expect("Public URL");
    terminal.write("https://tool.example.com/\n");
    terminal.expect("Subdomain");
    terminal.write("Not a subdomain\n");
    terminal.expect("Subdomain");
    terminal.write(&format!(
        "https://{SUBDOMAIN}.auth.marketingcloudapis.com/v2/token\n"
    ));
    terminal.expect("web (has a secret) or public [web]: ");
    terminal.write("\n");
    terminal.expect("Client id: ");
    terminal.write("\n");
    terminal.expect("Client id: ");
    terminal.write("vqwyswrlzzfk024ivr682esb\n");
    terminal.expect("The internal tool's address [http://127.0.0.1:3000]: ");
    terminal.write("gopher://x\n");
    terminal.expect("The internal tool's address");
    terminal.write("\n");
    terminal.expect("Client secret (it is not shown): ");
    assert!(
        !terminal.echoes(),
        "the question comes once nothing is shown any more"
    );
    terminal.write(&format!("{SECRET}x\u{7f}\r"));
    terminal.expect("May the tool have the person's access token? [no]: ");
    assert!(terminal.echoes(), "what follows is shown again");
    terminal.write("perhaps\n");
    terminal.expect("must be yes or no");
    terminal.write("yes\n");
    terminal.expect("Where to listen");
    terminal.write("\n");
    let (status, shown) = terminal.end();
    assert!(status.success(), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    for part in [
        "https://tool.example.com/oauth2/callback",
        "Installed Packages",
        "sidegate doctor --config conf/sidegate.yaml",
        "The configuration can be used: 0 problems, 0 warnings",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert_eq!(names(&inside), all_three());
    assert_eq!(mode(&inside.join("session-key")), 0o600);
    assert_eq!(mode(&inside.join("client-secret")), 0o600);
    let secret = std::fs::read_to_string(inside.join("client-secret")).expect("written");
    assert_eq!(secret, format!("{SECRET}\n"));
    let yaml = std::fs::read_to_string(inside.join("sidegate.yaml")).expect("written");
    for line in [
        "public_url: https://tool.example.com\n",
        &format!("  subdomain: {SUBDOMAIN}\n"),
        "    token: bearer\n",
    ] {
        assert!(yaml.contains(line), "{line}\n{yaml}");
    }
    assert!(!yaml.contains(SECRET));
    passes_strictly(&inside).await;
}

#[test]
fn ctrl_c_leaves_nothing_and_a_terminal_that_shows_what_is_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::start(folder.path(), &["init", "--dir", "conf"]);
    terminal.expect("Public URL");
    terminal.write("\u{3}");
    let (status, shown) = terminal.end();
    assert!(was_interrupted(status), "{status}: {shown}");
    assert_eq!(names(folder.path()), BTreeSet::new());

    let arguments = [
        "init",
        "--dir",
        "conf",
        "--public-url",
        "https://tool.example.com",
        "--subdomain",
        SUBDOMAIN,
        "--client-id",
        "id",
        "--client-type",
        "web",
        "--upstream",
        "http://127.0.0.1:3000",
    ];
    let mut terminal = Terminal::start(folder.path(), &arguments);
    terminal.expect("Client secret (it is not shown): ");
    terminal.write(SECRET);
    terminal.write("\u{3}");
    let (status, shown) = terminal.end();
    assert!(terminal.echoes(), "as it was before");
    assert!(was_interrupted(status), "{status}: {shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(names(folder.path()), BTreeSet::new());

    // The end of input is the end of the interview.
    let mut terminal = Terminal::start(folder.path(), &["init", "--dir", "conf"]);
    terminal.expect("Public URL");
    terminal.write("\u{4}");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(64), "{shown}");
    assert!(shown.contains("SG-6613"), "{shown}");
    assert_eq!(names(folder.path()), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_pipe_flags_are_the_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "init",
        "--public-url",
        "https://tool.example.com",
        "--subdomain",
        SUBDOMAIN,
        "--client-id",
        "vqwyswrlzzfk024ivr682esb",
        "--client-secret-stdin",
        "--upstream",
        "http://127.0.0.1:3000",
    ];
    let piped = |arguments: &[&str], input: &str| {
        let mut command = sidegate(folder.path(), arguments, &[]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
        let mut pipe = child.stdin.take().expect("piped");
        // One that refuses to start reads nothing.
        let _written = pipe.write_all(input.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("it ran")
    };
    let output = piped(&arguments, &format!("{SECRET}\n"));
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(!text(&output).contains(SECRET));
    assert_eq!(names(folder.path()), all_three());
    passes_strictly(folder.path()).await;
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("there");
    let key = read("session-key");

    // Never over what is there.
    let output = piped(&arguments, "another\n");
    assert_eq!(code(&output), 64);
    assert!(
        text(&output).contains("error[SG-6610]: ./sidegate.yaml is there already"),
        "{}",
        text(&output)
    );
    assert_eq!(read("client-secret"), format!("{SECRET}\n"));

    // Unless it is said so; and the key stays even then.
    let forced = [&arguments[..], &["--force", "--yes", "--token"]].concat();
    let output = piped(&forced, "another\n");
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(
        text(&output).contains("Kept: ./session-key"),
        "{}",
        text(&output)
    );
    assert_eq!(read("session-key"), key);
    assert_eq!(read("client-secret"), "another\n");
    assert!(read("sidegate.yaml").contains("token: bearer"));
    assert_eq!(names(folder.path()), all_three(), "no drafts stay");

    // Nor is a key replaced that cannot be read as one: it may be the only copy of it.
    let damaged = format!("# of production\n{key}");
    std::fs::write(folder.path().join("session-key"), &damaged).expect("written");
    let yaml = read("sidegate.yaml");
    let output = piped(&forced, "third\n");
    assert_eq!(code(&output), 64, "{}", text(&output));
    for part in [
        "error[SG-6610]: ./session-key is there, and is no session key\n",
        "is never replaced: repair it, or move it away",
    ] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
    assert_eq!(read("session-key"), damaged);
    assert_eq!(read("client-secret"), "another\n");
    assert_eq!(read("sidegate.yaml"), yaml);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_or_wrong_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = [
        "--public-url",
        "https://tool.example.com",
        "--subdomain",
        SUBDOMAIN,
        "--client-id",
        "id",
    ];
    for (arguments, says) in [
        (&[][..], "SG-6611]: --public-url is missing"),
        (&good[..4], "SG-6611]: --client-id is missing"),
        (
            &good,
            "SG-6611]: --client-secret-file or --client-secret-stdin is missing",
        ),
        (
            &["--public-url", "http://tool.example.com"],
            "SG-6612]: --public-url must be https",
        ),
        (
            &[&good[..], &["--client-type", "desktop"]].concat(),
            "SG-6612]: --client-type must be web or public",
        ),
        (
            &[&good[..], &["--client-secret-file", "nowhere"]].concat(),
            "SG-6612]: the client secret the file cannot be read",
        ),
        (
            &[&good[..], &["--client-type", "public", "--upstream", "x"]].concat(),
            "SG-6612]: --upstream",
        ),
        (
            &[&good[..], &["--client-type", "public", "--listen", "x"]].concat(),
            "SG-6612]: --listen",
        ),
        (
            &["--sandbox", "http://tool.example.com"],
            "SG-6612]: --sandbox",
        ),
        (
            &[&good[..], &["--sandbox", "http://127.0.0.1:9100"]].concat(),
            "SG-6601]",
        ),
    ] {
        let arguments = [&["init", "--yes"], arguments].concat();
        let output = run(sidegate(folder.path(), &arguments, &[])).await;
        assert_eq!(code(&output), 64, "{arguments:?}: {}", text(&output));
        assert!(
            text(&output).contains(says),
            "{arguments:?}: {}",
            text(&output)
        );
        assert_eq!(names(folder.path()), BTreeSet::new(), "{arguments:?}");
    }
    std::fs::write(folder.path().join("file"), "").expect("written");
    let arguments = [
        &[
            "init",
            "--yes",
            "--dir",
            "file/x",
            "--client-type",
            "public",
        ],
        &good[..],
    ]
    .concat();
    let output = run(sidegate(folder.path(), &arguments, &[])).await;
    assert_eq!(code(&output), 69, "{}", text(&output));
    assert!(
        text(&output).contains("SG-6608]: file/x"),
        "{}",
        text(&output)
    );
}

/// What a newcomer does without an account: tenant, configuration, gateway, a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_for_the_sandbox_forwards_its_first_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["sandbox", "--listen", "127.0.0.1:0"];
    let mut sandbox = Running::by_output(sidegate(folder.path(), &arguments, &[]));
    let line = sandbox.line("http://").await.expect("an address");
    let tenant = line.split(' ').find(|word| word.starts_with("http://"));
    let port = crate::support::gate::free_port();
    let public_url = format!("http://127.0.0.1:{port}");
    let arguments = [
        "init",
        "--yes",
        "--dir",
        "conf",
        "--sandbox",
        tenant.expect("a URL"),
        "--public-url",
        &public_url,
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let output = run(sidegate(folder.path(), &arguments, &[])).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let arguments = ["serve", "--config", "conf/sidegate.yaml"];
    let mut gateway = Running::by_log(sidegate(folder.path(), &arguments, &[]));
    gateway
        .line("\"event\":\"started\"")
        .await
        .expect("it starts");
    let (address, _) = browser::split_url(&public_url);
    let mut browser = Browser::new(address);
    let end = browser.sign_in("/", "ada").await;
    assert_eq!((end.status, end.header("location")), (303, "/"));
    let context = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(context.status, 202, "{context:?}");
    assert_eq!(gateway.stop("TERM").await, 0);
    assert_eq!(sandbox.stop("TERM").await, 0);
}
