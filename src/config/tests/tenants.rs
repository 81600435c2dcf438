//! The list `tenants`: whom it lets in, and where its problems are reported.

use super::findings;
use super::loaded;
use crate::config::Tenant;
use crate::config::rotation::Rotation;
use crate::time::UnixTime;

const GOOD: &str = "\
session: { keys: [{ env: KEY }] }
tenants:
  - name: acme
    hosts: [acme.tools.example.com, ACME.example.net:8443]
    marketing_cloud: { subdomain: mcacme, client_id: one, client_secret: { env: SECRET } }
    routes:
      - { path: /mc/rest/, to: rest }
      - { path: /, to: \"http://127.0.0.1:3000\" }
  - name: globex
    hosts: globex.tools.example.com
    marketing_cloud: { subdomain: mcglobex, client_id: two, client_secret: { env: SECRET } }
    routes: [{ path: /, to: \"http://127.0.0.1:3000\" }]
";

#[test]
fn each_tenant_has_its_own() {
    let config = loaded(GOOD).config;
    let told: Vec<_> = config
        .tenants()
        .map(|tenant| {
            let urls: Vec<_> = tenant.urls().map(ToString::to_string).collect();
            let name = tenant.name.as_ref().expect("named").as_str();
            let id = tenant.provider.client_id.as_str();
            format!("{name} {} {id} {}", urls.join(" "), tenant.routes.len())
        })
        .collect();
    assert_eq!(
        told,
        [
            "acme https://acme.tools.example.com https://acme.example.net:8443 one 2",
            "globex https://globex.tools.example.com two 1",
        ]
    );
}

#[test]
fn what_is_wrong_with_a_tenant_is_told_with_its_place() {
    for (from, to, expected) in [
        (
            "name: globex",
            "name: acme",
            "SG-6004 tenants[1].name: is the same name as tenants[0].name",
        ),
        ("name: globex", "name: Globex", "SG-6004 tenants[1].name"),
        ("name: globex", "name: '-'", "SG-6004 tenants[1].name"),
        (
            "  - name: globex\n    hosts",
            "  - hosts",
            "SG-6003 tenants[1].name",
        ),
        (
            "hosts: globex",
            "hosts: acme",
            "SG-6004 tenants[1].hosts[0]: is the same host as tenants[0].hosts[0]",
        ),
        (
            "hosts: globex",
            "hosts: http://globex",
            "SG-6004 tenants[1].hosts[0]",
        ),
        (
            "globex.tools.example.com",
            "globex.tools.example.com.",
            "SG-6004 tenants[1].hosts[0]",
        ),
        (
            "globex.tools.example.com",
            "a.example.com/x",
            "SG-6004 tenants[1].hosts[0]",
        ),
        (
            "globex.tools.example.com",
            "'*.example.com'",
            "SG-6004 tenants[1].hosts[0]",
        ),
        (
            "globex.tools.example.com",
            "[]",
            "SG-6004 tenants[1].hosts: must name at least one",
        ),
        (
            "    hosts: globex.tools.example.com\n",
            "",
            "SG-6003 tenants[1].hosts",
        ),
        (
            "client_id: two, ",
            "",
            "SG-6003 tenants[1].marketing_cloud.client_id",
        ),
        (
            "subdomain: mcglobex",
            "subdomain: a.b",
            "SG-6004 tenants[1].marketing_cloud.subdomain",
        ),
        (
            "path: /mc/rest/, to: rest",
            "path: /mc/rest/",
            "SG-6003 tenants[0].routes[0].to",
        ),
        (
            "path: /mc/rest/",
            "path: /oauth2/",
            "SG-6004 tenants[0].routes[0].path",
        ),
        ("name: globex", "nam: globex", "SG-6002 tenants[1].nam"),
        (
            "tenants:",
            "public_url: https://tool.example.com\ntenants:",
            "SG-6004 public_url: stands beside tenants",
        ),
        (
            "tenants:",
            "marketing_cloud: { pkce: s256 }\ntenants:",
            "SG-6004 marketing_cloud: stands beside tenants",
        ),
        (
            "tenants:",
            "routes: []\ntenants:",
            "SG-6004 routes: stands beside tenants",
        ),
        (
            "tenants:",
            "allowed_origins: [\"https://acme.tools.example.com\"]\ntenants:",
            "SG-6004 allowed_origins[0]: is a host of a tenant",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = findings(&GOOD.replacen(from, to, 1));
        let told = found.iter().any(|line| line.starts_with(expected));
        assert!(told, "{to}: {found:?}");
    }
    let none = findings("session: { keys: [{ env: KEY }] }\ntenants: []\n");
    assert_eq!(none, ["SG-6004 tenants: must hold at least one tenant"]);
}

#[test]
fn hosts_with_one_name_for_browsers_are_the_same_host() {
    for (one, other, same) in [
        ("https://a.example.com", "https://a.example.com:443", true),
        ("http://127.0.0.1:443", "https://127.0.0.1", true),
        ("http://localhost", "https://localhost", true),
        ("https://a.example.com", "https://a.example.com:8443", false),
        ("https://a.example.com", "https://b.example.com", false),
    ] {
        let text = GOOD
            .replace(
                "[acme.tools.example.com, ACME.example.net:8443]",
                &format!("\"{one}\""),
            )
            .replace("globex.tools.example.com", &format!("\"{other}\""));
        let found = findings(&text);
        let refused = found.iter().any(|line| line.contains("is the same host"));
        assert_eq!(refused, same, "{one} {other}: {found:?}");
    }
}

#[test]
fn every_tenants_secret_is_looked_at() {
    let loaded = loaded(GOOD);
    let notes = Rotation::of(&loaded, UnixTime::from_millis(0)).notes;
    let told: Vec<_> = notes
        .iter()
        .map(|note| format!("{} {}", note.location, note.key))
        .collect();
    assert_eq!(
        told,
        [
            "t.yaml:5:74 tenants[0].marketing_cloud.next_client_secret",
            "t.yaml:11:76 tenants[1].marketing_cloud.next_client_secret",
        ]
    );
    let [first, ..] = &loaded.config.tenants().collect::<Vec<&Tenant>>()[..] else {
        panic!("two tenants");
    };
    assert_eq!(first.client_secret_sources.len(), 1);
}
