//! oauth2-proxy's structured configuration. Most of it says what the file says, under other names; the rest
//! has names with dots, by which [`super::routes`] and the table below know it.

use std::sync::Arc;

use super::options::Fate;
use super::options::Lost;
use super::source::Given;
use super::source::Malformed;
use crate::config::place::Location;
use crate::config::yaml;
use crate::config::yaml::Kind;
use crate::config::yaml::Node;

/// Reads the file.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Given>, Malformed> {
    let root = yaml::parse(&Arc::from(name), bytes).map_err(|refused| Malformed {
        place: format!("{name}:{}:{}", refused.at.line, refused.at.column),
        message: refused.message,
    })?;
    let mut given = Vec::new();
    flatten(String::new(), root, &mut given);
    Ok(given)
}

fn flatten(path: String, node: Node, given: &mut Vec<Given>) {
    let Node { at, kind } = node;
    match kind {
        Kind::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                let path = match path.as_str() {
                    "" => entry.key,
                    path => format!("{path}.{}", entry.key),
                };
                flatten(path, entry.value, given);
            }
        }
        Kind::List(items) if items.iter().any(|item| matches!(item.kind, Kind::Map(_))) => {
            for (index, item) in items.into_iter().enumerate() {
                flatten(format!("{path}[{index}]"), item, given);
            }
        }
        Kind::List(items) => {
            let texts = items.into_iter().filter_map(|item| match item.kind {
                Kind::Text(text) => Some(text),
                _ => None,
            });
            given.push(leaf(path, &at, texts.collect()));
        }
        Kind::Text(text) => given.push(leaf(path, &at, vec![text])),
        Kind::Null | Kind::Map(_) => given.push(leaf(path, &at, Vec::new())),
    }
}

fn leaf(path: String, at: &Location, values: Vec<String>) -> Given {
    let place = match at {
        Location::File {
            name,
            position: Some(position),
        } => format!("{name}:{}", position.line),
        Location::File { name, .. } | Location::Variable(name) => name.to_string(),
    };
    // As older versions had it, and as people write it.
    let path = match path.strip_prefix("upstreams[") {
        Some(rest) => format!("upstreamConfig.upstreams[{rest}"),
        None => path,
    };
    let same = SAME.iter().find(|(alpha, _)| *alpha == path);
    match same {
        Some((_, option)) => Given::new(option, place, values),
        // A name without a dot would be taken for one of the file's.
        None if !path.contains(['.', '[']) => Given::alpha(format!("{path}."), place, values),
        None => Given::alpha(path, place, values),
    }
}

/// What becomes of a name that only the structured configuration has.
pub(super) fn fate(path: &str) -> Option<Fate> {
    let begins = |list: &[&str]| list.iter().any(|beginning| path.starts_with(beginning));
    if path == "providers[0].id" {
        return Some(Fate::Unneeded("is a name that nothing asks for"));
    }
    let lost = LOST.iter().find(|(beginnings, _)| begins(beginnings));
    lost.map(|(_, lost)| Fate::Lost(lost))
}

/// Which of the file's options a path may stand for. Names are read without regard to case, each provider has
/// them, and what is below such a path belongs to it.
pub(super) fn options_of(path: &str) -> impl Iterator<Item = &'static str> {
    let inner = |path: &str| {
        let (_, inner) = path.strip_prefix("providers[")?.split_once("].")?;
        Some(inner.to_ascii_lowercase())
    };
    let asked = inner(path);
    let same = SAME.iter().filter(move |(alpha, _)| {
        let beginning = inner(alpha);
        matches!((&asked, &beginning), (Some(asked), Some(beginning)) if asked.starts_with(beginning.as_str()))
    });
    same.map(|(_, option)| *option)
}

const LOST: &[(&[&str], Lost)] = &[
    (
        &["injectResponseHeaders"],
        Lost::new(
            "headers are not added to answers",
            "let the proxy in front, or the tool, add them",
        ),
    ),
    (
        &["upstreamConfig.proxyRawPath"],
        Lost::unless(
            &["false"],
            "encoded slashes are refused on the way to a tool, since two readers take them differently",
            "let the tool take such names in a query; `to: rest` and `to: soap` pass them",
        ),
    ),
    (
        &["providers[0].loginURLParameters"],
        Lost::new(
            "nothing of /oauth2/start is passed on to the authorize endpoint",
            "`marketing_cloud.business_unit` and `scope` say what to ask for",
        ),
    ),
    (
        &["providers[0].additionalClaims"],
        Lost::new(
            "tools are told what Marketing Cloud's userinfo holds, no more",
            "`marketing_cloud.permissions` names what of a person's permissions they are told",
        ),
    ),
    (
        &["server.tls.key.", "server.tls.cert."],
        Lost::new(
            "certificate and key are not written into the configuration",
            "put each into a file and name it: `tls: { certificate_file, key_file }`",
        ),
    ),
    (
        &["metricsServer.tls."],
        Lost::new(
            "the admin listener speaks plain http",
            "keep it on loopback or inside the cluster",
        ),
    ),
    (
        &["providers[0].ADFSConfig."],
        Lost::new(
            "is about another provider; people sign in at Marketing Cloud",
            "nothing",
        ),
    ),
    (
        &["providers["],
        Lost::new(
            "there is one provider, Marketing Cloud",
            "several accounts are `tenants`, each with hosts of its own",
        ),
    ),
];

