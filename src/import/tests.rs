mod properties;

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;

use super::options;
use super::options::Fate;
use super::options::Kind;
use super::*;
use crate::config::Config;
use crate::config::Environment;
use crate::config::problem::Code;
use crate::fault::CommandFault;

const MARK: &str = "hunter2-do-not-say";

fn from_cfg(text: &str) -> Imported {
    let given = cfg("a.cfg", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    import("a.cfg", given)
}

fn from_alpha(text: &str) -> Imported {
    let given = alpha("a.yaml", text.as_bytes());
    let given = given.unwrap_or_else(|error| panic!("{error}\n{text}"));
    import("a.yaml", given)
}

/// The keys of what came out, without its comments.
fn body(imported: &Imported) -> String {
    let lines = imported.yaml.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What is left to fill in, filled in: then it has to be good.
fn fits(imported: &Imported) {
    let text = body(imported)
        .replace(
            "public_url: FILL-IN",
            "public_url: https://tool.example.com",
        )
        .replace(
            "subdomain: FILL-IN",
            "subdomain: mc563885gzs27c5t9-63k636ttgm",
        )
        .replace("client_id: FILL-IN", "client_id: vqwyswrlzzfk024ivr682esb")
        .replace("{ file: client-secret }", "{ env: SECRET }")
        .replace("{ file: session-key }", "{ env: KEY }")
        .replace("{ file: redis-password }", "{ env: SECRET }");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let environment: Environment = [
        ("SECRET", "s"),
        ("KEY", key),
        ("OAUTH2_PROXY_CLIENT_SECRET", "s"),
    ]
    .into_iter()
    .collect();
    if let Err(problems) = Config::from_text("a.yaml", &text, Path::new("."), &environment) {
        panic!("{problems}\n{text}");
    }
}

fn notice<'a>(imported: &'a Imported, option: &str) -> &'a Notice {
    let mut notices = imported.notices.iter();
    let found = notices.find(|notice| notice.option == option);
    found.unwrap_or_else(|| panic!("nothing on {option}: {:#?}", imported.notices))
}

#[test]
fn the_table_has_every_option_once() {
    let names: HashSet<_> = options::all().map(|(option, _)| option.name).collect();
    // As many as oauth2-proxy 7.15 declares, those of its commands included.
    assert_eq!((names.len(), options::all().count()), (173, 173));
    for (option, _) in options::all() {
        assert!(options::find(option.name).is_some(), "{}", option.name);
    }
    for (flag, name) in [
        ("email_domain", "email_domains"),
        ("upstream", "upstreams"),
        ("skip_auth_route", "skip_auth_routes"),
        ("allowed_group", "allowed_groups"),
    ] {
        assert_eq!(
            options::find(flag).map(|(option, _)| option.name),
            Some(name)
        );
    }
}

/// Each by itself, with a value that says something: it is named in the outcome, and the value is not, if it
/// is a secret.
#[test]
fn no_option_is_dropped_without_a_word() {
    for (option, fate) in options::all() {
        let value = match option.kind {
            Kind::Switch => "true".to_owned(),
            Kind::Text | Kind::Secret => format!("\"{MARK}\""),
            Kind::List => format!("[\"{MARK}\"]"),
        };
        let imported = from_cfg(&format!("{} = {value}\n", option.name));
        let comment = format!("#   {}", option.name);
        let named = imported.yaml.lines().any(|line| line.starts_with(&comment));
        assert!(named, "{}\n{}", option.name, imported.yaml);
        if option.kind == Kind::Secret {
            let said = format!("{}{:?}", imported.yaml, imported.notices);
            assert!(!said.contains(MARK), "{}: {said}", option.name);
        }
        if let Fate::Lost(lost) = fate {
            assert!(!lost.why.is_empty() && !lost.instead.is_empty());
            if !lost.off.contains(&"true") {
                let notice = notice(&imported, option.name);
                assert_eq!(notice.fault, CommandFault::NoEquivalent);
                assert_eq!(notice.place, "a.cfg:1");
            }
        }
    }
}

