//! The rules of the configuration, each with what keeps and what breaks it.

mod environment;
mod pages;
mod reference;
mod rotating;
mod rules;
mod schema;
mod secrets;
mod strict;
mod telemetry;
mod tenants;
mod trials;

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::gateway::route::Access;
use crate::gateway::route::Destination;
use crate::gateway::route::Token;
use crate::oauth::provider::Client;
use crate::oauth::provider::Pkce;
use crate::time::UnixTime;

/// When reports are made; what is older was written before.
pub(super) const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);

pub(super) const KEY: &str = "9XKc0wq3gC1uVZ4T7m2hJ8yQn5sLr6bEoP_aD-iFtUw";
pub(super) const OTHER_KEY: &str = "QmFzZTY0IGtleSBudW1iZXIgdHdvIGhhcyA4wqkx_9A";

/// The least that loads. Secrets come from variables, so that nothing is warned about.
pub(super) const LEAST: &str = "\
public_url: https://tool.example.com
marketing_cloud:
  subdomain: mcabc
  client_id: abc123
  client_secret: { env: SECRET }
session:
  keys: [{ env: KEY }]
routes:
  - path: /
    to: http://127.0.0.1:3000
";

pub(super) fn environment() -> Environment {
    [
        ("SECRET", "s3cr3t"),
        ("KEY", KEY),
        ("OTHER_KEY", OTHER_KEY),
        ("STORE", "rediss://:pw@a"),
        ("OTLP", "api-key=pw"),
    ]
    .into_iter()
    .collect()
}

pub(super) fn load_text(text: &str) -> Result<Loaded, Problems> {
    Config::from_text("t.yaml", text, Path::new("."), &environment())
}

/// `LEAST` with `old` replaced, or with `new` in front if there is no `old`.
pub(super) fn edited(old: &str, new: &str) -> String {
    assert!(LEAST.contains(old), "{old}");
    LEAST.replacen(old, new, 1)
}

pub(super) fn loaded(text: &str) -> Loaded {
    match load_text(text) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{text}\n{problems}"),
    }
}

/// Each problem as `CODE key: message`, each warning as `CODE key`.
pub(super) fn findings(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(|warning| format!("{} {}", warning.risk.as_str(), warning.key))
            .collect(),
        Err(problems) => problems.as_slice().iter().map(brief).collect(),
    }
}

pub(super) fn brief(problem: &Problem) -> String {
    let Problem {
        code, key, message, ..
    } = problem;
    format!("{} {key}: {message}", code.as_str())
}

#[test]
fn the_least_that_loads_has_our_defaults() {
    let Loaded {
        config, warnings, ..
    } = loaded(LEAST);
    assert_eq!(warnings, []);
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9901");
    assert_eq!(config.workers, None);
    assert_eq!(config.tls, None);
    assert_eq!(config.trusted_proxies.0, []);
    assert_eq!(config.endpoint_prefix.as_str(), "/oauth2/");
    let provider = &config.first.provider;
    assert_eq!(
        provider.auth.to_string(),
        "https://mcabc.auth.marketingcloudapis.com"
    );
    assert_eq!(provider.scope, None);
    assert_eq!(provider.business_unit, None);
    assert_eq!(provider.pkce, Pkce::S256);
    assert!(
        matches!(&provider.client, Client::Web(secrets) if secrets.pair().next().is_none() && secrets.pair().first().expose() == "s3cr3t")
    );
    assert_eq!(config.session.lifetime.as_secs(), 12 * 3600);
    assert_eq!(config.session.idle_timeout.as_secs(), 3600);
    assert_eq!(config.timeouts.connect.as_secs(), 5);
    assert_eq!(config.timeouts.response.as_secs(), 120);
    assert_eq!(config.timeouts.idle.as_secs(), 50);
    assert!(config.log.access);
    let [route] = config.first.routes.as_slice() else {
        panic!("{:?}", config.first.routes);
    };
    assert_eq!(route.access, Access::SignedIn);
    assert_eq!(route.token, Token::None);
    assert!(!route.strip_prefix);
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    for id in [
        "0123",
        "1e5",
        "0x1F",
        "12345678901234567890123",
        "true",
        "1.10",
    ] {
        let Loaded { config, .. } = loaded(&edited("abc123", id));
        assert_eq!(config.first.provider.client_id.as_str(), id);
    }
}