/// What the structured configuration calls the file's options.
const SAME: &[(&str, &str)] = &[
    ("server.bindAddress", "http_address"),
    ("server.secureBindAddress", "https_address"),
    ("server.tls.key.fromFile", "tls_key_file"),
    ("server.tls.cert.fromFile", "tls_cert_file"),
    ("server.tls.minVersion", "tls_min_version"),
    ("server.tls.cipherSuites", "tls_cipher_suites"),
    ("metricsServer.bindAddress", "metrics_address"),
    ("metricsServer.secureBindAddress", "metrics_secure_address"),
    ("metricsServer.tls.key.fromFile", "metrics_tls_key_file"),
    ("metricsServer.tls.cert.fromFile", "metrics_tls_cert_file"),
    ("providers[0].provider", "provider"),
    ("providers[0].name", "provider_display_name"),
    ("providers[0].clientID", "client_id"),
    ("providers[0].clientSecret", "client_secret"),
    ("providers[0].clientSecretFile", "client_secret_file"),
    ("providers[0].caFiles", "provider_ca_files"),
    ("providers[0].useSystemTrustStore", "use_system_trust_store"),
    ("providers[0].loginURL", "login_url"),
    (
        "providers[0].authRequestResponseMode",
        "auth_request_response_mode",
    ),
    ("providers[0].redeemURL", "redeem_url"),
    ("providers[0].profileURL", "profile_url"),
    (
        "providers[0].skipClaimsFromProfileURL",
        "skip_claims_from_profile_url",
    ),
    ("providers[0].resource", "resource"),
    ("providers[0].validateURL", "validate_url"),
    ("providers[0].scope", "scope"),
    ("providers[0].allowedGroups", "allowed_groups"),
    (
        "providers[0].code_challenge_method",
        "code_challenge_method",
    ),
    ("providers[0].backendLogoutURL", "backend_logout_url"),
    ("providers[0].keycloakConfig.groups", "keycloak_groups"),
    ("providers[0].keycloakConfig.roles", "allowed_roles"),
    ("providers[0].azureConfig.tenant", "azure_tenant"),
    (
        "providers[0].azureConfig.graphGroupField",
        "azure_graph_group_field",
    ),
    (
        "providers[0].microsoftEntraIDConfig.allowedTenants",
        "entra_id_allowed_tenants",
    ),
    (
        "providers[0].microsoftEntraIDConfig.federatedTokenAuth",
        "entra_id_federated_token_auth",
    ),
    ("providers[0].bitbucketConfig.team", "bitbucket_team"),
    (
        "providers[0].bitbucketConfig.repository",
        "bitbucket_repository",
    ),
    ("providers[0].githubConfig.org", "github_org"),
    ("providers[0].githubConfig.team", "github_team"),
    ("providers[0].githubConfig.repo", "github_repo"),
    ("providers[0].githubConfig.token", "github_token"),
    ("providers[0].githubConfig.users", "github_users"),
    ("providers[0].gitlabConfig.group", "gitlab_groups"),
    ("providers[0].gitlabConfig.projects", "gitlab_projects"),
    ("providers[0].googleConfig.group", "google_groups"),
    ("providers[0].googleConfig.adminEmail", "google_admin_email"),
    (
        "providers[0].googleConfig.serviceAccountJson",
        "google_service_account_json",
    ),
    (
        "providers[0].googleConfig.useApplicationDefaultCredentials",
        "google_use_application_default_credentials",
    ),
    (
        "providers[0].googleConfig.targetPrincipal",
        "google_target_principal",
    ),
    (
        "providers[0].googleConfig.useOrganizationID",
        "google_use_organization_id",
    ),
    (
        "providers[0].googleConfig.adminAPIUserScope",
        "google_admin_api_user_scope",
    ),
    ("providers[0].oidcConfig.issuerURL", "oidc_issuer_url"),
    (
        "providers[0].oidcConfig.insecureAllowUnverifiedEmail",
        "insecure_oidc_allow_unverified_email",
    ),
    (
        "providers[0].oidcConfig.insecureSkipIssuerVerification",
        "insecure_oidc_skip_issuer_verification",
    ),
    (
        "providers[0].oidcConfig.insecureSkipNonce",
        "insecure_oidc_skip_nonce",
    ),
    (
        "providers[0].oidcConfig.skipDiscovery",
        "skip_oidc_discovery",
    ),
    ("providers[0].oidcConfig.jwksURL", "oidc_jwks_url"),
    (
        "providers[0].oidcConfig.publicKeyFiles",
        "oidc_public_key_files",
    ),
    ("providers[0].oidcConfig.emailClaim", "oidc_email_claim"),
    ("providers[0].oidcConfig.groupsClaim", "oidc_groups_claim"),
    ("providers[0].oidcConfig.userIDClaim", "user_id_claim"),
    (
        "providers[0].oidcConfig.audienceClaims",
        "oidc_audience_claims",
    ),
    (
        "providers[0].oidcConfig.extraAudiences",
        "oidc_extra_audiences",
    ),
    (
        "providers[0].oidcConfig.enabledSigningAlgs",
        "oidc_enabled_signing_algs",
    ),
    ("providers[0].loginGovConfig.jwtKey", "jwt_key"),
    ("providers[0].loginGovConfig.jwtKeyFile", "jwt_key_file"),
    ("providers[0].loginGovConfig.pubjwkURL", "pubjwk_url"),
];
