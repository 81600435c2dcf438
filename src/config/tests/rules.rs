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
    (
        "upstream: { max_connections: 1, max_wait: 1ms, resolve_every: 1s }",
        "",
    ),
    (
        "upstream: { max_connections: 0, max_wait: 0s, resolve_every: x }",
        "SG-6004 upstream.max_connections | SG-6004 upstream.max_wait | SG-6004 upstream.resolve_every",
    ),
    (
        "upstream: { max_connections: 65536 }",
        "SG-6004 upstream.max_connections",
    ),
    ("limits: { per_user: 1, per_tenant: 1000000 }", ""),
    (
        "limits: { per_user: 0, per_tenant: 1000001 }",
        "SG-6004 limits.per_user | SG-6004 limits.per_tenant",
    ),
    ("rate_limits: { sign_in: 10/1m, callback: off }", ""),
    (
        "rate_limits: { sign_in: 10, callback: on }",
        "SG-6004 rate_limits.sign_in | SG-6004 rate_limits.callback",
    ),
    ("upstream_tls: {}", ""),
    (
        "upstream_tls: { ca_file: /nowhere/a, certificate_file: /nowhere/b }",
        "SG-6003 upstream_tls.key_file | SG-6006 upstream_tls.ca_file | SG-6006 upstream_tls.certificate_file",
    ),
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
    (
        "allowed_origins: [https://app.example.com, 'http://localhost:5173']\ncsrf: { header: X-Requested-With }",
        "",
    ),
    (
        "allowed_origins: https://a.example.com, https://b.example.com:8443",
        "",
    ),
    ("allowed_origins: []", ""),
    (
        "allowed_origins: ['*']",
        "SG-6004 allowed_origins[0]: must start with",
    ),
    (
        "allowed_origins: [\"null\"]",
        "SG-6004 allowed_origins[0]: must start with",
    ),
    (
        "allowed_origins: ['https://*.example.com']",
        "SG-6004 allowed_origins[0]: the host is not",
    ),
    (
        "allowed_origins: [https://app.example.com/x]",
        "SG-6004 allowed_origins[0]: must end after",
    ),
    (
        "allowed_origins: [http://app.example.com]",
        "SG-6004 allowed_origins[0]: must be https",
    ),
    (
        "allowed_origins: [https://tool.example.com]",
        "SG-6004 allowed_origins[0]: is public_url",
    ),
    ("csrf: {}", ""),
    ("csrf: { header: x-csrf }", ""),
    (
        "csrf: { header: Content-Type }",
        "SG-6004 csrf.header: must start with X-",
    ),
    (
        "csrf: { header: 'X Y' }",
        "SG-6004 csrf.header: is not a header",
    ),
    (
        "csrf: { header: X-Request-Id }",
        "SG-6004 csrf.header: is a header that",
    ),
    (
        "csrf: { header: X-Forwarded-Proto }",
        "SG-6004 csrf.header: is a header that",
    ),
    ("csrf: off", "SG-6004 csrf: must be a mapping"),
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
    (
        "  jwt_signing_secret: { env: OTHER_KEY }\n  next_jwt_signing_secret: { env: KEY }",
        "",
    ),
    (
        "  next_jwt_signing_secret: { env: OTHER_KEY }",
        "SG-6004 marketing_cloud.next_jwt_signing_secret: is of no use",
    ),
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
    ("  store: {}", "SG-6003 session.store.redis"),
    ("  store: { redis: {} }", "SG-6003 session.store.redis.url"),
    ("  store: { redis: { url: 'redis://127.0.0.1' } }", ""),
    (
        "  store: { redis: { url: ['rediss://a', 'rediss://b'], topology: cluster } }",
        "",
    ),
    ("  store: { redis: { url: [{ env: STORE }] } }", ""),
    (
        "  store: { redis: { url: 'redis://127.0.0.1', password: { env: SECRET } } }",
        "",
    ),
    (
        "  store: { redis: { url: x } }",
        "SG-6004 session.store.redis.url: must begin with",
    ),
    (
        "  store: { redis: { url: 'rediss://a/#insecure' } }",
        "SG-6004 session.store.redis.url: must not switch",
    ),
    (
        "  store: { redis: { url: 'rediss://a,rediss://b' } }",
        "SG-6004 session.store.redis.url: must be one URL",
    ),
    (
        "  store: { redis: { url: [] } }",
        "SG-6004 session.store.redis.url: must hold",
    ),
    (
        "  store: { redis: { url: 'rediss://:pw@a' } }",
        "SG-6101 session.store.redis.url",
    ),
    (
        "  store: { redis: { url: 'redis://a', password: { env: SECRET } } }",
        "SG-6112 session.store.redis.url",
    ),
    (
        "  store: { redis: { url: 'rediss://a', topology: ring } }",
        "SG-6004 session.store.redis.topology",
    ),
    (
        "  store: { redis: { url: 'rediss://a', topology: sentinel } }",
        "SG-6003 session.store.redis.sentinel_master",
    ),
    (
        "  store: { redis: { url: 'rediss://a', sentinel_master: m } }",
        "SG-6004 session.store.redis.sentinel_master",
    ),
    (
        "  store: { redis: { url: 'rediss://a', ca_file: no/such } }",
        "SG-6006 session.store.redis.ca_file",
    ),
    (
        "  store: { redis: { url: 'rediss://a', key_file: no/such } }",
        "SG-6004 session.store.redis: must have both | SG-6006 session.store.redis.key_file",
    ),
    (
        "  store: { redis: { url: 'rediss://a', urls: b } }",
        "SG-6002 session.store.redis.urls",
    ),
    ("  embedded: false", ""),
    ("  embedded: true", ""),
    (
        "  embedded: { frame_ancestors: ['https://*.exacttarget.com', 'http://localhost:9100'] }",
        "",
    ),
    (
        "  embedded: { frame_ancestors: ['http://mc.example.com', 'https://*.com'] }",
        "SG-6004 session.embedded.frame_ancestors[0]: must be https | SG-6004 session.embedded.frame_ancestors[1]",
    ),
    (
        "  embedded: { frame_ancestors: [] }",
        "SG-6004 session.embedded.frame_ancestors: must hold",
    ),
    (
        "  refresh_coordination: { redis: { url: 'rediss://a' } }",
        "",
    ),
    (
        "  refresh_coordination: x",
        "SG-6004 session.refresh_coordination",
    ),
    (
        "  refresh_coordination: {}",
        "SG-6003 session.refresh_coordination.redis",
    ),
    (
        "  store: { redis: { url: 'rediss://a' } }\n  refresh_coordination: { redis: { url: 'rediss://a' } }",
        "SG-6004 session.refresh_coordination: is for cookies",
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
    (
        "    access: journey_builder",
        "SG-6003 marketing_cloud.jwt_signing_secret",
    ),
    (
        "    access: journey_builder\n    journey_body: decoded\n    token: bearer",
        "SG-6003 marketing_cloud.jwt_signing_secret | SG-6004 routes[0].token: a call of",
    ),
    (
        "    access: journey_builder\n    journey_body: json",
        "SG-6003 marketing_cloud.jwt_signing_secret | SG-6004 routes[0].journey_body",
    ),
    (
        "    journey_body: decoded",
        "SG-6004 routes[0].journey_body: is for",
    ),
    (
        "  - { path: /a, to: rest, access: journey_builder }",
        "SG-6003 marketing_cloud.jwt_signing_secret | SG-6004 routes[1].access: a rest route",
    ),
    ("    access: signed-in", "SG-6004 routes[0].access"),
    ("    token: cookie", "SG-6004 routes[0].token"),
    ("    isolated: true", ""),
    ("    isolated: 1", "SG-6004 routes[0].isolated"),
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
    ("  - { path: /a, to: ['http://a:1', 'http://b:1'] }", ""),
    (
        "  - { path: /a, to: ['https://a', 'http://b:1'], token: bearer }",
        "SG-6004 routes[1].to[1]: must have the same scheme",
    ),
    (
        "  - { path: /a, to: ['https://a', 'https://a:443'] }",
        "SG-6004 routes[1].to[1]: is on the list already",
    ),
    (
        "  - { path: /a, to: [rest] }",
        "SG-6004 routes[1].to[0]: must be rest, or start",
    ),
    (
        "  - { path: /a, to: [] }",
        "SG-6004 routes[1].to: must hold 1 to 64",
    ),
    (
        "  - { path: /a, to: ['http://127.0.0.1:1', 'http://tool:1'], token: bearer }",
        "SG-6108 routes[1].token",
    ),
    (
        "  - { path: /a, to: 'unix:/run/a.sock', token: bearer }",
        "",
    ),
    (
        "  - { path: /a, to: ['unix:/run/a.sock', 'http://127.0.0.1:1'] }",
        "",
    ),
    (
        "  - { path: /a, to: 'unix:run/a.sock' }",
        "SG-6004 routes[1].to: must name a socket",
    ),
    ("    protocol: h2", ""),
    ("    protocol: http1", ""),
    ("    protocol: h3", "SG-6004 routes[0].protocol"),
    ("    health: { path: '/healthz?full=1' }", ""),
    (
        "    health: { path: /x, interval: 100ms, timeout: 50ms }",
        "",
    ),
    ("    health: {}", "SG-6003 routes[0].health.path"),
    (
        "    health: { path: 'http://x/', interval: 1ms }",
        "SG-6004 routes[0].health.path | SG-6004 routes[0].health.interval",
    ),
    (
        "    health: { path: '/a b' }",
        "SG-6004 routes[0].health.path",
    ),
    ("    health: /x", "SG-6004 routes[0].health"),
    (
        "    upstream_tls: {}",
        "SG-6004 routes[0].upstream_tls: is of no use",
    ),
    (
        "  - { path: /a, to: 'https://t', upstream_tls: { key_file: /nowhere } }",
        "SG-6003 routes[1].upstream_tls.certificate_file | SG-6006 routes[1].upstream_tls.key_file",
    ),
    (
        "  - { path: /a, to: rest, protocol: h2, health: { path: /x }, upstream_tls: {} }",
        "SG-6004 routes[1].protocol | SG-6004 routes[1].health | SG-6004 routes[1].upstream_tls",
    ),
];
