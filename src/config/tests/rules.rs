//! Every rule, as a line that is added to a configuration that loads, and all that is found then.

use super::edited;
use super::findings;

#[test]
fn each_rule_of_the_top_level_is_kept_or_broken() {
    try_each("public_url: https://tool.example.com\n", TOP_LEVEL);
}

#[test]
fn each_rule_of_marketing_cloud_is_kept_or_broken() {
    try_each("  subdomain: mcabc\n", MARKETING_CLOUD);
}

#[test]
fn each_rule_of_session_is_kept_or_broken() {
    try_each("session:\n", SESSION);
}

#[test]
fn each_rule_of_routes_is_kept_or_broken() {
    try_each("    to: http://127.0.0.1:3000\n", ROUTES);
}

/// Adds each line after `after`. Findings are separated by ` | `; nothing is neither problem nor warning.
fn try_each(after: &str, rules: &[(&str, &str)]) {
    for (added, found) in rules {
        let text = edited(after, &format!("{after}{added}\n"));
        let expected: Vec<&str> = found.split(" | ").filter(|part| !part.is_empty()).collect();
        let actual = findings(&text);
        let same = actual.len() == expected.len()
            && actual.iter().zip(&expected).all(|(a, e)| a.starts_with(e));
        assert!(same, "{added}\nexpected {expected:#?}\nfound {actual:#?}");
    }
}

/// The top level.
const TOP_LEVEL: &[(&str, &str)] = &[
    ("listen: 0.0.0.0:8443", ""),
    ("listen: '[::]:8443'", ""),
    (
        "listen: localhost:80",
        "SG-6004 listen: must be an IP address",
    ),
    (
        "listen: 127.0.0.1:9901",
        "SG-6004 admin_listen: must not be",
    ),
    ("listen: 0.0.0.0:9901", "SG-6004 admin_listen: must not be"),
    ("listen: unix:/run/sidegate.sock\nlisten_mode: '0600'", ""),
    (
        "listen: 'unix:'",
        "SG-6004 listen: must be unix: and a path",
    ),
    (
        "listen_mode: '0600'",
        "SG-6004 listen_mode: is for a listen",
    ),
    (
        "listen: unix:/s\nlisten_mode: '9'",
        "SG-6004 listen_mode: must be permissions",
    ),
    ("h2c: true", ""),
    (
        "h2c: true\ntls: self_signed",
        "SG-6004 h2c: is for a listener without tls",
    ),
    ("h2c: yes", "SG-6004 h2c"),
    (
        "proxy_protocol: true",
        "SG-6004 proxy_protocol: nobody may send",
    ),
    ("proxy_protocol: true\ntrusted_proxies: [10.0.0.0/8]", ""),
    (
        "tls: { certificate_file: /nowhere/a, key_file: /nowhere/a, client_auth: maybe }",
        "SG-6003 tls.client_ca_file | SG-6006 tls.certificate_file | SG-6006 tls.key_file | SG-6004 tls.client_auth",
    ),
    (
        "tls: { certificate_file: /nowhere/a, key_file: /nowhere/a, client_ca_file: /nowhere/a }",
        "SG-6003 tls.client_auth | SG-6006 tls.certificate_file | SG-6006 tls.key_file | SG-6006 tls.client_ca_file",
    ),
    (
        "timeouts: { tls_handshake: 1s, first_byte: 1s, head: 1s, body_progress: 1s, keep_alive: 1s, drain: 1s, drain_delay: 0s }",
        "",
    ),
    (
        "timeouts: { tls_handshake: 0s, first_byte: x, head: 25h, body_progress: 5, keep_alive: -1s, drain: 0s, drain_delay: 25h }",
        "SG-6004 timeouts.tls_handshake | SG-6004 timeouts.first_byte | SG-6004 timeouts.head | SG-6004 timeouts.body_progress | SG-6004 timeouts.keep_alive | SG-6004 timeouts.drain | SG-6004 timeouts.drain_delay",
    ),
    (
        "limits: { head_size: 8 KiB, header_count: 1, target_length: 256, body_size: 1, connections: 1, connections_per_address: 1, concurrent_streams: 1 }",
        "",
    ),
    (
        "limits: { head_size: 8191, header_count: 0, target_length: 65535, body_size: 0, connections: 0, connections_per_address: x, concurrent_streams: 1001 }",
        "SG-6004 limits.head_size | SG-6004 limits.header_count | SG-6004 limits.target_length | SG-6004 limits.body_size | SG-6004 limits.connections | SG-6004 limits.connections_per_address | SG-6004 limits.concurrent_streams",
    ),
    ("limits: { body: 1 }", "SG-6002 limits.body"),
    ("listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0", ""),
    ("workers: 1024", ""),
    ("workers: 1025", "SG-6004 workers"),
    ("workers: 3.9", "SG-6004 workers"),
    ("workers: true", "SG-6004 workers"),
    ("workers: [2]", "SG-6004 workers: must be a single value"),
    ("tls: self_signed", ""),
    ("tls: acme", "SG-6004 tls: must be self_signed"),
    (
        "tls: {}",
        "SG-6003 tls.certificate_file | SG-6003 tls.key_file",
    ),
    ("tls: [a]", "SG-6004 tls"),
    (
        "tls: { certificate_file: /nowhere/a, key_file: / }",
        "SG-6006 tls.certificate_file: the file cannot be read | SG-6006 tls.key_file: is not a regular file",
    ),
    ("trusted_proxies: []", ""),
    ("trusted_proxies: [10.0.0.0/8, '::1']", ""),
    ("trusted_proxies: 10.0.0.0/8, 192.168.1.1", ""),
    ("trusted_proxies: [0.0.0.0/0]", "SG-6103 trusted_proxies[0]"),
    (
        "trusted_proxies: [10.0.0.1, '::/0']",
        "SG-6103 trusted_proxies[1]",
    ),
    (
        "trusted_proxies: [10.0.0.1, x]",
        "SG-6004 trusted_proxies[1]",
    ),
    ("trusted_proxies: [10.0.0.1, ]", ""),
    (
        "trusted_proxies: [~, x]",
        "SG-6004 trusted_proxies[0] | SG-6004 trusted_proxies[1]",
    ),
    ("endpoint_prefix: /gate", ""),
    ("endpoint_prefix: /", "SG-6004 endpoint_prefix"),
    ("endpoint_prefix: gate", "SG-6004 endpoint_prefix"),
    ("tenants: []", "SG-6005 tenants"),
    ("tenants:", "SG-6005 tenants"),
    (
        "timeouts: { upstream_connect: 1s, upstream_response: 1h, upstream_idle: 5s }",
        "",
    ),
    (
        "timeouts: { upstream_connect: 0s }",
        "SG-6004 timeouts.upstream_connect",
    ),
    ("timeouts: 5s", "SG-6004 timeouts: must be a mapping"),
    ("log: { level: debug, format: text, access: false }", ""),
    (
        "log: { access: yes }",
        "SG-6004 log.access: must be one of: true, false",
    ),
    ("log: { format: xml }", "SG-6004 log.format"),
    ("routes[0].to: x", "SG-6002 routes[0].to"),
    ("'': x", "SG-6002"),
];

