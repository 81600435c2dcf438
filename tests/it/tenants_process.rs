//! Several tenants, and partners, as operators see them: the program's log and its sandbox.

use serde_json::Value;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::time::SystemClock;

use crate::support::Browser;
use crate::support::house::SECRET;
use crate::support::process::Running;
use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_carry_the_tenants_name() {
    let clock = std::sync::Arc::new(SystemClock);
    let sandbox = Sandbox::start(Settings::default(), clock, std::sync::Arc::new(OsEntropy));
    let sandbox = sandbox.await.expect("the sandbox starts");
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = |name: &str, host: &str| {
        format!(
            "  - name: {name}\n    hosts: [\"http://{host}:8080\"]\n    marketing_cloud: {{ subdomain: sandbox, \
             client_id: sandbox-web-client, client_secret: {{ env: SECRET }}, auth_base_url: \"{origin}\", \
             instance_hosts: [\"{origin}\"] }}\n    routes: [{{ path: /mc/rest/, to: rest }}]\n",
            origin = sandbox.origin()
        )
    };
    let text = format!(
        "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nworkers: 1\nsession: {{ keys: [{{ env: KEY }}] }}\ntenants:\n{}{}",
        tenant("acme", "127.0.0.1"),
        tenant("globex", "127.0.0.2")
    );
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let key = MasterKey::generate(&OsEntropy).to_text().to_string();
    let variables = [("KEY", key.as_str()), ("SECRET", SECRET)];
    let arguments = ["serve", "--config", "sidegate.yaml"];
    let mut running = Running::by_log(sidegate(folder.path(), &arguments, &variables));
    let parse = |line: Option<String>| -> Value {
        serde_json::from_str(&line.expect("it is said")).expect("JSON")
    };
    let started = parse(running.line("\"event\":\"started\"").await);
    assert_eq!(
        started["public_url"],
        "http://127.0.0.1:8080 http://127.0.0.2:8080"
    );
    let door = started["listen"].as_str().expect("an address");
    let door = door.parse().expect("an address");
    for (name, host) in [("globex", "127.0.0.2:8080"), ("acme", "127.0.0.1:8080")] {
        let mut browser = Browser::new(host.parse().expect("an address"));
        browser.through = door;
        assert_eq!(browser.sign_in("/mc/rest/", "ada").await.status, 303);
        let event = parse(running.line("\"event\":\"sign_in.finished\"").await);
        assert_eq!(event["span"]["tenant"], name, "{event}");
        let record = parse(running.line("\"path\":\"/oauth2/callback\"").await);
        assert_eq!(record["tenant"], name, "{record}");
    }
    let mut stranger = Browser::new("127.0.0.3:8080".parse().expect("an address"));
    stranger.through = door;
    assert_eq!(stranger.fetch("/stray").await.status, 421);
    let record = parse(running.line("\"path\":\"/stray\"").await);
    assert_eq!(
        (&record["tenant"], &record["code"]),
        (&Value::Null, &"SG-1003".into())
    );
    assert_eq!(running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_plays_other_tenants() {
    let folder = tempfile::tempdir().expect("a folder");
    let partner = "mcacme0000000000000000000001=priya";
    let arguments = [
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--partner-tenant",
        partner,
    ];
    let mut running = Running::by_output(sidegate(folder.path(), &arguments, &[]));
    let line = running.line("tenant at http://").await.expect("it starts");
    let (_, origin) = line.rsplit_once("http://").expect("an address");
    let mut browser = Browser::new(origin.parse().expect("an address"));
    let path = "/v2/authorize?response_type=code&client_id=sandbox-web-client&state=s\
                &redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&login_hint=priya";
    let back = browser.navigate(path).await;
    let location = back.header("location");
    assert!(
        location.ends_with("&tssd=mcacme0000000000000000000001"),
        "{location}"
    );
    assert_eq!(running.stop("TERM").await, 0);
    for wrong in ["mcacme", "a.b=priya", "mcacme="] {
        let arguments = ["sandbox", "--partner-tenant", wrong];
        let refused = run(sidegate(folder.path(), &arguments, &[])).await;
        assert_eq!(code(&refused), 64, "{wrong}");
    }
}
