//! The sections `marketing_cloud` and `session`.

use super::Described;
use super::ORIGIN;
use super::UNIT;
use super::key;
use crate::config::describe::Default::Nothing;
use crate::config::describe::Default::Required;
use crate::config::describe::Default::Told;
use crate::config::describe::Default::Value;
use crate::config::describe::Form::Duration;
use crate::config::describe::Form::File;
use crate::config::describe::Form::Pattern;
use crate::config::describe::Form::Section;
use crate::config::describe::Form::Switch;
use crate::config::describe::Form::Text;
use crate::config::describe::Form::Words;

pub(super) const PACKAGE: &[Described] = &[
    key(
        "marketing_cloud",
        Section,
        Nothing,
        "The installed package, as Marketing Cloud's setup shows it. Not beside tenants.",
    ),
    key(
        "marketing_cloud.subdomain",
        Text,
        Required,
        "The part before .auth.marketingcloudapis.com in the package's URLs.",
    ),
    key(
        "marketing_cloud.client_id",
        Text,
        Required,
        "The package's client id.",
    ),
    key(
        "marketing_cloud.client_type",
        Words(&["web", "public"]),
        Value("web"),
        "web has a secret, public has none.",
    ),
    key(
        "marketing_cloud.client_secret",
        Text,
        Told("required for a web client"),
        "The package's client secret. A file is read again when it changes.",
    ),
    key(
        "marketing_cloud.next_client_secret",
        Text,
        Nothing,
        "The staged secret while Marketing Cloud rotates; tried when the first is refused.",
    ),
    key(
        "marketing_cloud.jwt_signing_secret",
        Text,
        Told("required with access: journey_builder"),
        "The package's JWT Signing Secret, which signs the calls of Journey Builder's servers.",
    ),
    key(
        "marketing_cloud.next_jwt_signing_secret",
        Text,
        Nothing,
        "The next signing secret while it is changed; both are good.",
    ),
    key(
        "marketing_cloud.scope",
        Text,
        Told("all that the package has"),
        "What to ask for. Commas or blanks separate in a single text.",
    ),
    key(
        "marketing_cloud.business_unit",
        UNIT,
        Told("the person's own"),
        "The business unit (MID) to sign in to.",
    ),
    key(
        "marketing_cloud.permissions",
        Text,
        Told("none"),
        "Which of a person's permissions (Object.Operation or Object.*) tools are told in X-Marketing-Cloud-Permissions.",
    ),
    key(
        "marketing_cloud.pkce",
        Words(&["s256", "off"]),
        Value("s256"),
        "Proof Key for Code Exchange (RFC 7636).",
    ),
    key(
        "marketing_cloud.partner",
        Switch,
        Value("false"),
        "A package of the AppExchange: people of other tenants sign in too. true lets in any tenant, a section those of its list.",
    ),
    key(
        "marketing_cloud.partner.tenants",
        Text,
        Value("any"),
        "Subdomains of the tenants that are let in, or any.",
    ),
    key(
        "marketing_cloud.partner.auth_base_url",
        Pattern("URL with {tssd}", r"^https?://\{tssd\}\..+$"),
        Told("https://{tssd}.auth.marketingcloudapis.com"),
        "Other tenants' authorization servers; for the sandbox and tests.",
    ),
    key(
        "marketing_cloud.auth_base_url",
        ORIGIN,
        Told("https://SUBDOMAIN.auth.marketingcloudapis.com"),
        "Overrides the authorization server; for the sandbox and tests.",
    ),
    key(
        "marketing_cloud.instance_hosts",
        Text,
        Value("[\"*.rest.marketingcloudapis.com\", \"*.soap.marketingcloudapis.com\"]"),
        "The fence: the only hosts that tokens may go to.",
    ),
    key(
        "session",
        Section,
        Nothing,
        "Sessions: keys, how long they live, where they are kept.",
    ),
    key(
        "session.keys",
        Text,
        Required,
        "Session keys, as sidegate keygen makes them. The first seals, all open. Files are read again when they change.",
    ),
    key(
        "session.lifetime",
        Duration("at least 1s"),
        Value("12h"),
        "From sign-in to the end.",
    ),
    key(
        "session.idle_timeout",
        Duration("at least 1s, at most lifetime"),
        Value("1h"),
        "From the last request to the end; never longer than lifetime.",
    ),
    key(
        "session.store",
        Words(&["cookie"]),
        Value("cookie"),
        "Where sessions are: in cookies, or in Redis or Valkey (6.2 or newer).",
    ),
    key(
        "session.store.redis",
        Section,
        Nothing,
        "A Redis or Valkey server, cluster or group of sentinels.",
    ),
    key(
        "session.store.redis.url",
        Text,
        Required,
        "redis://, rediss:// or unix://; several in a list for cluster and sentinel. One with a password is better a secret.",
    ),
    key(
        "session.store.redis.topology",
        Words(&["single", "cluster", "sentinel"]),
        Value("single"),
        "What the URLs lead to.",
    ),
    key(
        "session.store.redis.sentinel_master",
        Text,
        Told("required with topology: sentinel"),
        "The name by which the sentinels know the master.",
    ),
    key(
        "session.store.redis.username",
        Text,
        Told("that of the URL"),
        "The store's user.",
    ),
    key(
        "session.store.redis.password",
        Text,
        Told("that of the URL"),
        "Its password.",
    ),
    key(
        "session.store.redis.ca_file",
        File,
        Told("the system's roots"),
        "Authorities in PEM that are believed in place of the system's.",
    ),
    key(
        "session.store.redis.certificate_file",
        File,
        Nothing,
        "A client certificate in PEM, where the server asks for one.",
    ),
    key(
        "session.store.redis.key_file",
        File,
        Nothing,
        "Its private key in PEM.",
    ),
    key(
        "session.refresh_coordination",
        Section,
        Nothing,
        "With sessions in cookies, over several replicas: leases and the sealed results of refreshes are shared.",
    ),
    key(
        "session.embedded",
        Switch,
        Value("false"),
        "Inside frames of Marketing Cloud: cookies for frames, pages that its sites may frame. true, or a section with the sites.",
    ),
    key(
        "session.embedded.frame_ancestors",
        Pattern(
            "origin, its first label may be *",
            r"^https?://[^/?#@\s]+/?$",
        ),
        Value("[\"https://*.exacttarget.com\", \"https://*.marketingcloudapps.com\"]"),
        "The sites that may frame this one.",
    ),
    key(
        "session.not_before",
        File,
        Nothing,
        "A YAML file that ends sessions signed in before an instant: for everybody, users, enterprises or sessions.",
    ),
];