/// The section `marketing_cloud`.
const MARKETING_CLOUD: &[(&str, &str)] = &[
    ("  client_type: web", ""),
    (
        "  client_type: native",
        "SG-6004 marketing_cloud.client_type: must be one of: web, public",
    ),
    (
        "  client_type: public",
        "SG-6004 marketing_cloud.client_secret: a public client",
    ),
    ("  next_client_secret: { env: OTHER_KEY }", ""),
    ("  scope: [email_read, offline]", ""),
    ("  scope: email_read offline", ""),
    ("  scope: email_read, offline", ""),
    ("  scope: ''", "SG-6004 marketing_cloud.scope"),
    ("  scope: []", "SG-6004 marketing_cloud.scope"),
    ("  scope: ['']", "SG-6004 marketing_cloud.scope[0]"),
    ("  scope: [a b]", "SG-6004 marketing_cloud.scope[0]"),
    ("  business_unit: 7281698", ""),
    (
        "  business_unit: 0",
        "SG-6004 marketing_cloud.business_unit",
    ),
    (
        "  business_unit: -1",
        "SG-6004 marketing_cloud.business_unit",
    ),
    ("  pkce: s256", ""),
    ("  pkce: off", "SG-6109 marketing_cloud.pkce"),
    ("  pkce: plain", "SG-6004 marketing_cloud.pkce"),
    ("  partner: false", ""),
    ("  partner: true", "SG-6005 marketing_cloud.partner"),
    (
        "  auth_base_url: http://127.0.0.1:9100",
        "SG-6110 marketing_cloud.auth_base_url",
    ),
    (
        "  auth_base_url: https://mcabc.auth.marketingcloudapis.com/",
        "",
    ),
    (
        "  auth_base_url: https://evil.example",
        "SG-6110 marketing_cloud.auth_base_url",
    ),
    (
        "  auth_base_url: http://x.example",
        "SG-6004 marketing_cloud.auth_base_url: must be https",
    ),
    (
        "  auth_base_url: https://x.example/v2",
        "SG-6004 marketing_cloud.auth_base_url",
    ),
    ("  instance_hosts: ['*.rest.marketingcloudapis.com']", ""),
    ("  instance_hosts: [mcabc.rest.marketingcloudapis.com]", ""),
    (
        "  instance_hosts: ['*.marketingcloudapis.com']",
        "SG-6105 marketing_cloud.instance_hosts[0]",
    ),
    (
        "  instance_hosts: 127.0.0.1:9100",
        "SG-6105 marketing_cloud.instance_hosts[0]",
    ),
    (
        "  instance_hosts: []",
        "SG-6004 marketing_cloud.instance_hosts: must name",
    ),
    (
        "  instance_hosts: ['*']",
        "SG-6004 marketing_cloud.instance_hosts[0]",
    ),
];

