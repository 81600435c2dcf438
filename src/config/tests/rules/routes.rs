//! The rules of routes.

/// The first route, or more of them.
pub(super) const ROUTES: &[(&str, &str)] = &[
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
    ("    business_unit: 7281698", ""),
    ("    business_unit: 0", "SG-6004 routes[0].business_unit"),
    (
        "    require: { enterprise: [1], business_unit: [1, 2], permission: Email.Read, email_domain: [a.example] }",
        "",
    ),
    ("    require: {}", "SG-6004 routes[0].require: must ask"),
    (
        "    require: { enterprise: [] }",
        "SG-6004 routes[0].require.enterprise: must name",
    ),
    (
        "    require: { permission: ['Email.*'] }",
        "SG-6004 routes[0].require.permission[0]: must be Object",
    ),
    (
        "    require: { email_domain: ['@a.example', '*.example', example, 'a..b'] }",
        "SG-6004 routes[0].require.email_domain[0] | SG-6004 routes[0].require.email_domain[1] | SG-6004 routes[0].require.email_domain[2] | SG-6004 routes[0].require.email_domain[3]",
    ),
    (
        "    business_unit: 1\n    require: { business_unit: [1] }",
        "SG-6004 routes[0].require.business_unit: stands beside",
    ),
    ("    require: { email_domain: [a.example] }", ""),
    (
        "    access: optional\n    require: { enterprise: [1] }",
        "SG-6004 routes[0].require: a rule needs",
    ),
    (
        "    access: public\n    business_unit: 1",
        "SG-6004 routes[0].business_unit: a rule needs",
    ),
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
        "    access: journey_builder\n    require: { enterprise: [1] }",
        "SG-6003 marketing_cloud.jwt_signing_secret | SG-6004 routes[0].require: a rule needs",
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
        "SG-6003 marketing_cloud.jwt_signing_secret | SG-6004 routes[1].access: a route to an API",
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
    ("  - { path: /a, to: soap }", ""),
    (
        "  - { path: /a, to: soap, token: bearer, strip_prefix: true, access: signed_in, body_size: 50 MiB }",
        "",
    ),
    (
        "  - { path: /a, to: soap, token: none }",
        "SG-6004 routes[1].token: a soap route always",
    ),
    (
        "  - { path: /a, to: soap, strip_prefix: false }",
        "SG-6004 routes[1].strip_prefix: a soap route always",
    ),
    (
        "  - { path: /a, to: soap, access: public }",
        "SG-6004 routes[1].access: a soap route needs",
    ),
    (
        "  - { path: /a, to: soap, protocol: h2 }",
        "SG-6004 routes[1].protocol: a soap route is spoken to",
    ),
    ("  - { path: /a, to: [soap] }", "SG-6004 routes[1].to"),
    (
        "  - { path: /a, to: tool }",
        "SG-6004 routes[1].to: must be rest or soap, or start",
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
        "SG-6004 routes[1].to[0]: must be rest or soap, or start",
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
