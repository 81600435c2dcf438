//! The table of keys.

mod numbers;
mod package;
mod routes;

use super::Default;
use super::Default::Nothing;
use super::Default::Required;
use super::Default::Told;
use super::Default::Value;
use super::Described;
use super::Form;
use super::Form::Duration;
use super::Form::File;
use super::Form::Pattern;
use super::Form::Section;
use super::Form::Switch;
use super::Form::Text;
use super::Form::Whole;
use super::Form::Words;
use numbers::NUMBERS;
use package::PACKAGE;
use routes::ROUTES;

/// Every key, in parts.
pub(super) const KEYS: [&[Described]; 4] = [TOP, PACKAGE, ROUTES, NUMBERS];

/// Places of a section that is described elsewhere.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("tenants[].marketing_cloud", "marketing_cloud"),
    ("tenants[].routes", "routes"),
    ("routes[].upstream_tls", "upstream_tls"),
    ("session.refresh_coordination.redis", "session.store.redis"),
];

const ORIGIN: Form = Pattern("origin", r"^https?://[^/?#@\s]+/?$");
const ADDRESS: Form = Pattern("address and port", r"^\S+:[0-9]+$");
const LISTEN: Form = Pattern("address and port, or unix:PATH", r"^(unix:.+|\S+:[0-9]+)$");
const NETWORK: Form = Pattern("network or address", r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$");
const MODE: Form = Form::Mixed("permissions in octal", r"^0?[0-7]{3}$");
const PREFIX: Form = Pattern("path", r"^/[^%;?#\\\s]*$");
const HOST_NAME: Form = Pattern("host name", r"^[^/?#@:\s]+$|^\[[0-9A-Fa-f:.]+\]$");
const HEADER: Form = Pattern("header name", r"^[Xx]-[!#$%&'*+.^_`|~0-9A-Za-z-]+$");
const COLOR: Form = Pattern("colour", r"^\s*#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})\s*$");
const UNIT: Form = Whole(1, u64::MAX);
const DEADLINE: Form = Duration("1ms to 24h");

const fn key(path: &'static str, form: Form, default: Default, about: &'static str) -> Described {
    Described {
        path,
        form,
        default,
        about,
    }
}

/// The top level, but for what has a part of its own.
const TOP: &[Described] = &[
    key(
        "public_url",
        ORIGIN,
        Required,
        "What browsers type: https, or http on loopback. The redirect URI and the cookies follow from it. Not beside tenants.",
    ),
    key(
        "listen",
        LISTEN,
        Value("127.0.0.1:8080"),
        "The public listeners, up to 16.",
    ),
    key(
        "admin_listen",
        ADDRESS,
        Value("127.0.0.1:9901"),
        "Probes, metrics and the status page. Keep it private.",
    ),
    key(
        "admin_hosts",
        HOST_NAME,
        Value("[]"),
        "Names under which the status page is shown, beside addresses and localhost.",
    ),
    key(
        "workers",
        Whole(1, 1024),
        Told("as many as the cores this process may use"),
        "How many cores serve.",
    ),
    key(
        "listen_mode",
        MODE,
        Told("0660"),
        "Permissions of the sockets among listen.",
    ),
    key(
        "tls",
        Words(&["self_signed"]),
        Told("no TLS: behind a terminator"),
        "TLS at the public listeners: files, or self_signed for development.",
    ),
    key(
        "tls.certificate_file",
        File,
        Required,
        "The certificate and its chain in PEM. Read again when it changes.",
    ),
    key(
        "tls.key_file",
        File,
        Required,
        "Its private key in PEM. Read again when it changes.",
    ),
    key(
        "tls.client_ca_file",
        File,
        Nothing,
        "Authorities in PEM of which clients have to show certificates.",
    ),
    key(
        "tls.client_auth",
        Words(&["optional", "required"]),
        Told("required beside client_ca_file"),
        "Whether a client has to show a certificate; one that is shown has to be good.",
    ),
    key(
        "tls.client_cert_header",
        Switch,
        Told("false"),
        "Whether tools are told of the client's certificate, as Client-Cert (RFC 9440).",
    ),
    key(
        "h2c",
        Switch,
        Value("false"),
        "HTTP/2 without TLS by prior knowledge, on listeners without tls.",
    ),
    key(
        "proxy_protocol",
        Switch,
        Value("false"),
        "Every connection has to begin with a PROXY protocol header, from an address in trusted_proxies.",
    ),
    key(
        "trusted_proxies",
        NETWORK,
        Value("[]"),
        "Who may say X-Forwarded-*.",
    ),
    key(
        "endpoint_prefix",
        PREFIX,
        Value("/oauth2/"),
        "Where Sidegate's own pages are: sign-in, callback, sign-out, account.",
    ),
    key(
        "keep_fragment",
        Switch,
        Value("false"),
        "Whether #fragments survive a sign-in, by way of a small page with a script.",
    ),
    key(
        "auth_path_header",
        HEADER,
        Told("none: /oauth2/auth holds the rules of all routes"),
        "The field in which the proxy that asks /oauth2/auth names the path, and which it sets itself.",
    ),
    key(
        "pages",
        Section,
        Nothing,
        "The owner's brand on the pages that people see: sign-in, sign-out, account, errors.",
    ),
    key(
        "pages.name",
        Text,
        Told("Sidegate"),
        "What the tool is called, up to 60 characters.",
    ),
    key(
        "pages.logo",
        File,
        Nothing,
        "A picture beside the name: PNG, JPEG, WebP or SVG, up to 32 KiB.",
    ),
    key(
        "pages.accent",
        COLOR,
        Told("#0b5cab"),
        "The colour of buttons; links and outlines get the nearest shade that can be read.",
    ),
    key(
        "pages.support_url",
        Pattern(
            "https or mailto URL",
            r"^\s*([Hh][Tt][Tt][Pp][Ss]|[Mm][Aa][Ii][Ll][Tt][Oo]):.+$",
        ),
        Nothing,
        "Where people get help.",
    ),
    key(
        "pages.directory",
        File,
        Nothing,
        "Templates in place of our pages, by file name: account.html, failure.html, sign_out.html, signed_out.html. They are tried at the start.",
    ),
    key(
        "allowed_origins",
        ORIGIN,
        Value("[]"),
        "Other origins whose pages may use this site with the person's session: https, or http on loopback.",
    ),
    key(
        "csrf",
        Section,
        Nothing,
        "How unsafe requests prove that a page of this site sent them.",
    ),
    key(
        "csrf.header",
        HEADER,
        Told("none: such a client has to send Origin"),
        "A header that lets a client pass that sends neither Sec-Fetch-Site nor Origin.",
    ),
    key(
        "tests",
        Section,
        Nothing,
        "Requests and what has to become of them. One that fails is a problem, also to serve.",
    ),
    key(
        "tests[].request",
        Pattern("method and URL or path", r"^\s*[^ ]+ +[^ ].*$"),
        Required,
        "Such as GET /mc/rest/x. A path alone is asked of the first site.",
    ),
    key(
        "tests[].headers",
        Text,
        Nothing,
        "Fields of its head, by name.",
    ),
    key(
        "tests[].signed_in",
        Switch,
        Value("false"),
        "Whether somebody is signed in.",
    ),
    key(
        "tests[].expect",
        Section,
        Required,
        "What is expected; at least one key.",
    ),
    key(
        "tests[].expect.route",
        Text,
        Nothing,
        "The path of the route that takes it.",
    ),
    key(
        "tests[].expect.decision",
        Words(&["forward", "sign_in", "own", "refuse"]),
        Nothing,
        "What it comes to. own is an answer of this gateway's.",
    ),
    key(
        "tests[].expect.code",
        Pattern("failure code", "^SG-[0-9]{4}$"),
        Nothing,
        "The code of the refusal.",
    ),
    key(
        "tests[].expect.to",
        Text,
        Nothing,
        "Where it would go: the upstream alone, or with path and query.",
    ),
    key(
        "tenants",
        Section,
        Nothing,
        "Several tenants or packages in one gateway, up to 256, in place of public_url, marketing_cloud and routes.",
    ),
    key(
        "tenants[].name",
        Form::Mixed("name", r"^[a-z0-9][a-z0-9_-]*$"),
        Required,
        "What logs and metrics call it.",
    ),
    key(
        "tenants[].hosts",
        Text,
        Required,
        "Its hosts, up to 16, each a site of its own: a host with or without a port for https, or a whole origin.",
    ),
];
