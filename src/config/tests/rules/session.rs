//! The rules of `session`.

/// The section `session`.
pub(super) const SESSION: &[(&str, &str)] = &[
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