#[test]
fn all_problems_are_reported_at_once_where_they_stand() {
    let text = "\
public_url: http://tool.example.com
lissten: 127.0.0.1:8080
workers: 0
marketing_cloud:
  subdomain: mcabc.auth
  client_id:
  client_secret: [x]
  scope: []
  partner: maybe
session:
  keys: []
  lifetime: 1h
  idle_timeout: 2h
  store: { redis: { url: x } }
routes:
  - path: /
    to: http://127.0.0.1:3000/app
    acess: public
  - to: soap
  - 5
  - path: /oauth2/x
    to: rest
    token: none
log: { level: loud, level: info }
";
    let problems = load_text(text).expect_err("many problems");
    let lines: Vec<String> = problems
        .as_slice()
        .iter()
        .map(|problem| {
            let place = problem.location.to_string();
            let place = place.strip_prefix("t.yaml:").expect("in the file");
            format!("{place} {} {}", problem.code.as_str(), problem.key)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "1:13 SG-6004 public_url",
            "2:1 SG-6002 lissten",
            "3:10 SG-6004 workers",
            "5:14 SG-6004 marketing_cloud.subdomain",
            "6:3 SG-6004 marketing_cloud.client_id",
            "7:18 SG-6004 marketing_cloud.client_secret",
            "8:10 SG-6004 marketing_cloud.scope",
            "9:12 SG-6004 marketing_cloud.partner",
            "11:9 SG-6004 session.keys",
            "13:17 SG-6004 session.idle_timeout",
            "14:26 SG-6004 session.store.redis.url",
            "17:9 SG-6004 routes[0].to",
            "18:5 SG-6002 routes[0].acess",
            "19:5 SG-6003 routes[1].path",
            "20:5 SG-6004 routes[2]",
            "21:11 SG-6004 routes[3].path",
            "23:12 SG-6004 routes[3].token",
            "24:15 SG-6004 log.level",
            "24:21 SG-6007 log.level",
        ]
    );
}

#[test]
fn an_empty_file_lacks_what_is_required() {
    for text in ["", "# nothing\n", "{}"] {
        assert_eq!(
            findings(text),
            [
                "SG-6003 public_url: is missing",
                "SG-6003 marketing_cloud.subdomain: is missing",
                "SG-6003 marketing_cloud.client_id: is missing",
                "SG-6003 marketing_cloud.client_secret: is missing",
                "SG-6003 routes: is missing",
                "SG-6003 session.keys: is missing",
            ],
            "{text}"
        );
    }
    for text in ["- a\n", "text\n", "---\n"] {
        let first = findings(text).into_iter().next().unwrap_or_default();
        assert!(first.starts_with("SG-6004 : "), "{text}: {first}");
    }
}

#[test]
fn a_public_url_is_a_bare_secure_origin() {
    for (url, found) in [
        ("https://tool.example.com:8443/", ""),
        ("http://127.0.0.1:8080", "SG-6104 public_url"),
        ("http://localhost:8080", "SG-6104 public_url"),
        (
            "http://tool.example.com",
            "SG-6004 public_url: must be https",
        ),
        (
            "https://tool.example.com/app",
            "SG-6004 public_url: must end",
        ),
        (
            "https://u:p@tool.example.com",
            "SG-6004 public_url: must not name",
        ),
        ("tool.example.com", "SG-6004 public_url: must start"),
    ] {
        let actual = findings(&edited("https://tool.example.com", url)).join(" | ");
        let same = if found.is_empty() {
            actual.is_empty()
        } else {
            actual.starts_with(found)
        };
        assert!(same, "{url}: {actual}");
    }
}

#[test]
fn a_public_client_needs_no_secret_but_is_warned_about() {
    let text = edited(
        "  client_secret: { env: SECRET }\n",
        "  client_type: public\n",
    );
    let Loaded {
        config, warnings, ..
    } = loaded(&text);
    assert!(matches!(config.first.provider.client, Client::Public));
    assert_eq!(warnings.first().map(|w| w.risk.as_str()), Some("SG-6106"));
    let text = edited("  client_secret: { env: SECRET }\n", "");
    assert_eq!(
        findings(&text),
        ["SG-6003 marketing_cloud.client_secret: is missing"]
    );
}

#[test]
fn a_route_to_an_api_strips_its_path_and_carries_the_token() {
    for (api, to) in [
        ("to: rest", Destination::Rest),
        ("to: soap", Destination::Soap),
    ] {
        let Loaded { config, .. } = loaded(&edited("to: http://127.0.0.1:3000", api));
        let route = config.first.routes.first().expect("one");
        assert_eq!(route.to, to);
        assert_eq!(route.token, Token::Bearer);
        assert!(route.strip_prefix);
    }
}

