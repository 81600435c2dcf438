//! What an administrator does about a fault in Marketing Cloud's Setup, for the documentation and the log.

use super::Fault;

impl Fault {
    /// The screens and what to do there; `None` where Setup has no part in it.
    pub fn in_setup(self) -> Option<&'static str> {
        Some(match self {
            Self::AccessDenied => {
                "Setup > Users: the user is active, may sign in, and has access to the business unit (MID) in `marketing_cloud.business_unit`."
            }
            Self::UserNotLicensed => {
                "Setup > Platform Tools > Apps > Installed Packages > the package > Access: license the user, or all users of the business unit."
            }
            Self::UnauthorizedClient => {
                "Installed Packages > the package > Components: the API Integration is of type Web App (or Public App). A component of another type cannot be changed: add a package."
            }
            Self::InvalidScope => {
                "Installed Packages > the package > Components > API Integration > Edit: tick the permissions that `marketing_cloud.scope` names."
            }
            Self::AuthorizeRefused => {
                "Installed Packages > the package > Components > API Integration: compare the client id and the redirect URIs."
            }
            Self::ClientRefused => {
                "Installed Packages > the package > Components > API Integration: compare the client id; where the secret is older than 180 days, or was made anew, stage one, put it into the file of `next_client_secret`, wait five minutes, activate it. The package has to be installed and enabled in this account."
            }
            Self::ForeignTenant => {
                "The user belongs to another account. Installed Packages shows the packages of this one."
            }
            Self::SessionTooLarge => {
                "Installed Packages > the package > Components > API Integration > Edit: untick permissions that the tool does not need."
            }
            Self::LegacySignIn => {
                "Installed Packages > New: an enhanced package (all since August 2019) with an API Integration (Web App) and a Marketing Cloud App whose login endpoint is `…/oauth2/start` and logout endpoint `…/oauth2/sign_out`. Legacy packages post a JWT and cannot be converted."
            }
            Self::JourneyUnsigned => {
                "Installed Packages > the package: the JWT Signing Secret is for `marketing_cloud.jwt_signing_secret`; the activity's `config.json` says `useJwt: true` for each of its calls."
            }
            Self::ProviderThrottled | Self::ProviderBlocked => {
                "Nothing in Setup raises the limit. A package of its own for this tool keeps other integrations' requests out of it."
            }
            Self::ProviderGone => {
                "Installed Packages > the package > Components > API Integration: the Authentication Base URI begins with the subdomain."
            }
            Self::RedirectMismatch => {
                "Installed Packages > the package > Components > API Integration > Edit > Redirect URIs: add `public_url` followed by `/oauth2/callback`: https, no wildcard, no slash too many; `localhost` is not taken."
            }
            Self::LegacyEndpoint => {
                "Installed Packages > the package > Components > API Integration: use its Authentication Base URI; `auth.exacttargetapis.com` and `/v1/requestToken` are for legacy packages."
            }
            _ => return None,
        })
    }
}
