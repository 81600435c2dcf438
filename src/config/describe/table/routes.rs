//! The sections `routes`, `upstream` and `upstream_tls`.

use super::DEADLINE;
use super::Described;
use super::PREFIX;
use super::UNIT;
use super::key;
use crate::config::describe::Default::Nothing;
use crate::config::describe::Default::Required;
use crate::config::describe::Default::Told;
use crate::config::describe::Default::Value;
use crate::config::describe::Form;
use crate::config::describe::Form::Duration;
use crate::config::describe::Form::File;
use crate::config::describe::Form::Pattern;
use crate::config::describe::Form::Section;
use crate::config::describe::Form::Size;
use crate::config::describe::Form::Switch;
use crate::config::describe::Form::Whole;
use crate::config::describe::Form::Words;

pub(super) const ROUTES: &[Described] = &[
    key(
        "routes",
        Section,
        Required,
        "What path goes where; the longest path that matches wins, by whole segments. Not beside tenants.",
    ),
    key(
        "routes[].path",
        PREFIX,
        Required,
        "What the request's path has to start with.",
    ),
    key(
        "routes[].to",
        UPSTREAM,
        Required,
        "rest or soap for the tenant's API, else the tool's address; a list is shared out to the least busy.",
    ),
    key(
        "routes[].access",
        Words(&["signed_in", "optional", "public", "journey_builder"]),
        Value("signed_in"),
        "Who may ask.",
    ),
    key(
        "routes[].token",
        Words(&["none", "bearer"]),
        Told("none; bearer for rest and soap"),
        "Whether the tool gets the access token.",
    ),
    key(
        "routes[].strip_prefix",
        Switch,
        Told("false; true for rest and soap"),
        "Whether the route's path is taken off.",
    ),
    key(
        "routes[].protocol",
        Words(&["http1", "h2"]),
        Value("http1"),
        "What the tool speaks. h2 passes trailers (gRPC) and takes no WebSockets.",
    ),
    key(
        "routes[].health",
        Section,
        Told("no questions: what fails to connect is left out"),
        "Asks each address of a tool whether it is well.",
    ),
    key(
        "routes[].health.path",
        TARGET,
        Required,
        "What to ask for; 2xx and 3xx are good.",
    ),
    key(
        "routes[].health.interval",
        Duration("100ms to 24h"),
        Value("10s"),
        "From question to question.",
    ),
    key(
        "routes[].health.timeout",
        DEADLINE,
        Value("2s"),
        "How long an answer may take; by default no longer than interval.",
    ),
    key(
        "routes[].isolated",
        Switch,
        Value("false"),
        "Whether other sites may do no more than link here.",
    ),
    key(
        "routes[].journey_body",
        Words(&["unchanged", "decoded"]),
        Told("unchanged, with access: journey_builder"),
        "What of a signed call the tool gets: the token as it came, or its claims as JSON.",
    ),
    key(
        "routes[].body_size",
        Size("1 to 1024 GiB"),
        Told("limits.body_size"),
        "The largest body of a request.",
    ),
    key(
        "routes[].business_unit",
        UNIT,
        Nothing,
        "Only in this business unit (MID); who is in another one gets a button that switches.",
    ),
    key(
        "routes[].require",
        Section,
        Nothing,
        "Only for some of those who are signed in: all kinds that are named have to hold, each by any of its values.",
    ),
    key(
        "routes[].require.enterprise",
        UNIT,
        Nothing,
        "Enterprises (EID).",
    ),
    key(
        "routes[].require.business_unit",
        UNIT,
        Nothing,
        "Business units (MID); in place of the route's business_unit.",
    ),
    key(
        "routes[].require.permission",
        Pattern("Object.Operation", r"^[^*\s]+\.[^*\s]+$"),
        Nothing,
        "Permissions in the present business unit, as userinfo names them.",
    ),
    key(
        "routes[].require.email_domain",
        Pattern("domain", r"^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+$"),
        Nothing,
        "All that follows the last @; no subdomains.",
    ),
    key(
        "upstream",
        Section,
        Nothing,
        "How each worker connects to each address of an upstream.",
    ),
    key(
        "upstream.max_connections",
        Whole(1, 65_535),
        Value("1024"),
        "Connections; with HTTP/2, requests under way.",
    ),
    key(
        "upstream.max_wait",
        DEADLINE,
        Value("5s"),
        "How long a request waits for a free one.",
    ),
    key(
        "upstream.resolve_every",
        DEADLINE,
        Value("30s"),
        "How often names are resolved.",
    ),
    key(
        "upstream_tls",
        Section,
        Nothing,
        "TLS to tools; the name in a certificate is always checked. Changed files count for new connections.",
    ),
    key(
        "upstream_tls.ca_file",
        File,
        Told("the system's authorities"),
        "Authorities in PEM that are believed in place of the system's.",
    ),
    key(
        "upstream_tls.certificate_file",
        File,
        Nothing,
        "A client certificate in PEM, shown where a tool asks for one.",
    ),
    key(
        "upstream_tls.key_file",
        File,
        Nothing,
        "Its private key in PEM.",
    ),
];

const TARGET: Form = Pattern("path and query", r"^/[^#\s]*$");

const UPSTREAM: Form = Pattern(
    "rest, soap, origin or unix:PATH",
    r"^(rest|soap|https?://[^/?#@\s]+/?|unix:/.+)$",
);
