//! The configuration as it is written: a mirror of the file without any logic. Scalars are text,
//! and `None` in a list is an item that has been reported and taken out.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) public_url: Option<String>,
    pub(super) listen: Option<RawTexts>,
    pub(super) admin_listen: Option<String>,
    pub(super) admin_hosts: Option<RawTexts>,
    pub(super) workers: Option<String>,
    pub(super) listen_mode: Option<String>,
    pub(super) tls: Option<RawTls>,
    pub(super) h2c: Option<String>,
    pub(super) proxy_protocol: Option<String>,
    pub(super) trusted_proxies: Option<RawTexts>,
    pub(super) endpoint_prefix: Option<String>,
    pub(super) keep_fragment: Option<String>,
    pub(super) auth_path_header: Option<String>,
    pub(super) pages: RawPages,
    pub(super) allowed_origins: Option<RawTexts>,
    pub(super) csrf: RawCsrf,
    pub(super) marketing_cloud: RawMarketingCloud,
    pub(super) session: RawSession,
    pub(super) routes: Option<Vec<Option<RawRoute>>>,
    pub(super) tenants: Option<Vec<Option<RawTenant>>>,
    pub(super) upstream: RawUpstream,
    pub(super) upstream_tls: Option<RawUpstreamTls>,
    pub(super) rate_limits: RawRateLimits,
    pub(super) timeouts: RawTimeouts,
    pub(super) limits: RawLimits,
    pub(super) log: RawLog,
    pub(super) telemetry: RawTelemetry,
    pub(super) tests: Option<Vec<Option<RawTest>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTest {
    pub(super) request: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) signed_in: Option<String>,
    pub(super) expect: RawExpect,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawExpect {
    pub(super) route: Option<String>,
    pub(super) decision: Option<String>,
    pub(super) code: Option<String>,
    pub(super) to: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawTls {
    Name(String),
    Files(RawTlsFiles),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTlsFiles {
    pub(super) certificate_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth: Option<String>,
    pub(super) client_cert_header: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMarketingCloud {
    pub(super) subdomain: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_type: Option<String>,
    pub(super) client_secret: Option<RawSecret>,
    pub(super) next_client_secret: Option<RawSecret>,
    pub(super) jwt_signing_secret: Option<RawSecret>,
    pub(super) next_jwt_signing_secret: Option<RawSecret>,
    pub(super) scope: Option<RawTexts>,
    pub(super) business_unit: Option<String>,
    pub(super) permissions: Option<RawTexts>,
    pub(super) pkce: Option<String>,
    pub(super) partner: Option<RawPartner>,
    pub(super) auth_base_url: Option<String>,
    pub(super) instance_hosts: Option<RawTexts>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawPartner {
    Switch(String),
    Section(RawPartnerSection),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPartnerSection {
    pub(super) tenants: Option<RawTexts>,
    pub(super) auth_base_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTenant {
    pub(super) name: Option<String>,
    pub(super) hosts: Option<RawTexts>,
    pub(super) marketing_cloud: RawMarketingCloud,
    pub(super) routes: Option<Vec<Option<RawRoute>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSession {
    pub(super) keys: Option<RawSecrets>,
    pub(super) lifetime: Option<String>,
    pub(super) idle_timeout: Option<String>,
    pub(super) store: Option<RawStore>,
    pub(super) refresh_coordination: Option<RawShared>,
    pub(super) embedded: Option<RawEmbedded>,
    pub(super) not_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawEmbedded {
    Switch(String),
    Section(RawAncestors),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAncestors {
    pub(super) frame_ancestors: Option<RawTexts>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawStore {
    Name(String),
    Section(RawShared),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawShared {
    pub(super) redis: Option<RawRedis>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRedis {
    pub(super) url: Option<RawSecrets>,
    pub(super) topology: Option<String>,
    pub(super) sentinel_master: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) ca_file: Option<String>,
    pub(super) certificate_file: Option<String>,
    pub(super) key_file: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) path: Option<String>,
    pub(super) to: Option<RawTexts>,
    pub(super) protocol: Option<String>,
    pub(super) health: Option<RawHealth>,
    pub(super) upstream_tls: Option<RawUpstreamTls>,
    pub(super) access: Option<String>,
    pub(super) token: Option<String>,
    pub(super) strip_prefix: Option<String>,
    pub(super) isolated: Option<String>,
    pub(super) journey_body: Option<String>,
    pub(super) body_size: Option<String>,
    pub(super) business_unit: Option<String>,
    pub(super) require: Option<RawRequire>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRequire {
    pub(super) enterprise: Option<RawTexts>,
    pub(super) business_unit: Option<RawTexts>,
    pub(super) permission: Option<RawTexts>,
    pub(super) email_domain: Option<RawTexts>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPages {
    pub(super) name: Option<String>,
    pub(super) logo: Option<String>,
    pub(super) accent: Option<String>,
    pub(super) support_url: Option<String>,
    pub(super) directory: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCsrf {
    pub(super) header: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHealth {
    pub(super) path: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) timeout: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub(super) max_connections: Option<String>,
    pub(super) max_wait: Option<String>,
    pub(super) resolve_every: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawUpstreamTls {
    #[serde(rename = "ca_file")]
    pub(super) authorities: Option<String>,
    #[serde(rename = "certificate_file")]
    pub(super) certificate: Option<String>,
    #[serde(rename = "key_file")]
    pub(super) key: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRateLimits {
    pub(super) sign_in: Option<String>,
    pub(super) callback: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTimeouts {
    pub(super) tls_handshake: Option<String>,
    pub(super) first_byte: Option<String>,
    pub(super) head: Option<String>,
    pub(super) body_progress: Option<String>,
    pub(super) stream_idle: Option<String>,
    pub(super) keep_alive: Option<String>,
    pub(super) drain: Option<String>,
    pub(super) drain_delay: Option<String>,
    #[serde(rename = "upstream_connect")]
    pub(super) connect: Option<String>,
    #[serde(rename = "upstream_response")]
    pub(super) response: Option<String>,
    #[serde(rename = "upstream_idle")]
    pub(super) idle: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) head_size: Option<String>,
    pub(super) header_count: Option<String>,
    pub(super) target_length: Option<String>,
    pub(super) body_size: Option<String>,
    pub(super) connections: Option<String>,
    pub(super) connections_per_address: Option<String>,
    pub(super) concurrent_streams: Option<String>,
    #[serde(rename = "per_user")]
    pub(super) user: Option<String>,
    #[serde(rename = "per_tenant")]
    pub(super) tenant: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) level: Option<String>,
    pub(super) format: Option<String>,
    pub(super) access: Option<String>,
    pub(super) access_sample: Option<String>,
    pub(super) access_slow: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTelemetry {
    pub(super) otlp: Option<RawOtlp>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawOtlp {
    pub(super) endpoint: Option<String>,
    pub(super) headers: Option<RawSecret>,
    pub(super) sample: Option<String>,
    pub(super) service_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawTexts {
    One(String),
    Many(Vec<Option<String>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawSecrets {
    One(RawText),
    Many(Vec<Option<RawSecret>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawSecret {
    Text(RawText),
    From(RawSecretSource),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSecretSource {
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
}

/// A secret that was written where it is used.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct RawText(pub(super) SecretString);

impl From<String> for RawText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawText(…)")
    }
}