/// The section `session`.
const SESSION: &[(&str, &str)] = &[
    ("  lifetime: 2d", "SG-6107 session.lifetime"),
    ("  lifetime: 12", "SG-6004 session.lifetime"),
    ("  lifetime: 500ms", "SG-6004 session.lifetime"),
    ("  lifetime: 10m", ""),
    (
        "  lifetime: 10m\n  idle_timeout: 11m",
        "SG-6004 session.idle_timeout: must not be longer",
    ),
    (
        "  lifetime: x\n  idle_timeout: 20h",
        "SG-6004 session.lifetime",
    ),
    ("  idle_timeout: 12h", ""),
    ("  idle_timeout: 13h", "SG-6004 session.idle_timeout"),
    ("  store: cookie", ""),
    ("  store: memory", "SG-6004 session.store"),
    ("  store: {}", "SG-6004 session.store"),
    (
        "  store: { redis: { url: x } }",
        "SG-6005 session.store.redis",
    ),
    ("  embedded: false", ""),
    ("  embedded: true", "SG-6005 session.embedded"),
    (
        "  refresh_coordination: x",
        "SG-6005 session.refresh_coordination",
    ),
    ("  not_before: 2026-01-01", "SG-6008 session.not_before"),
];

/// The first route, or more of them.
const ROUTES: &[(&str, &str)] = &[
    ("    access: public", ""),
    (
        "    access: optional\n    token: bearer\n    strip_prefix: true",
        "",
    ),
    (
        "    access: public\n    token: bearer",
        "SG-6004 routes[0].token: a public route",
    ),
    ("    body_size: 1 GiB", ""),
    ("    body_size: 1GB", "SG-6004 routes[0].body_size"),
    ("    access: journey_builder", "SG-6005 routes[0].access"),
    ("    access: signed-in", "SG-6004 routes[0].access"),
    ("    token: cookie", "SG-6004 routes[0].token"),
    ("    strip_prefix: 1", "SG-6004 routes[0].strip_prefix"),
    (
        "  - { path: /a, to: rest }\n  - { path: /a/, to: rest }",
        "",
    ),
    (
        "  - { path: /a, to: rest }\n  - { path: /a, to: rest }",
        "SG-6004 routes[2].path: is the same path as routes[1].path",
    ),
    (
        "  - { path: /oauth2, to: rest }",
        "SG-6004 routes[1].path: lies where",
    ),
    (
        "  - { path: /oauth2/, to: rest }",
        "SG-6004 routes[1].path: lies where",
    ),
    (
        "  - { path: /oauth2/a, to: rest }",
        "SG-6004 routes[1].path: lies where",
    ),
    ("  - { path: /oauth2a, to: rest }", ""),
    (
        "  - { path: a, to: rest }",
        "SG-6004 routes[1].path: must start with /",
    ),
    ("  - { path: /a }", "SG-6003 routes[1].to"),
    ("  - { to: rest }", "SG-6003 routes[1].path"),
    ("  - {}", "SG-6003 routes[1].path | SG-6003 routes[1].to"),
    ("  -", "SG-6004 routes[1]: has no value"),
    ("  - rest", "SG-6004 routes[1]: must be a mapping"),
    (
        "  - { path: /a, to: soap }",
        "SG-6005 routes[1].to: soap is not",
    ),
    (
        "  - { path: /a, to: tool }",
        "SG-6004 routes[1].to: must be rest, or start",
    ),
    (
        "  - { path: /a, to: 'http://t:1/x' }",
        "SG-6004 routes[1].to: must end after",
    ),
    (
        "  - { path: /a, to: rest, token: bearer, strip_prefix: true, access: signed_in }",
        "",
    ),
    (
        "  - { path: /a, to: rest, token: none }",
        "SG-6004 routes[1].token",
    ),
    (
        "  - { path: /a, to: rest, strip_prefix: false }",
        "SG-6004 routes[1].strip_prefix",
    ),
    (
        "  - { path: /a, to: rest, access: public }",
        "SG-6004 routes[1].access",
    ),
    (
        "  - { path: /a, to: rest, access: optional }",
        "SG-6004 routes[1].access",
    ),
    (
        "  - { path: /a, to: 'http://tool:3000', token: bearer }",
        "SG-6108 routes[1].token",
    ),
    (
        "  - { path: /a, to: 'https://tool:3000', token: bearer }",
        "",
    ),
];
