//! Every key there is and the shape of its value: the table that the file and the environment are
//! checked against, so that all misspelt keys are found at once.

/// What may stand at a key.
pub(super) enum Shape {
    /// One scalar.
    Text,
    /// A list of scalars, or one scalar that holds them with commas in between.
    Texts,
    /// A secret: a scalar, `{ file }` or `{ env }`.
    Secret,
    /// A list of secrets, or one scalar that holds them with commas in between.
    Secrets,
    /// A mapping.
    Section(&'static [Key]),
    /// A list of mappings.
    Sections(&'static [Key]),
    /// A mapping of any names to scalars.
    Fields,
    /// A scalar or a mapping.
    TextOrSection(&'static [Key]),
}

/// One key of a mapping.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// The whole configuration.
pub(super) const CONFIGURATION: Shape = Shape::Section(TOP);

/// Where a secret may come from.
pub(super) const SECRET: &[Key] = &[text("file"), text("env")];

const TOP: &[Key] = &[
    text("public_url"),
    key("listen", Shape::Texts),
    text("admin_listen"),
    key("admin_hosts", Shape::Texts),
    text("workers"),
    text("listen_mode"),
    key("tls", Shape::TextOrSection(TLS)),
    text("h2c"),
    text("proxy_protocol"),
    key("trusted_proxies", Shape::Texts),
    text("endpoint_prefix"),
    text("keep_fragment"),
    text("auth_path_header"),
    key("pages", Shape::Section(PAGES)),
    key("allowed_origins", Shape::Texts),
    key("csrf", Shape::Section(CSRF)),
    key("marketing_cloud", Shape::Section(MARKETING_CLOUD)),
    key("session", Shape::Section(SESSION)),
    key("routes", Shape::Sections(ROUTE)),
    key("upstream", Shape::Section(UPSTREAM)),
    key("upstream_tls", Shape::Section(UPSTREAM_TLS)),
    key("rate_limits", Shape::Section(RATE_LIMITS)),
    key("timeouts", Shape::Section(TIMEOUTS)),
    key("limits", Shape::Section(LIMITS)),
    key("log", Shape::Section(LOG)),
    key("telemetry", Shape::Section(TELEMETRY)),
    key("tenants", Shape::Sections(TENANT)),
    key("tests", Shape::Sections(TEST)),
];

const TEST: &[Key] = &[
    text("request"),
    key("headers", Shape::Fields),
    text("signed_in"),
    key("expect", Shape::Section(EXPECT)),
];

const EXPECT: &[Key] = &[text("route"), text("decision"), text("code"), text("to")];

const TENANT: &[Key] = &[
    text("name"),
    key("hosts", Shape::Texts),
    key("marketing_cloud", Shape::Section(MARKETING_CLOUD)),
    key("routes", Shape::Sections(ROUTE)),
];

const PAGES: &[Key] = &[
    text("name"),
    text("logo"),
    text("accent"),
    text("support_url"),
    text("directory"),
];

const CSRF: &[Key] = &[text("header")];

const TLS: &[Key] = &[
    text("certificate_file"),
    text("key_file"),
    text("client_ca_file"),
    text("client_auth"),
    text("client_cert_header"),
];

const MARKETING_CLOUD: &[Key] = &[
    text("subdomain"),
    text("client_id"),
    text("client_type"),
    key("client_secret", Shape::Secret),
    key("next_client_secret", Shape::Secret),
    key("jwt_signing_secret", Shape::Secret),
    key("next_jwt_signing_secret", Shape::Secret),
    key("scope", Shape::Texts),
    text("business_unit"),
    key("permissions", Shape::Texts),
    text("pkce"),
    key("partner", Shape::TextOrSection(PARTNER)),
    text("auth_base_url"),
    key("instance_hosts", Shape::Texts),
];

const PARTNER: &[Key] = &[key("tenants", Shape::Texts), text("auth_base_url")];

const SESSION: &[Key] = &[
    key("keys", Shape::Secrets),
    text("lifetime"),
    text("idle_timeout"),
    key("store", Shape::TextOrSection(SHARED)),
    key("refresh_coordination", Shape::Section(SHARED)),
    key("embedded", Shape::TextOrSection(EMBEDDED)),
    text("not_before"),
];

const EMBEDDED: &[Key] = &[key("frame_ancestors", Shape::Texts)];

const SHARED: &[Key] = &[key("redis", Shape::Section(REDIS))];

const REDIS: &[Key] = &[
    key("url", Shape::Secrets),
    text("topology"),
    text("sentinel_master"),
    text("username"),
    key("password", Shape::Secret),
    text("ca_file"),
    text("certificate_file"),
    text("key_file"),
];

const ROUTE: &[Key] = &[
    text("path"),
    key("to", Shape::Texts),
    text("access"),
    text("token"),
    text("strip_prefix"),
    text("protocol"),
    key("health", Shape::Section(HEALTH)),
    key("upstream_tls", Shape::Section(UPSTREAM_TLS)),
    text("isolated"),
    text("journey_body"),
    text("body_size"),
    text("business_unit"),
    key("require", Shape::Section(REQUIRE)),
];

const REQUIRE: &[Key] = &[
    key("enterprise", Shape::Texts),
    key("business_unit", Shape::Texts),
    key("permission", Shape::Texts),
    key("email_domain", Shape::Texts),
];

const HEALTH: &[Key] = &[text("path"), text("interval"), text("timeout")];

const UPSTREAM: &[Key] = &[
    text("max_connections"),
    text("max_wait"),
    text("resolve_every"),
];

const UPSTREAM_TLS: &[Key] = &[text("ca_file"), text("certificate_file"), text("key_file")];

const RATE_LIMITS: &[Key] = &[text("sign_in"), text("callback")];

const TIMEOUTS: &[Key] = &[
    text("tls_handshake"),
    text("first_byte"),
    text("head"),
    text("body_progress"),
    text("stream_idle"),
    text("keep_alive"),
    text("drain"),
    text("drain_delay"),
    text("upstream_connect"),
    text("upstream_response"),
    text("upstream_idle"),
];

const LIMITS: &[Key] = &[
    text("head_size"),
    text("header_count"),
    text("target_length"),
    text("body_size"),
    text("connections"),
    text("connections_per_address"),
    text("concurrent_streams"),
    text("per_user"),
    text("per_tenant"),
];

const LOG: &[Key] = &[
    text("level"),
    text("format"),
    text("access"),
    text("access_sample"),
    text("access_slow"),
];

const TELEMETRY: &[Key] = &[key("otlp", Shape::Section(OTLP))];

const OTLP: &[Key] = &[
    text("endpoint"),
    key("headers", Shape::Secret),
    text("sample"),
    text("service_name"),
];

const fn text(name: &'static str) -> Key {
    key(name, Shape::Text)
}

const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape }
}

/// What the writer of an unknown key may have meant.
pub(super) fn suggest(keys: &[Key], unknown: &str) -> String {
    let nearest = keys
        .iter()
        .filter_map(|key| Some((distance(key.name, unknown)?, key.name)))
        .min();
    if let Some((_, name)) = nearest {
        return format!("did you mean {name}?");
    }
    let mut elsewhere = Vec::new();
    find_elsewhere(TOP, "", &unknown.to_ascii_lowercase(), &mut elsewhere);
    // A tenant's keys are those of the only tenant, and a test only asks about them.
    if elsewhere.len() > 1 {
        elsewhere.retain(|path| !path.starts_with("tenants[") && !path.starts_with("tests["));
    }
    if let [path] = elsewhere.as_slice() {
        return format!("did you mean {path}?");
    }
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    format!("known here: {}", names.join(", "))
}

/// Finds the key in another section, by its name or by its path with `_` for each dot: what comes
/// of a missing indent, and of a single underscore in a variable's name.
fn find_elsewhere(keys: &[Key], prefix: &str, unknown: &str, found: &mut Vec<String>) {
    for key in keys {
        let path = format!("{prefix}{}", key.name);
        let below = match key.shape {
            Shape::Section(keys) | Shape::TextOrSection(keys) => Some((keys, '.')),
            Shape::Sections(keys) => Some((keys, ' ')),
            Shape::Secret => Some((SECRET, '.')),
            Shape::Text | Shape::Texts | Shape::Secrets | Shape::Fields => None,
        };
        if key.name == unknown || path.replace('.', "_") == unknown {
            found.push(path.clone());
        } else if let Some((keys, '.')) = below {
            find_elsewhere(keys, &format!("{path}."), unknown, found);
        } else if let Some((keys, _)) = below {
            find_elsewhere(keys, &format!("{path}[…]."), unknown, found);
        }
    }
}

/// How many letters have to be added, dropped or changed, if that is few enough for a slip.
fn distance(known: &str, unknown: &str) -> Option<usize> {
    let close = (known.len() / 3).max(1);
    if known.len().abs_diff(unknown.len()) > close {
        return None;
    }
    let fold = |b: u8| {
        if b == b'-' {
            b'_'
        } else {
            b.to_ascii_lowercase()
        }
    };
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for letter in unknown.bytes().map(fold) {
        let mut diagonal = row.first().copied().unwrap_or_default();
        let mut left = diagonal + 1;
        let cells = known.bytes().zip(row.iter_mut().skip(1));
        for (wanted, cell) in cells {
            let changed = diagonal + usize::from(wanted != letter);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first += 1;
        }
    }
    row.last().copied().filter(|&distance| distance <= close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        for (keys, unknown, hint) in [
            (ROUTE, "pth", "did you mean path?"),
            (ROUTE, "strip-prefix", "did you mean strip_prefix?"),
            (ROUTE, "acess", "did you mean access?"),
            (MARKETING_CLOUD, "client_idd", "did you mean client_id?"),
            (
                MARKETING_CLOUD,
                "clientSecret",
                "did you mean client_secret?",
            ),
            (TOP, "client_id", "did you mean marketing_cloud.client_id?"),
            (
                TOP,
                "marketing_cloud_client_id",
                "did you mean marketing_cloud.client_id?",
            ),
            (TOP, "strip_prefix", "did you mean routes[…].strip_prefix?"),
            (
                LOG,
                "zzz",
                "known here: level, format, access, access_sample, access_slow",
            ),
            (SECRET, "", "known here: file, env"),
        ] {
            assert_eq!(suggest(keys, unknown), hint, "{unknown}");
        }
    }
}