#[test]
fn one_that_signs_in_to_marketing_cloud_needs_files_only() {
    let imported = from_cfg(
        r#"
provider = "oidc"
login_url = "https://mc563885gzs27c5t9-63k636ttgm.auth.marketingcloudapis.com/v2/authorize"
redeem_url = "https://mc563885gzs27c5t9-63k636ttgm.auth.marketingcloudapis.com/v2/token"
profile_url = "https://mc563885gzs27c5t9-63k636ttgm.auth.marketingcloudapis.com/v2/userinfo"
client_id = "vqwyswrlzzfk024ivr682esb"
client_secret = "hunter2-do-not-say"
scope = "email_read offline"
redirect_url = "https://tool.example.com/oauth2/callback"
http_address = ":8080"
reverse_proxy = true
trusted_proxy_ips = ["10.0.0.0/8", "::1"]
upstreams = ["http://127.0.0.1:3000", "http://127.0.0.1:4000/reports/", "unix:///run/x.sock"]
email_domains = "example.com, example.org"
pass_access_token = true
skip_auth_routes = ["^/assets/", "POST=^/hook"]
cookie_secret = "hunter2-do-not-say"
cookie_expire = "11h30m0s"
upstream_timeout = "45s"
request_logging = false
metrics_address = "127.0.0.1:9100"
"#,
    );
    assert_eq!(
        body(&imported),
        "public_url: https://tool.example.com
listen: 0.0.0.0:8080
admin_listen: 127.0.0.1:9100
trusted_proxies: [10.0.0.0/8, \"::1\"]
marketing_cloud:
  subdomain: mc563885gzs27c5t9-63k636ttgm
  client_id: vqwyswrlzzfk024ivr682esb
  client_secret: { file: client-secret }
  scope: [email_read, offline]
session:
  keys: [{ file: session-key }]
  lifetime: \"11h 30m\"
routes:
  - path: /
    to: http://127.0.0.1:3000
    token: bearer
    require: { email_domain: [example.com, example.org] }
  - path: /reports/
    to: http://127.0.0.1:4000
    token: bearer
    require: { email_domain: [example.com, example.org] }
  - path: /assets/
    to: http://127.0.0.1:3000
    access: public
timeouts:
  upstream_response: 45s
log:
  access: false
"
    );
    assert!(!format!("{imported:?}").contains(MARK));
    let twice = notice(&imported, "upstreams[2]");
    assert_eq!(twice.fault, CommandFault::NoEquivalent);
    let by_method = notice(&imported, "skip_auth_routes[1]");
    assert_eq!(by_method.fault, CommandFault::NoEquivalent);
    assert_eq!(
        notice(&imported, "cookie_secret").fault,
        CommandFault::FillIn
    );
    fits(&imported);
}

#[test]
fn another_providers_needs_marketing_cloud_filled_in() {
    let imported = from_cfg(
        r#"
provider = "keycloak-oidc"
oidc_issuer_url = "https://id.example.com/realms/x"
client_id = "tool"
client_secret_file = "/run/secrets/tool"
redirect_url = "https://tool.example.com/auth/callback"
proxy_prefix = "/auth"
https_address = ":8443"
tls_cert_file = "tls.crt"
tls_key_file = "tls.key"
session_store_type = "redis"
redis_connection_url = "rediss://tool:hunter2-do-not-say@redis.example.com:6380/1"
htpasswd_file = "users"
allowed_groups = ["admins"]
no_such_option = "hunter2-do-not-say"
"#,
    );
    let text = body(&imported);
    for line in [
        "endpoint_prefix: /auth/\n",
        "listen: 0.0.0.0:8443\n",
        "  subdomain: FILL-IN\n  client_id: FILL-IN\n  client_secret: { file: client-secret }\n",
        "      url: rediss://redis.example.com:6380/1\n      username: tool\n      password: { file: redis-password }\n",
        "  - path: /\n    to: FILL-IN\n    require: { email_domain: [FILL-IN] }\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!format!("{imported:?}").contains(MARK));
    for (option, fault) in [
        ("htpasswd_file", CommandFault::NoEquivalent),
        ("allowed_groups", CommandFault::NoEquivalent),
        ("no_such_option", CommandFault::UnknownOption),
        ("client_id", CommandFault::FillIn),
        ("client_secret_file", CommandFault::FillIn),
        ("redis_connection_url", CommandFault::FillIn),
        ("marketing_cloud.subdomain", CommandFault::FillIn),
        ("routes", CommandFault::FillIn),
    ] {
        assert_eq!(notice(&imported, option).fault, fault, "{option}");
    }
    let shown = notice(&imported, "htpasswd_file").to_string();
    assert!(
        shown.starts_with("a.cfg:13: warning[SG-6622]: htpasswd_file: "),
        "{shown}"
    );
}

/// A proxy that asks names paths that no route has otherwise, and a rule has to hold for them.
#[test]
fn who_may_sign_in_is_not_widened_where_no_upstream_is_named() {
    let imported = from_cfg("upstreams = \"static://202\"\nemail_domains = [\"example.com\"]\n");
    let text = body(&imported);
    let route = "  - path: /\n    to: FILL-IN\n    require: { email_domain: [example.com] }\n";
    assert!(text.ends_with(&format!("routes:\n{route}")), "{text}");
    assert_eq!(notice(&imported, "routes").fault, CommandFault::FillIn);
}

#[test]
fn domains_that_no_rule_can_name_are_left_to_a_person() {
    for (given, meant) in [
        ("localhost", "[FILL-IN]"),
        (".example.com", "[FILL-IN]"),
        ("*.example.com,Example.org", "[example.org]"),
    ] {
        let text = format!("upstreams = 'http://127.0.0.1:1'\nemail_domains = '{given}'\n");
        let imported = from_cfg(&text);
        let rule = format!("    require: {{ email_domain: {meant} }}\n");
        assert!(body(&imported).contains(&rule), "{}", imported.yaml);
        let notice = notice(&imported, "email_domains");
        assert!(notice.why.contains("name each whole domain"), "{notice}");
    }
}

/// Only the rule has to be filled in: is the configuration refused?
fn is_left_to_a_person(imported: &Imported) -> bool {
    let text = body(imported)
        .replace("public_url: FILL-IN", "public_url: https://a.example.com")
        .replace(
            "subdomain: FILL-IN",
            "subdomain: mc563885gzs27c5t9-63k636ttgm",
        )
        .replace("client_id: FILL-IN", "client_id: vqwyswrlzzfk024ivr682esb")
        .replace("to: FILL-IN", "to: http://127.0.0.1:1")
        .replace("{ file: client-secret }", "{ env: SECRET }")
        .replace("{ file: session-key }", "{ env: KEY }");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let environment: Environment = [("SECRET", "s"), ("KEY", key)].into_iter().collect();
    let Err(problems) = Config::from_text("a.yaml", &text, Path::new("."), &environment) else {
        return false;
    };
    let by_rule = |problem: &crate::config::problem::Problem| {
        problem.to_string().contains(".require.email_domain")
    };
    assert!(
        problems.as_slice().iter().all(by_rule),
        "{problems}\n{text}"
    );
    let told = imported.notices.iter();
    let mut told = told.filter(|notice| notice.fault == CommandFault::FillIn);
    assert!(
        told.any(|notice| notice.option == "routes[].require"),
        "{imported:?}"
    );
    true
}

#[test]
fn who_is_kept_out_stays_out_until_a_person_decides() {
    let names = options::restricting::RESTRICTING;
    for (option, fate) in options::all() {
        if let Fate::Lost(lost) = fate
            && (lost.why.contains("get in"))
        {
            assert!(names.contains(&option.name), "{}", option.name);
        }
    }
    for name in names.iter().chain(&["allowed_in_a_later_version"]) {
        for value in ["'x'", "['x', 'y']", "'${X}'", "['${X}']"] {
            for beside in [
                "",
                "email_domains = '*'\n",
                "upstreams = 'http://127.0.0.1:1/a/'\n",
            ] {
                let text = format!("{beside}{name} = {value}\n");
                assert!(is_left_to_a_person(&from_cfg(&text)), "{text}");
            }
        }
        let nothing = from_cfg(&format!("{name} = []\n"));
        assert!(!is_left_to_a_person(&nothing), "{name}");
    }
    for text in [
        "email_domains = ['${CORP_DOMAIN}']",
        "email_domains = ['example.com', '${CORP_DOMAIN}']",
        "email_domains = '${CORP_DOMAIN}'",
        "email_domains = []",
        "email_domains = ['']",
        "email_domains = [['example.com']]",
        "email_domains = 'example.com'\nallowed_groups = 'x'",
        "upstreams = 'http://127.0.0.1:1/x/'\nskip_auth_regex = '^/x/'\nemail_domains = '${X}'",
        "alpha_config = '/etc/alpha.yaml'",
        "config = '/etc/other.cfg'",
    ] {
        assert!(is_left_to_a_person(&from_cfg(text)), "{text}");
    }
    for text in [
        "email_domains = '*'",
        "email_domains = ['*', 'example.com']",
        "email_domains = 'example.com'\nauthenticated_emails_file = 'people'",
        "config = '/etc/a.cfg'\nscope = 'x'",
    ] {
        assert!(!is_left_to_a_person(&from_cfg(text)), "{text}");
    }
    for text in [
        "providers: [{ id: a, allowedGroups: [x] }]",
        "providers: [{ id: a, allowedgroups: [{ x: y }] }]",
        "providers: [{ id: a }, { id: b, githubConfig: { org: x } }]",
        "providers: [{ id: a, keycloakConfig: { roles: [x] } }]",
        "providers: [{ id: a, googleConfig: { groups: [x] } }]",
    ] {
        assert!(is_left_to_a_person(&from_alpha(text)), "{text}");
    }
}

#[test]
fn an_empty_variable_overrules_no_rule() {
    let mut given = cfg("a.cfg", b"email_domains = 'example.com'").expect("read");
    let empty = ("OAUTH2_PROXY_EMAIL_DOMAINS".to_owned(), String::new());
    given.extend(variables([empty]));
    let text = body(&import("both", given));
    assert!(text.contains("{ email_domain: [example.com] }"), "{text}");
}

#[test]
fn nothing_is_opened_that_the_source_keeps_shut() {
    let imported = from_cfg(
        "upstreams = [\"http://127.0.0.1:3000/a\", \"http://127.0.0.1:3001/b/\"]\n\
         skip_auth_routes = [\"^/b/healthz$\", \"/b/x\", \"GET=^/b/\", \"^/about/\"]\n",
    );
    assert!(
        !body(&imported).contains("access: public"),
        "{}",
        imported.yaml
    );
    for index in 0..4 {
        let option = format!("skip_auth_routes[{index}]");
        let fault = notice(&imported, &option).fault;
        assert_eq!(fault, CommandFault::NoEquivalent, "{option}");
    }
    let rewritten = "upstreamConfig: { upstreams: [{ id: a, path: \"^/api/(.*)$\", rewriteTarget: \"/$1\", uri: \"http://127.0.0.1:1\" }] }";
    let mut given = alpha("a.yaml", rewritten.as_bytes()).expect("read");
    given.extend(cfg("a.cfg", b"skip_auth_regex = \"^/api/open/\"").expect("read"));
    let text = body(&import("both", given));
    assert!(
        text.contains("strip_prefix: true") && !text.contains("access: public"),
        "{text}"
    );
}

#[test]
fn the_structured_configuration_says_the_same() {
    let imported = from_alpha(
        r#"
server:
  bindAddress: "[http://]0.0.0.0:4180"
  secureBindAddress: 0.0.0.0:8443
  tls: { key: { value: aHVudGVy }, minVersion: TLS1.2 }
upstreamConfig:
  proxyRawPath: true
  upstreams:
    - id: tool
      path: /
      uri: https://tool.internal:8443
      insecureSkipTLSVerify: true
    - { id: api, path: "^/api/(.*)$", rewriteTarget: "/$1", uri: "http://127.0.0.1:9000" }
    - { id: odd, path: "^/odd/(.*)/x$", rewriteTarget: "/y/$1", uri: "http://127.0.0.1:9000" }
    - { id: up, path: /up/, static: true, staticCode: 202 }
injectRequestHeaders:
  - name: X-Forwarded-Email
    values: [{ claimSource: { claim: email } }]
  - name: Authorization
    values: [{ claimSource: { claim: access_token, prefix: "Bearer " } }]
  - name: X-Secret
    values: [{ secretSource: { value: aHVudGVyMi1kby1ub3Qtc2F5 } }]
injectResponseHeaders:
  - name: X-Auth-Request-User
    values: [{ claimSource: { claim: user } }]
providers:
  - id: one
    provider: oidc
    clientID: tool
    clientSecret: ${CLIENT_SECRET}
    oidcConfig: { issuerURL: "https://x.auth.marketingcloudapis.com" }
    additionalClaims: [department]
"#,
    );
    let text = body(&imported);
    for line in [
        "  subdomain: x\n  client_id: tool\n  client_secret: { env: CLIENT_SECRET }\n",
        "  - path: /\n    to: https://tool.internal:8443\n    token: bearer\n",
        "  - path: /api/\n    to: http://127.0.0.1:9000\n    strip_prefix: true\n    token: bearer\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("odd") && !text.contains("/up/"), "{text}");
    for (option, fault) in [
        ("upstreamConfig.proxyRawPath", CommandFault::NoEquivalent),
        ("upstreamConfig.upstreams[0]", CommandFault::MeansElse),
        ("upstreamConfig.upstreams[2]", CommandFault::NoEquivalent),
        ("injectRequestHeaders[1]", CommandFault::MeansElse),
        ("injectRequestHeaders[2]", CommandFault::NoEquivalent),
        ("injectResponseHeaders[0].name", CommandFault::NoEquivalent),
        ("providers[0].additionalClaims", CommandFault::NoEquivalent),
        ("server.tls.key.value", CommandFault::NoEquivalent),
    ] {
        assert_eq!(notice(&imported, option).fault, fault, "{option}");
    }
    let said = format!("{imported:?}");
    assert!(!said.contains("aHVudGVy"), "{said}");
}

#[test]
fn flags_count_more_than_variables_and_these_more_than_the_file() {
    let mut given = cfg(
        "a.cfg",
        b"email_domains = [\"one.example\"]\nclient_id = \"x\"\n",
    )
    .expect("read");
    given.extend(variables(
        [
            ("OAUTH2_PROXY_EMAIL_DOMAINS", "two.example"),
            ("OAUTH2_PROXY_CLIENT_SECRET", MARK),
            ("PATH", "/bin"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    ));
    let arguments = [
        "--email-domain=three.example",
        "--email-domain",
        "four.example",
        "--reverse-proxy",
        "--upstream=http://127.0.0.1:3000",
        "--login-url",
        "https://x.auth.marketingcloudapis.com/v2/authorize",
        "lost",
    ];
    given.extend(flags(arguments.map(str::to_owned)));
    let imported = import("all", given);
    let text = body(&imported);
    for line in [
        "[three.example, four.example]",
        "trusted_proxies: [127.0.0.1]",
        "client_secret: { env: OAUTH2_PROXY_CLIENT_SECRET }",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let overruled =
        "#   email_domains (a.cfg:1): OAUTH2_PROXY_EMAIL_DOMAINS says otherwise, and counts";
    assert!(imported.yaml.contains(overruled), "{}", imported.yaml);
    assert!(
        imported
            .notices
            .iter()
            .any(|it| it.place == "a word without --")
    );
    assert!(!format!("{imported:?}").contains(MARK));
    fits(&imported);
}

#[test]
fn what_cannot_be_read_is_placed_and_not_shown() {
    for (text, place) in [
        (&b"a = 1\nb = \"hunter2-do-not-say\n"[..], "a.cfg:2"),
        (b"client_secret = hunter2-do-not-say", "a.cfg:1"),
        (b"a = 1\na = 2\n", "a.cfg:2"),
        (b"\xff", "a.cfg:1"),
    ] {
        let error = cfg("a.cfg", text).expect_err("malformed");
        assert_eq!(error.place, place, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let error = alpha("a.yaml", b"a: &x hunter2-do-not-say\n").expect_err("an anchor");
    assert!(error.place.starts_with("a.yaml:1:"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn lengths_of_time_are_read_as_go_writes_them() {
    use std::time::Duration;
    for (text, meant) in [
        ("168h0m0s", Some(Duration::from_hours(168))),
        ("1.5h", Some(Duration::from_mins(90))),
        ("90s", Some(Duration::from_secs(90))),
        ("1500ms", Some(Duration::from_millis(1500))),
        ("0", Some(Duration::ZERO)),
        ("", None),
        ("12", None),
        ("-1h", None),
        ("1 h", None),
        ("h", None),
        ("1d", None),
        ("999999999999999999999999h", None),
    ] {
        assert_eq!(convert::go_duration(text), meant, "{text}");
    }
}

#[test]
fn patterns_become_paths_only_where_they_are_plain() {
    let path = |pattern| paths::of_pattern(pattern).map(|path| (path.text, path.approximate));
    for (pattern, text, approximate) in [
        ("^/assets/", "/assets/", false),
        ("^/assets/.*", "/assets/", false),
        ("^/assets/.*$", "/assets/", false),
        ("^/assets(/.*)?$", "/assets", false),
        ("^/assets", "/assets", true),
        ("^/favicon\\.ico", "/favicon.ico", true),
    ] {
        assert_eq!(
            path(pattern),
            Some((text.to_owned(), approximate)),
            "{pattern}"
        );
    }
    for pattern in [
        "",
        "/",
        "^",
        "^/",
        "^/.*",
        "/assets",
        "assets",
        "^/a|b",
        "^/[a-z]",
        "^/a+",
        "^/(a)",
        "^/a\\d",
        "^/../x",
        "^//x",
        "^/a\\",
        "!=^/a",
        "^/a b",
        "^/a?b",
        "^/healthz$",
        "^/a-b/?$",
        "^/a/$",
    ] {
        assert_eq!(path(pattern), None, "{pattern}");
    }
}
