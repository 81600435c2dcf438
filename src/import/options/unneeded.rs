//! What need not be said here.

use super::Entry;
use super::list;
use super::secret;
use super::switch;
use super::text;

/// Why, and which.
pub(super) const UNNEEDED: &[(&str, &[Entry])] = &[
    (
        "a query passes untouched",
        &[switch("allow_query_semicolons")],
    ),
    (
        "name the file itself: --alpha-config FILE before the --",
        &[text("alpha_config")],
    ),
    (
        "scripts and navigations are told apart by what the browser says: a script always gets 401, never a redirect",
        &[list("api_routes", "api_route")],
    ),
    (
        "sign-ins and refusals are in the log and in the metrics",
        &[switch("auth_logging")],
    ),
    (
        "is about another provider; people sign in at Marketing Cloud",
        &[
            text("azure_graph_group_field"),
            text("azure_tenant"),
            switch("entra_id_federated_token_auth"),
            secret("github_token"),
            text("google_admin_api_user_scope"),
            text("google_admin_email"),
            text("google_service_account_json"),
            text("google_target_principal"),
            text("google_use_application_default_credentials"),
            text("google_use_organization_id"),
            text("resource"),
        ],
    ),
    (
        "name the file itself: sidegate import FILE",
        &[text("config")],
    ),
    ("sidegate check does that", &[switch("config_test")]),
    (
        "this is the conversion",
        &[switch("convert_config_to_alpha")],
    ),
    ("a sign-in has 10 minutes", &[text("cookie_csrf_expire")]),
    (
        "each sign-in under way has a cookie of its own, five at most",
        &[
            switch("cookie_csrf_per_request"),
            text("cookie_csrf_per_request_limit"),
        ],
    ),
    (
        "tokens are renewed before they expire, by themselves",
        &[text("cookie_refresh")],
    ),
    ("the state holds no address", &[switch("encode_state")]),
    (
        "everything goes to standard error",
        &[switch("errors_to_info_log")],
    ),
    ("answers pass as they come", &[text("flush_interval")]),
    (
        "each client gets what it accepts: a page, or JSON with a code",
        &[switch("force_json_errors")],
    ),
    (
        "Marketing Cloud gives no ID token, so there is none to verify; the person is read from its userinfo endpoint",
        &[
            switch("insecure_oidc_allow_unverified_email"),
            switch("insecure_oidc_skip_issuer_verification"),
            switch("insecure_oidc_skip_nonce"),
            list("oidc_audience_claims", "oidc_audience_claim"),
            list("oidc_enabled_signing_algs", "oidc_enabled_signing_alg"),
            list("oidc_extra_audiences", "oidc_extra_audience"),
            text("oidc_jwks_url"),
            list("oidc_public_key_files", "oidc_public_key_file"),
        ],
    ),
    (
        "whoever keeps the log turns it over; times are UTC",
        &[
            switch("logging_compress"),
            switch("logging_local_time"),
            text("logging_max_age"),
            text("logging_max_backups"),
            text("logging_max_size"),
        ],
    ),
    (
        "the person comes from Marketing Cloud's userinfo, whose fields are fixed",
        &[
            text("oidc_email_claim"),
            text("oidc_groups_claim"),
            switch("skip_claims_from_profile_url"),
            text("user_id_claim"),
        ],
    ),
    (
        "follows from marketing_cloud.subdomain",
        &[text("profile_url"), text("validate_url")],
    ),
    (
        "there is no page with a button: a navigation is redirected straight to Marketing Cloud",
        &[
            text("provider_display_name"),
            switch("skip_provider_button"),
        ],
    ),
    (
        "connections are kept alive by themselves",
        &[text("redis_connection_idle_timeout")],
    ),
    (
        "probes have a listener of their own and are not logged",
        &[switch("silence_ping_logging")],
    ),
    ("there is no discovery", &[switch("skip_oidc_discovery")]),
    ("sidegate --version", &[switch("version")]),
];
