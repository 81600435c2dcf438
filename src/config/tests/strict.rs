//! `check --strict`: every risk fails it, says so where it stands, and names what asks for better.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::KeyPair;

use super::KEY;
use super::LEAST;
use super::NOW;
use super::edited;
use super::environment;
use crate::config::Config;
use crate::config::problem::Risk;
use crate::config::report;

/// A risky line in place of another, or in front of all if that is empty; and what is warned about.
const RISKY: &[(&str, &str, Risk, &str)] = &[
    (
        "",
        "trusted_proxies: [0.0.0.0/0]\n",
        Risk::TrustsEverybody,
        "trusted_proxies[0]",
    ),
    (
        "",
        "trusted_proxies: ['::/0']\n",
        Risk::TrustsEverybody,
        "trusted_proxies[0]",
    ),
    (
        "https://tool.example.com",
        "http://127.0.0.1:8080",
        Risk::PlainHttp,
        "public_url",
    ),
    (
        "client_secret: { env: SECRET }",
        "client_type: public",
        Risk::PublicClient,
        "marketing_cloud.client_type",
    ),
    (
        "{ env: SECRET }",
        "{ file: open }",
        Risk::ReadableByOthers,
        "marketing_cloud.client_secret.file",
    ),
    (
        "{ env: KEY }",
        "{ file: open-key }",
        Risk::ReadableByOthers,
        "session.keys[0].file",
    ),
    (
        "",
        "tls: { certificate_file: open, key_file: open }\n",
        Risk::ReadableByOthers,
        "tls.key_file",
    ),
    (
        "",
        "upstream_tls: { certificate_file: open, key_file: open }\n",
        Risk::ReadableByOthers,
        "upstream_tls.key_file",
    ),
    (
        "session:\n",
        "session:\n  store: { redis: { url: 'rediss://a', certificate_file: pem, key_file: pem } }\n",
        Risk::ReadableByOthers,
        "session.store.redis.key_file",
    ),
    (
        "session:\n",
        "session:\n  lifetime: 25h\n",
        Risk::LongSession,
        "session.lifetime",
    ),
    (
        "  subdomain: mcabc\n",
        "  subdomain: mcabc\n  instance_hosts: ['*.example.com']\n",
        Risk::WidenedFence,
        "marketing_cloud.instance_hosts[0]",
    ),
    (
        "  subdomain: mcabc\n",
        "  subdomain: mcabc\n  partner: true\n",
        Risk::AnyTenant,
        "marketing_cloud.partner",
    ),
    (
        "  subdomain: mcabc\n",
        "  subdomain: mcabc\n  pkce: off\n",
        Risk::NoPkce,
        "marketing_cloud.pkce",
    ),
    (
        "  subdomain: mcabc\n",
        "  subdomain: mcabc\n  auth_base_url: https://evil.example\n",
        Risk::OtherProvider,
        "marketing_cloud.auth_base_url",
    ),
    (
        "{ env: SECRET }",
        "inline",
        Risk::InlineSecret,
        "marketing_cloud.client_secret",
    ),
    (
        "",
        "admin_listen: 0.0.0.0:9901\n",
        Risk::AdminExposed,
        "admin_listen",
    ),
    (
        "",
        "admin_listen: '[::]:9901'\n",
        Risk::AdminExposed,
        "admin_listen",
    ),
    (
        "http://127.0.0.1:3000",
        "http://tool:3000\n    token: bearer",
        Risk::TokenInPlainText,
        "routes[0].token",
    ),
    (
        "session:\n",
        "session:\n  store: { redis: { url: 'redis://a', password: { env: SECRET } } }\n",
        Risk::PlainStore,
        "session.store.redis.url",
    ),
    (
        "session:\n",
        "telemetry: { otlp: { endpoint: 'http://collector:4318', headers: { env: OTLP } } }\nsession:\n",
        Risk::PlainTraces,
        "telemetry.otlp.endpoint",
    ),
];

#[test]
fn every_risk_fails_a_strict_check_and_names_its_clause() {
    let folder = tempfile::tempdir().expect("a folder");
    open_files(folder.path());
    for (old, new, risk, key) in RISKY {
        let text = edited(old, new);
        let outcome = Config::from_text("t.yaml", &text, folder.path(), &environment());
        let usual = report(&outcome, false, false, NOW);
        assert!(usual.ok, "{new}: {}", usual.text);
        let strict = report(&outcome, false, true, NOW);
        assert!(!strict.ok, "{new}: {}", strict.text);
        let code = risk.as_str();
        let found = usual.text.lines().find(|line| {
            line.starts_with("t.yaml:") && line.contains(&format!("warning[{code}]: {key}: "))
        });
        let line = found.unwrap_or_else(|| panic!("{new}: {}", usual.text));
        assert!(line.ends_with(&format!("({})", risk.clause())), "{line}");
        let json = report(&outcome, true, true, NOW).text;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let warnings = json["warnings"].as_array().expect("a list");
        let told = warnings.iter().find(|warning| warning["key"] == *key);
        let told = told.unwrap_or_else(|| panic!("{new}: {json}"));
        assert_eq!(
            (&told["code"], &told["clause"]),
            (&code.into(), &risk.clause().into())
        );
    }
    for risk in Risk::ALL {
        // What depends on the age of a file is tried with rotations.
        let tried = RISKY.iter().any(|(_, _, tried, _)| *tried == risk);
        assert!(tried || risk == Risk::AgeingSecret, "{risk:?}");
        let clause = risk.clause();
        let known = ["RFC 9700 ", "RFC 10017 ", "OWASP ASVS "];
        assert!(
            known.iter().any(|known| clause.starts_with(known)),
            "{clause}"
        );
    }
}

/// There is no key that switches the cross-site check off, so that there is nothing to warn about.
#[test]
fn the_cross_site_check_cannot_be_switched_off() {
    for text in [
        "csrf: off",
        "csrf: false",
        "csrf: { enabled: false }",
        "csrf: { header: '' }",
        "csrf: { header: Accept }",
        "allowed_origins: ['*']",
    ] {
        let outcome = Config::from_text(
            "t.yaml",
            &format!("{text}\n{LEAST}"),
            Path::new("."),
            &environment(),
        );
        assert!(!report(&outcome, false, false, NOW).ok, "{text}");
    }
}

/// Files that every user may read.
fn open_files(folder: &Path) {
    let key = KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["a".to_owned()]).expect("a name");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
    for (name, content) in [("open", "s3cr3t"), ("open-key", KEY), ("pem", &pem)] {
        let file = folder.join(name);
        fs::write(&file, content).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
    }
}