#[test]
fn an_idle_timeout_that_is_not_given_fits_a_short_lifetime() {
    let Loaded { config, .. } = loaded(&edited("session:\n", "session:\n  lifetime: 10m\n"));
    assert_eq!(config.session.idle_timeout, config.session.lifetime);
}

#[test]
fn an_endpoint_prefix_always_ends_in_a_slash() {
    let Loaded { config, .. } = loaded(&format!("endpoint_prefix: /gate\n{LEAST}"));
    assert_eq!(config.endpoint_prefix.as_str(), "/gate/");
}

#[test]
fn a_file_that_is_not_there_is_a_problem_too() {
    let problems = Config::load(Path::new("/nowhere/sidegate.yaml"), &environment())
        .expect_err("no such file");
    let text = problems.to_string();
    assert!(
        text.starts_with("/nowhere/sidegate.yaml: error[SG-6008]: the file cannot be read: "),
        "{text}"
    );
}

#[test]
fn a_report_is_text_or_json_and_strict_if_asked() {
    let good = load_text(LEAST);
    let risky = load_text(&edited("session:\n", "session:\n  lifetime: 2d\n"));
    let bad = load_text(&edited("abc123", "a b"));
    for (outcome, strict, ok) in [
        (&good, true, true),
        (&risky, false, true),
        (&risky, true, false),
        (&bad, false, false),
    ] {
        for json in [false, true] {
            assert_eq!(report(outcome, json, strict, NOW).ok, ok);
        }
    }
    assert_eq!(
        report(&bad, false, false, NOW).text,
        "t.yaml:4:14: error[SG-6004]: marketing_cloud.client_id: must have 1 to 128 visible ASCII \
         characters\nThe configuration cannot be used: 1 problem, 0 warnings.\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&report(&risky, true, true, NOW).text).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "ok": false,
            "problems": [],
            "warnings": [{
                "code": "SG-6107", "file": "t.yaml", "line": 7, "column": 13, "variable": null,
                "key": "session.lifetime",
                "message": "a stolen cookie works for more than a day",
                "hint": "a day's work is 12h",
                "clause": "OWASP ASVS 7.3.2",
            }],
            "notes": [{
                "code": "SG-6202", "file": "t.yaml", "line": 5, "column": 18, "variable": null,
                "key": "marketing_cloud.next_client_secret",
                "message": "is not set; a rotation without downtime needs it",
                "hint": rotation::STAGE,
            }],
        })
    );
}

#[test]
fn codes_are_told_apart() {
    let codes = Code::ALL.map(Code::as_str).into_iter();
    let risks = Risk::ALL.map(Risk::as_str);
    let topics = rotation::Topic::ALL.map(rotation::Topic::as_str);
    let all: Vec<&str> = codes.chain(risks).chain(topics).collect();
    let different: std::collections::BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), different.len());
}

#[test]
fn a_file_full_of_mistakes_is_refused_fast() {
    let mut unknown = String::new();
    for n in 0..4_000 {
        writeln!(unknown, "clientt_{n}: x").expect("a string");
    }
    let items = format!("trusted_proxies: [{}]", "x, ".repeat(9_000));
    let routes = format!("routes: [{}]", "{}, ".repeat(9_000));
    let started = tokio::time::Instant::now();
    for text in [unknown, items, routes] {
        assert!(findings(&text).len() > 4_000);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

proptest! {
    #[test]
    fn no_line_makes_loading_panic(
        line in "[ -~äö\u{85}\u{feff}]{0,40}",
        at in 0..10_usize,
        indent in 0..6_usize,
    ) {
        let mut lines: Vec<String> = LEAST.lines().map(ToOwned::to_owned).collect();
        lines.insert(at.min(lines.len()), format!("{}{line}", " ".repeat(indent)));
        if let Err(problems) = load_text(&lines.join("\n")) {
            prop_assert!(!problems.as_slice().is_empty());
        }
    }

    #[test]
    fn no_value_makes_loading_panic(value in "\\PC{0,20}", key in 0..10_usize) {
        let quoted = format!(" '{}'", value.replace('\'', "''"));
        let mut lines: Vec<String> = LEAST.lines().map(ToOwned::to_owned).collect();
        if let Some(line) = lines.get_mut(key)
            && let Some((name, _)) = line.split_once(':')
        {
            *line = format!("{name}:{quoted}");
        }
        if let Err(problems) = load_text(&lines.join("\n")) {
            prop_assert!(!problems.as_slice().is_empty());
        }
    }
}
