//! `sidegate import`: what goes where, and what never does.

use std::path::Path;
use std::process::Output;

use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;

const SECRET: &str = "hunter2-do-not-say";

async fn import(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let arguments = [&["import"], arguments].concat();
    run(sidegate(folder, &arguments, variables)).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_out_passes_check_once_it_is_filled_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).expect("written");
    };
    file(
        "oauth2-proxy.cfg",
        &format!(
            "provider = \"oidc\"\nclient_id = \"tool\"\nclient_secret = \"{SECRET}\"\ncookie_secret = \"{SECRET}\"\n\
             redirect_url = \"https://tool.example.com/oauth2/callback\"\nupstreams = [\"http://127.0.0.1:3000/\"]\n\
             email_domains = [\"example.com\"]\nhtpasswd_file = \"/etc/users\"\n"
        ),
    );
    let output = import(folder.path(), &["oauth2-proxy.cfg"], &[]).await;
    assert_eq!(code(&output), 0, "{output:?}");
    let (yaml, told) = (text(&output.stdout), text(&output.stderr));
    assert!(
        !yaml.contains(SECRET) && !told.contains(SECRET),
        "{yaml}{told}"
    );
    let why = "oauth2-proxy.cfg:8: warning[SG-6622]: htpasswd_file: there are no passwords beside Marketing Cloud\n    hint: ";
    assert!(told.contains(why), "{told}");
    assert!(
        yaml.contains("#   htpasswd_file (oauth2-proxy.cfg:8): "),
        "{yaml}"
    );

    file("sidegate.yaml", yaml);
    let check = ["check", "--strict", "--config", "sidegate.yaml"];
    let checked = run(sidegate(folder.path(), &check, &[])).await;
    assert_eq!(code(&checked), 78);
    let said = text(&checked.stdout);
    for part in [
        "error[SG-6004]: marketing_cloud.subdomain: is a placeholder: fill in a value of your own",
        "error[SG-6004]: marketing_cloud.client_id: is a placeholder",
        "error[SG-6006]: marketing_cloud.client_secret.file",
        "error[SG-6006]: session.keys[0].file",
        "4 problems",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let filled = yaml
        .replace(
            "subdomain: FILL-IN",
            "subdomain: mc563885gzs27c5t9-63k636ttgm",
        )
        .replace("client_id: FILL-IN", "client_id: vqwyswrlzzfk024ivr682esb");
    file("sidegate.yaml", &filled);
    let key = run(sidegate(folder.path(), &["keygen"], &[])).await;
    file("session-key", text(&key.stdout));
    file("client-secret", "s\n");
    for name in ["session-key", "client-secret"] {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path().join(name), private).expect("set");
    }
    let checked = run(sidegate(folder.path(), &check, &[])).await;
    assert_eq!(code(&checked), 0, "{}", text(&checked.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sources_are_read_and_the_last_one_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).expect("written");
    };
    file(
        "core.cfg",
        "email_domains = \"one.example\"\nredirect_url = \"https://tool.example.com/oauth2/callback\"\n",
    );
    file(
        "alpha.yaml",
        "upstreamConfig:\n  upstreams:\n    - { id: a, path: /, uri: \"http://127.0.0.1:3000\" }\n",
    );
    let variables = [
        ("OAUTH2_PROXY_EMAIL_DOMAINS", "two.example"),
        ("OAUTH2_PROXY_COOKIE_SECRET", SECRET),
    ];
    let arguments = [
        "core.cfg",
        "--alpha-config",
        "alpha.yaml",
        "--env",
        "--",
        "--reverse-proxy",
        "--cookie-expire=8h",
    ];
    let output = import(folder.path(), &arguments, &variables).await;
    assert_eq!(code(&output), 0, "{output:?}");
    let yaml = text(&output.stdout);
    for part in [
        "from alpha.yaml, core.cfg, the environment, flags.",
        "[two.example]",
        "    to: http://127.0.0.1:3000\n",
        "trusted_proxies: [127.0.0.1]\n",
        "  lifetime: 8h\n",
        "(OAUTH2_PROXY_COOKIE_SECRET)",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    assert!(!format!("{output:?}").contains(SECRET));
    // By its name it is the structured one.
    let output = import(folder.path(), &["alpha.yaml"], &[]).await;
    assert!(text(&output.stdout).contains("- path: /\n"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_said_with_its_place_and_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = format!("a = 1\nclient_secret = {SECRET}\n");
    std::fs::write(folder.path().join("a.cfg"), broken).expect("written");
    for (arguments, exit, says) in [
        (&[][..], 64, "error[SG-6601]: nothing to import was named"),
        (
            &["nowhere.cfg"],
            78,
            "error[SG-6620]: nowhere.cfg cannot be read",
        ),
        (&["a.cfg"], 78, "error[SG-6621]: a.cfg:2: "),
        (
            &["--nonsense"],
            64,
            "error[SG-6601]: unexpected argument '--nonsense'",
        ),
    ] {
        let output = import(folder.path(), arguments, &[]).await;
        assert_eq!(code(&output), exit, "{arguments:?}: {output:?}");
        let told = text(&output.stderr);
        assert!(told.contains(says), "{arguments:?}: {told}");
        assert!(
            output.stdout.is_empty() && !told.contains(SECRET),
            "{output:?}"
        );
    }
}
