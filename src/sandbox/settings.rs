//! What a sandbox is like: its packages, its people, and which variant of the provider it plays.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::http::Origin;
use crate::sandbox::people;
use crate::sandbox::people::BusinessUnit;
use crate::sandbox::people::Person;

/// Everything that can be chosen about a sandbox. `Settings::default()` is a tenant that behaves
/// as Marketing Cloud does on a good day.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// What others call this sandbox, where that is not the address it listens on.
    pub public_origin: Option<Origin>,
    /// Default 1079 s, the value of recorded replies. `expires_in` counts whole seconds.
    pub access_token_lifetime: Duration,
    /// Default 30 days, from the last rotation.
    pub refresh_token_lifetime: Duration,
    /// How long a refresh token works again after its first use. Default zero: used once.
    pub refresh_grace: Duration,
    /// Whether a refresh token or a code that comes twice ends all tokens of that sign-in.
    pub reuse_revokes_family: bool,
    /// The API integrations that exist.
    pub clients: Vec<Client>,
    /// Who can sign in.
    pub people: Vec<Person>,
    /// The business units of the enterprise.
    pub business_units: Vec<BusinessUnit>,
    /// How the base URLs in token replies are spelled.
    pub instance_url_style: InstanceUrlStyle,
    /// Sent as `rest_instance_url` exactly as it stands here, to test a fence.
    pub rest_instance_url: Option<String>,
    /// Sent as `soap_instance_url` exactly as it stands here.
    pub soap_instance_url: Option<String>,
    /// Length of access and refresh tokens in characters. Default 512.
    pub token_length: usize,
    /// Refuse authorization requests without an S256 challenge. Default off.
    pub require_pkce: bool,
    /// What signs the calls of Journey Builder's servers.
    pub jwt_signing_secret: String,
    /// The id of a person who is signed in from the beginning: no page is shown, as in silent sign-on.
    pub auto_sign_in: Option<String>,
    /// The enterprise id (EID) that userinfo tells.
    pub enterprise_id: u64,
    /// Tenants of others who have installed the package from the `AppExchange`: their people sign in here
    /// and come back with `tssd`; everything else of theirs is at a host of their own.
    pub partners: Vec<PartnerTenant>,
    /// Added to the callback as `tssd`, as for packages of the `AppExchange`; percent-encoded when sent.
    pub tssd: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_origin: None,
            access_token_lifetime: Duration::from_secs(1079),
            refresh_token_lifetime: Duration::from_hours(30 * 24),
            refresh_grace: Duration::ZERO,
            reuse_revokes_family: true,
            clients: vec![Client::web(), Client::public(), Client::server_to_server()],
            people: people::ready_made(),
            business_units: people::business_units(),
            instance_url_style: InstanceUrlStyle::WithSchemeAndSlash,
            rest_instance_url: None,
            soap_instance_url: None,
            token_length: 512,
            require_pkce: false,
            jwt_signing_secret: "sandbox-signing-secret-do-not-use".to_owned(),
            auto_sign_in: None,
            enterprise_id: people::ENTERPRISE_ID,
            partners: Vec::new(),
            tssd: None,
        }
    }
}

impl Settings {
    /// The client with this id.
    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The person with this id.
    pub(super) fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }
}

/// Another tenant, reached as `{subdomain}.localhost` at the sandbox's own port.
#[derive(Clone, Debug)]
pub struct PartnerTenant {
    /// Its subdomain.
    pub subdomain: String,
    /// Its enterprise id (EID).
    pub enterprise_id: u64,
    /// Who can sign in there; ids are unique over all tenants.
    pub people: Vec<Person>,
    /// Its business units.
    pub business_units: Vec<BusinessUnit>,
}

impl PartnerTenant {
    /// A tenant with one person, called `person`.
    pub fn with_person(subdomain: &str, person: &str, enterprise_id: u64) -> Self {
        let unit = BusinessUnit {
            mid: enterprise_id + 1,
            name: format!("Business unit of {subdomain}"),
        };
        Self {
            subdomain: subdomain.to_owned(),
            enterprise_id,
            people: vec![people::of_partner(person, enterprise_id, unit.mid)],
            business_units: vec![unit],
        }
    }
}

