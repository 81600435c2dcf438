//! Every rule, as a line that is added to a configuration that loads, and all that is found then.

mod routes;
mod session;

use super::edited;
use super::findings;
use routes::ROUTES;
use session::SESSION;

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

/// The administrators of another account write what they like into the mail addresses of its people.
#[test]
fn mail_addresses_of_any_tenant_prove_nothing() {
    let cases = [
        ("any", "{ email_domain: a.example }", true),
        ("any", "{ email_domain: a.example, enterprise: 1 }", false),
        ("any", "{ enterprise: 1 }", false),
        ("[mcxyz]", "{ email_domain: a.example }", false),
    ];
    for (tenants, require, warned) in cases {
        let partner = format!("  subdomain: mcabc\n  partner: {{ tenants: {tenants} }}\n");
        let text = edited("  subdomain: mcabc\n", &partner);
        let found = findings(&format!("{text}    require: {require}\n"));
        let warning = "SG-6120 routes[0].require.email_domain".to_owned();
        assert_eq!(
            found.contains(&warning),
            warned,
            "{tenants} {require}: {found:?}"
        );
    }
}

/// Each line that is added, the whole text and what is found then.
pub(super) fn texts() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let tables = [
        ("public_url: https://tool.example.com\n", TOP_LEVEL),
        ("  subdomain: mcabc\n", MARKETING_CLOUD),
        ("session:\n", SESSION),
        ("    to: http://127.0.0.1:3000\n", ROUTES),
    ];
    tables.into_iter().flat_map(|(after, rules)| {
        let text = move |added| edited(after, &format!("{after}{added}\n"));
        rules
            .iter()
            .map(move |(added, found)| (*added, text(added), *found))
    })
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
    ("pages: {}", ""),
    (
        "pages: { name: 'A & B', accent: '#0b5cab', support_url: 'mailto:help@example.com' }",
        "",
    ),
    ("pages: { name: ' ' }", "SG-6501 pages.name: must have"),
    (
        "pages: { accent: red }",
        "SG-6501 pages.accent: must be a colour",
    ),
    (
        "pages: { accent: '#0b5cab80' }",
        "SG-6501 pages.accent: must be an opaque colour",
    ),
    (
        "pages: { support_url: 'http://a.example' }",
        "SG-6501 pages.support_url: must be an https",
    ),
    (
        "pages: { support_url: 'javascript:alert(1)' }",
        "SG-6501 pages.support_url: must be an https",
    ),
    (
        "pages: { logo: nowhere.png }",
        "SG-6502 pages.logo: cannot be read",
    ),
    (
        "pages: { directory: nowhere }",
        "SG-6503 pages.directory: cannot be read",
    ),
    ("pages: { colour: red }", "SG-6002 pages.colour"),
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
        "listen: [127.0.0.1:8080, '[::1]:8080', unix:/s]\nlisten_mode: '0600'",
        "",
    ),
    ("listen: [127.0.0.1:0, 127.0.0.1:0]", ""),
    (
        "listen: []",
        "SG-6004 listen: must be an address, or a list",
    ),
    (
        "listen: [127.0.0.1:8080, nowhere]",
        "SG-6004 listen[1]: must be an IP address",
    ),
    (
        "listen: [127.0.0.1:8080, 0.0.0.0:8080]",
        "SG-6004 listen[1]: must not be where another",
    ),
    (
        "listen: [unix:/s, unix:/s]",
        "SG-6004 listen[1]: must not be where another",
    ),
    (
        "listen: [127.0.0.1:8080, 127.0.0.1:9901]",
        "SG-6004 admin_listen: must not be",
    ),
    (
        "listen: [127.0.0.1:8080]\nlisten_mode: '0600'",
        "SG-6004 listen_mode: is for a listen",
    ),
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
    ("admin_hosts: [status.example.internal, '[::1]']", ""),
    (
        "admin_hosts: ['status.example:9901', a/b, '']",
        "SG-6004 admin_hosts[0]: is not a host name | SG-6004 admin_hosts[1] | SG-6004 admin_hosts[2]",
    ),
    (
        "auth_path_header: Host",
        "SG-6004 auth_path_header: must start with X-",
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
        "tls: { certificate_file: /nowhere/a, key_file: /nowhere/a, client_cert_header: true }",
        "SG-6006 tls.certificate_file | SG-6006 tls.key_file | SG-6004 tls.client_cert_header: needs client_ca_file",
    ),
    (
        "timeouts: { tls_handshake: 1s, first_byte: 1s, head: 1s, body_progress: 1s, stream_idle: 1s, keep_alive: 1s, drain: 1s, drain_delay: 0s }",
        "",
    ),
    (
        "timeouts: { tls_handshake: 0s, first_byte: x, head: 25h, body_progress: 5, stream_idle: 0s, keep_alive: -1s, drain: 0s, drain_delay: 25h }",
        "SG-6004 timeouts.tls_handshake | SG-6004 timeouts.first_byte | SG-6004 timeouts.head | SG-6004 timeouts.body_progress | SG-6004 timeouts.stream_idle | SG-6004 timeouts.keep_alive | SG-6004 timeouts.drain | SG-6004 timeouts.drain_delay",
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
    ("tenants:", "SG-6004 tenants"),
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
        "  jwt_signing_secret: { env: SECRET }",
        "SG-6004 marketing_cloud.jwt_signing_secret: must have 16",
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
    ("  permissions: ['Email.*', Asset.Read]", ""),
    (
        "  permissions: []",
        "SG-6004 marketing_cloud.permissions: must name",
    ),
    ("  pkce: s256", ""),
    ("  pkce: off", "SG-6109 marketing_cloud.pkce"),
    ("  pkce: plain", "SG-6004 marketing_cloud.pkce"),
    ("  partner: false", ""),
    ("  partner: true", "SG-6120 marketing_cloud.partner"),
    (
        "  partner: { tenants: any }",
        "SG-6120 marketing_cloud.partner.tenants",
    ),
    (
        "  partner: { tenants: [mcabc], auth_base_url: \"http://{tssd}.localhost:9100\" }",
        "SG-6110 marketing_cloud.partner.auth_base_url",
    ),
    ("  partner: maybe", "SG-6004 marketing_cloud.partner"),
    (
        "  partner: { tenants: [] }",
        "SG-6004 marketing_cloud.partner.tenants",
    ),
    (
        "  partner: { tenants: [a.b] }",
        "SG-6004 marketing_cloud.partner.tenants[0]",
    ),
    ("  partner: { tenants: [MCabc, mcxyz] }", ""),
    (
        "  partner: { tenants: [mcabc], auth_base_url: \"https://auth.example\" }",
        "SG-6004 marketing_cloud.partner.auth_base_url",
    ),
    (
        "  partner: { tenants: [mcabc] }\n  auth_base_url: http://127.0.0.1:9100",
        "SG-6003 marketing_cloud.partner.auth_base_url",
    ),
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
