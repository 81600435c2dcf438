//! Options that keep people out. None of them may be lost in a configuration that then lets those people in.

use super::super::alpha;

/// Whether an option says who may not come in, by the file's name or by its path in the structured configuration.
pub(in super::super) fn restricts(name: &str) -> bool {
    // Whatever a later version of oauth2-proxy calls so.
    name.starts_with("allowed_")
        || RESTRICTING.contains(&name)
        || alpha::options_of(name).any(|option| RESTRICTING.contains(&option))
}

/// Files with options of their own, which may be among these.
pub(in super::super) const ELSEWHERE: [&str; 2] = ["alpha_config", "config"];

/// All of them, but for `email_domains`, which has an equivalent.
pub(in super::super) const RESTRICTING: &[&str] = &[
    "allowed_groups",
    "allowed_roles",
    PEOPLE,
    "bitbucket_repository",
    "bitbucket_team",
    "entra_id_allowed_tenants",
    "github_org",
    "github_repo",
    "github_team",
    "github_users",
    "gitlab_groups",
    "gitlab_projects",
    "google_group",
    "google_groups",
    "keycloak_groups",
];

/// Lets people in beside those of `email_domains`, and without these nobody else.
pub(in super::super) const PEOPLE: &str = "authenticated_emails_file";