/// An API integration of an installed package.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its component type, with the secrets that are valid now.
    pub kind: ClientKind,
    /// Exact redirect URIs. Empty: any `http` or `https` URI on this machine.
    pub redirect_uris: Vec<String>,
    /// The scopes that the package has; a request without `scope` gets them all.
    pub scopes: Vec<String>,
}

impl Client {
    /// `sandbox-web-client`, with the secret `sandbox-web-secret-do-not-use`.
    pub fn web() -> Self {
        let secrets = vec!["sandbox-web-secret-do-not-use".to_owned()];
        Self::named("sandbox-web-client", ClientKind::Web { secrets })
    }

    /// `sandbox-public-client`, which has no secret.
    pub fn public() -> Self {
        Self::named("sandbox-public-client", ClientKind::Public)
    }

    /// `sandbox-server-client`, with the secret `sandbox-server-secret-do-not-use`.
    pub fn server_to_server() -> Self {
        let secrets = vec!["sandbox-server-secret-do-not-use".to_owned()];
        Self::named(
            "sandbox-server-client",
            ClientKind::ServerToServer { secrets },
        )
    }

    fn named(id: &str, kind: ClientKind) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            redirect_uris: Vec::new(),
            scopes: SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
        }
    }
}

/// The component type of an API integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Authorization code with a secret; two secrets are valid while one is staged.
    Web {
        /// Every secret that is accepted.
        secrets: Vec<String>,
    },
    /// Authorization code without a secret.
    Public,
    /// Client credentials only.
    ServerToServer {
        /// Every secret that is accepted.
        secrets: Vec<String>,
    },
}

impl ClientKind {
    /// `client_type` in the payload of a token.
    pub(super) const fn token_name(&self) -> &'static str {
        match self {
            Self::Web { .. } => "Confidential",
            Self::Public => "Public",
            Self::ServerToServer { .. } => "ServerToServer",
        }
    }
}

/// How instance URLs are spelled: all three have been seen in replies or documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceUrlStyle {
    /// `https://host/`, as in recorded token replies.
    WithSchemeAndSlash,
    /// `host`, as in the documented token reply.
    BareHost,
    /// `https://host`, as in the documented userinfo reply.
    SchemeNoSlash,
}

impl InstanceUrlStyle {
    pub(super) fn spell(self, origin: &Origin) -> String {
        match self {
            Self::WithSchemeAndSlash => format!("{origin}/"),
            Self::BareHost => origin.authority(),
            Self::SchemeNoSlash => origin.to_string(),
        }
    }
}

/// The scopes of a package that may do much, as recorded.
const SCOPES: [&str; 37] = [
    "offline",
    "accounts_read",
    "approvals_read",
    "audiences_read",
    "audiences_write",
    "automations_execute",
    "automations_read",
    "automations_write",
    "calendar_read",
    "campaign_read",
    "campaign_write",
    "data_extensions_read",
    "data_extensions_write",
    "documents_and_images_read",
    "documents_and_images_write",
    "email_read",
    "email_send",
    "email_write",
    "event_notification_callback_read",
    "event_notification_subscription_read",
    "file_locations_read",
    "journeys_execute",
    "journeys_read",
    "journeys_write",
    "list_and_subscribers_read",
    "list_and_subscribers_write",
    "push_read",
    "saved_content_read",
    "saved_content_write",
    "sms_read",
    "tags_read",
    "tags_write",
    "tracking_events_read",
    "users_read",
    "web_read",
    "webhooks_read",
    "workflows_read",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_urls_come_in_three_spellings() {
        let origin = Origin::parse("http://127.0.0.1:9100").expect("an origin");
        for (style, text) in [
            (
                InstanceUrlStyle::WithSchemeAndSlash,
                "http://127.0.0.1:9100/",
            ),
            (InstanceUrlStyle::BareHost, "127.0.0.1:9100"),
            (InstanceUrlStyle::SchemeNoSlash, "http://127.0.0.1:9100"),
        ] {
            assert_eq!(style.spell(&origin), text);
        }
    }
}
