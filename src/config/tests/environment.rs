//! Overrides from the environment.

use std::ffi::OsString;

use super::super::Config;
use super::super::Environment;
use super::super::Loaded;
use super::super::Problems;
use super::KEY;
use super::LEAST;
use super::OTHER_KEY;
use super::brief;
use super::environment;
use crate::oauth::provider::Client;
use crate::oauth::provider::Scope;

fn load_with<V: Into<OsString>>(variables: Vec<(&str, V)>) -> Result<Loaded, Problems> {
    let base = environment();
    let known = ["SECRET", "KEY", "OTHER_KEY"].into_iter();
    let known = known.filter_map(|name| Some((name, base.get(name)?.to_owned())));
    let given = variables
        .into_iter()
        .map(|(name, value)| (name, value.into()));
    let environment: Environment = known.chain(given).collect();
    Config::from_text("t.yaml", LEAST, ".".as_ref(), &environment)
}

fn problems_of<V: Into<OsString>>(variables: Vec<(&str, V)>) -> Vec<String> {
    let problems = load_with(variables).expect_err("a problem");
    let all = problems.as_slice().iter();
    all.map(|problem| format!("{}: {}", problem.location, brief(problem)))
        .collect()
}

#[test]
fn a_variable_overrides_the_file_and_stays_text() {
    for id in ["0123", "1e5", "true", "a,b", "12345678901234567890123"] {
        let loaded = load_with(vec![("SIDEGATE__MARKETING_CLOUD__CLIENT_ID", id)]);
        let config = loaded.expect("good").config;
        assert_eq!(config.first.provider.client_id.as_str(), id);
    }
}

#[test]
fn lists_of_values_are_written_with_commas() {
    let keys = format!("{KEY},{OTHER_KEY}");
    let Loaded {
        config, warnings, ..
    } = load_with(vec![
        ("SIDEGATE__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.0.1"),
        ("SIDEGATE__MARKETING_CLOUD__SCOPE", "email_read,\noffline\n"),
        (
            "SIDEGATE__MARKETING_CLOUD__INSTANCE_HOSTS",
            "*.rest.marketingcloudapis.com",
        ),
        ("SIDEGATE__SESSION__KEYS", &keys),
        (
            "SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET",
            "from-a-variable",
        ),
        ("SIDEGATE__LOG__ACCESS", "false"),
        ("SIDEGATE_CONFIG", "not ours to read"),
        ("PATH", "/bin"),
    ])
    .expect("good");
    assert_eq!(
        warnings,
        [],
        "a secret in a variable is where people put it"
    );
    assert_eq!(config.trusted_proxies.0.len(), 2);
    assert_eq!(
        config.first.provider.scope.as_ref().map(Scope::as_str),
        Some("email_read offline")
    );
    assert!(
        matches!(&config.first.provider.client, Client::Web(secrets) if secrets.pair().first().expose() == "from-a-variable")
    );
    assert!(!config.log.access);
    let old = crate::crypto::MasterKey::parse(OTHER_KEY).expect("a key");
    assert!(config.keys.find(old.id()).is_some());
}

#[test]
fn an_empty_list_takes_the_file_s_away() {
    let config = load_with(vec![("SIDEGATE__TRUSTED_PROXIES", "")]);
    assert!(config.expect("good").config.trusted_proxies.0.is_empty());
}

#[test]
fn a_variable_replaces_where_a_secret_comes_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    std::fs::write(&file, "from a file").expect("a file");
    let config = load_with(vec![(
        "SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET__FILE",
        file.into_os_string(),
    )]);
    let client = config.expect("good").config.first.provider.client;
    assert!(
        matches!(client, Client::Web(secrets) if secrets.pair().first().expose() == "from a file")
    );
    let both = vec![
        ("SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET__FILE", "x"),
        ("SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET__ENV", "KEY"),
    ];
    let all = problems_of(both);
    assert!(
        all.iter().all(|problem| problem.contains("must be either")),
        "{all:?}"
    );
}

#[test]
fn problems_name_the_variable() {
    for (name, value, found) in [
        ("SIDEGATE__LISTEN", "x", "SG-6004 listen: must be"),
        ("SIDEGATE__LISTEN", "", "SG-6004 listen: must be"),
        ("SIDEGATE__LISTENN", "x", "SG-6002 listenn: unknown key"),
        (
            "SIDEGATE__MARKETING_CLOUD_CLIENT_ID",
            "x",
            "SG-6002 marketing_cloud_client_id: unknown key",
        ),
        ("SIDEGATE__listen", "x", "SG-6002 listen: does not name"),
        ("sidegate__listen", "x", "SG-6002 listen: does not name"),
        ("SIDEGATE__", "x", "SG-6002 : does not name"),
        (
            "SIDEGATE__LOG____LEVEL",
            "x",
            "SG-6002 log..level: does not",
        ),
        ("SIDEGATE__ROUTES", "x", "SG-6004 routes: must be a list"),
        (
            "SIDEGATE__ROUTES__0__TO",
            "x",
            "SG-6004 routes: must be a list",
        ),
        ("SIDEGATE__LOG", "x", "SG-6004 log: must be a mapping"),
        (
            "SIDEGATE__LOG__LEVEL__X",
            "x",
            "SG-6004 log.level: must be a single",
        ),
        ("SIDEGATE__TENANTS", "x", "SG-6004 tenants"),
        ("SIDEGATE__WORKERS", "1e1", "SG-6004 workers"),
        (
            "SIDEGATE__TRUSTED_PROXIES",
            "::1,x",
            "SG-6004 trusted_proxies[1]",
        ),
        (
            "SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET",
            "\n",
            "SG-6004 marketing_cloud.client_secret: is empty",
        ),
        (
            "SIDEGATE__SESSION__KEYS",
            "",
            "SG-6004 session.keys[0]: the key is empty",
        ),
        (
            "SIDEGATE__MARKETING_CLOUD__SCOPE",
            "",
            "SG-6004 marketing_cloud.scope",
        ),
    ] {
        let found_at = format!("environment variable {name}: {found}");
        let all = problems_of(vec![(name, value)]);
        let one = all.len() == 1 && all.iter().all(|problem| problem.starts_with(&found_at));
        assert!(one, "{found_at}\n{all:#?}");
    }
}

#[test]
fn a_whole_and_its_part_cannot_both_be_set() {
    let all = problems_of(vec![
        ("SIDEGATE__TLS", "self_signed"),
        ("SIDEGATE__TLS__KEY_FILE", "x"),
    ]);
    assert_eq!(
        all,
        [
            "environment variable SIDEGATE__TLS__KEY_FILE: SG-6007 tls.key_file: is set as a whole and in parts"
        ]
    );
}

#[test]
fn a_long_name_is_refused_and_cut_short() {
    let name = format!("SIDEGATE{}", "__A".repeat(50_000));
    let all = problems_of(vec![(name.as_str(), "x")]);
    assert!(all.iter().all(|problem| problem.len() < 300), "{all:?}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let value = OsString::from_vec(vec![0xff]);
    let all = problems_of(vec![("SIDEGATE__LISTEN", value)]);
    assert_eq!(
        all,
        ["environment variable SIDEGATE__LISTEN: SG-6004 listen: is not UTF-8 text"]
    );
}

#[test]
fn debug_shows_names_only() {
    let environment: Environment = [("A", "hunter2")].into_iter().collect();
    assert_eq!(format!("{environment:?}"), r#"{"A"}"#);
    assert!(Environment::of_process().get("PATH").is_some());
}
