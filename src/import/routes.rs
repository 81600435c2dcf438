//! Upstreams, who may ask for them, and what they are told.

use std::collections::BTreeMap;

use url::Url;

use super::account::Accounts;
use super::document::Document;
use super::document::PLACEHOLDER;
use super::document::list;
use super::document::scalar;
use super::options::restricting::PEOPLE;
use super::paths;
use super::source::Given;
use super::source::shown;
use crate::gateway::route::PathPrefix;

/// A route to be.
struct Route {
    path: String,
    to: String,
    public: bool,
    strip: bool,
}

/// The list `routes`.
pub(super) fn convert(accounts: &mut Accounts, document: &mut Document) {
    let mut routes = Vec::new();
    if let Some(given) = accounts.take("upstreams") {
        for (index, text) in given.list().iter().enumerate() {
            let part = given.part(index, text);
            simple(accounts, &part, &mut routes);
        }
    }
    for (given, fields) in groups(accounts, "upstreamConfig.upstreams[") {
        structured(accounts, &given, &fields, &mut routes);
    }
    let mut token = headers(accounts);
    if let Some((given, on)) = accounts.switch("pass_access_token") {
        if on {
            token = true;
            accounts.differs(
                &given,
                "token: bearer on each route; the tool gets it as Authorization, too",
            );
        } else {
            accounts.unneeded(&given, "a tool gets no token unless its route says so");
        }
    }
    open(accounts, &mut routes);
    let domains = admitted(accounts);
    document.put(0, "routes", "");
    document.line(
        1,
        "# The tenant's own API with the person's token, which oauth2-proxy has not:",
    );
    let rule = match domains.as_slice() {
        [] => String::new(),
        domains => format!("{{ email_domain: {} }}", list(domains)),
    };
    if !domains.is_empty() && routes.iter().all(|route| route.public && route.path != "/") {
        // A proxy that asks is told by the rule of the path that it asks about: there has to be one for all.
        let why = "the source names no upstream that asks who it is, and who may sign in is a rule of a route";
        let how = "the tool's address; if another proxy asks /oauth2/auth, any address, for the rule alone";
        accounts.fill_in("routes", why, how);
        routes.push(Route {
            path: "/".to_owned(),
            to: PLACEHOLDER.to_owned(),
            public: false,
            strip: false,
        });
    }
    if routes.is_empty() {
        let why = "the source names no upstream, as where another proxy asks /oauth2/auth; this one route stands for it";
        accounts.fill_in(
            "routes",
            why,
            "name the tool: { path: /, to: http://127.0.0.1:3000 }, unless another proxy asks",
        );
    }
    let mark = if routes.is_empty() { "" } else { "# " };
    let require = match rule.as_str() {
        "" => String::new(),
        rule => format!(", require: {rule}"),
    };
    let api = format!("{mark}- {{ path: /mc/rest/, to: rest{require} }}");
    document.line(1, &api);
    for route in &routes {
        document.put(1, "- path", &scalar(&route.path));
        document.put(2, "to", &scalar(&route.to));
        if route.strip {
            document.put(2, "strip_prefix", "true");
        }
        if route.public {
            document.put(2, "access", "public");
            continue;
        }
        if token {
            document.put(2, "token", "bearer");
        }
        if !rule.is_empty() {
            document.put(2, "require", &rule);
        }
    }
}

/// An upstream as the file names it: one address, whose path says what it is for.
fn simple(accounts: &mut Accounts, given: &Given, routes: &mut Vec<Route>) {
    let Ok(url) = Url::parse(given.text()) else {
        accounts.none(given, "is no address", "name the tool in `routes`");
        return;
    };
    let path = match url.scheme() {
        "unix" => "/",
        _ => url.path(),
    };
    let fields = BTreeMap::from([("uri", given.text().to_owned()), ("path", path.to_owned())]);
    structured(accounts, given, &fields, routes);
}

/// An upstream by its fields.
fn structured(
    accounts: &mut Accounts,
    given: &Given,
    fields: &BTreeMap<&str, String>,
    routes: &mut Vec<Route>,
) {
    let field = |name: &str| fields.get(name).map_or("", |value| value.trim());
    let is = |name: &str, value: &str| field(name).eq_ignore_ascii_case(value);
    let uri = field("uri");
    if is("static", "true") || uri.starts_with("static:") {
        let why = "answers are not made up: a proxy that asks takes /oauth2/auth";
        accounts.unneeded(given, why);
        return;
    }
    let Some((to, credentials)) = destination(uri) else {
        let why = if uri.starts_with("file:") {
            "files are not served"
        } else {
            "is no address of a tool"
        };
        accounts.none(
            given,
            why,
            "serve them by a program of their own, and name its address in `routes`",
        );
        return;
    };
    let Some((path, strip)) = rewritten(field("path"), field("rewriteTarget")) else {
        accounts.none(
            given,
            "paths are not rewritten by patterns",
            "a path as it is, or with its beginning taken off: `strip_prefix: true`",
        );
        return;
    };
    if PathPrefix::parse(&path).is_err() {
        accounts.none(
            given,
            "its path cannot be one here",
            "write the path without escapes and patterns",
        );
        return;
    }
    if routes.iter().any(|route| route.path == path) {
        accounts.none(
            given,
            "two upstreams have the same path",
            "list both addresses in one route: `to: [one, other]`",
        );
        return;
    }
    let mut differs = Vec::new();
    if !path.ends_with('/') {
        differs.push("what is below the path belongs to the route, too");
    }
    if credentials {
        differs.push("name and password in the address are left out, and not sent");
    }
    for (name, lost, what) in [
        (
            "insecureSkipTLSVerify",
            "true",
            "its certificate is always checked: name its authority in upstream_tls.ca_file",
        ),
        ("passHostHeader", "false", "it sees the public host"),
        ("proxyWebSockets", "false", "WebSockets pass"),
        ("disableKeepAlives", "true", "connections are kept"),
    ] {
        if is(name, lost) {
            differs.push(what);
        }
    }
    if !field("timeout").is_empty() {
        differs.push("its timeout is not taken over: timeouts.upstream_response is for all");
    }
    if differs.is_empty() {
        accounts.taken(given, "routes");
    } else {
        accounts.differs(given, &format!("a route; {}", differs.join("; ")));
    }
    routes.push(Route {
        path,
        to,
        public: false,
        strip,
    });
}

/// Where requests go, and whether the address held a name and a password.
fn destination(uri: &str) -> Option<(String, bool)> {
    if let Some(path) = uri.strip_prefix("unix://") {
        return path
            .starts_with('/')
            .then(|| (format!("unix:{path}"), false));
    }
    let url = Url::parse(uri).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let credentials = !url.username().is_empty() || url.password().is_some();
    Some((url.origin().ascii_serialization(), credentials))
}

/// The path, and whether it is taken off; `None` for any other way of rewriting.
fn rewritten(path: &str, target: &str) -> Option<(String, bool)> {
    if target.is_empty() {
        let path = if path.is_empty() { "/" } else { path };
        return Some((path.to_owned(), false));
    }
    let prefix = path.strip_prefix('^').unwrap_or(path);
    let prefix = prefix.strip_suffix('$').unwrap_or(prefix);
    let prefix = prefix.strip_suffix("(.*)")?;
    (target == "/$1" && prefix.ends_with('/')).then(|| (prefix.to_owned(), true))
}

/// Entries of a list in the structured configuration, each with its fields.
fn groups(accounts: &mut Accounts, list: &str) -> Vec<(Given, BTreeMap<&'static str, String>)> {
    let mut groups: BTreeMap<String, (Given, BTreeMap<&'static str, String>)> = BTreeMap::new();
    let mut left = Vec::new();
    for given in accounts.take_all(list) {
        let rest = given.name.get(list.len()..).unwrap_or_default();
        let Some((index, field)) = rest.split_once("].") else {
            left.push(given);
            continue;
        };
        let Some(known) = FIELDS.iter().find(|known| **known == field) else {
            left.push(given);
            continue;
        };
        let name = format!("{list}{index}]");
        let value = given.values.first().cloned().unwrap_or_default();
        let entry = groups.entry(name.clone()).or_insert_with(|| {
            let whole = Given::alpha(name, given.place.clone(), vec![given.place.clone()]);
            (whole, BTreeMap::new())
        });
        entry.1.insert(known, value);
    }
    accounts.give_back(left);
    groups.into_values().collect()
}

/// Fields that entries of lists have.
const FIELDS: [&str; 21] = [
    "id",
    "path",
    "rewriteTarget",
    "uri",
    "insecureSkipTLSVerify",
    "static",
    "staticCode",
    "flushInterval",
    "passHostHeader",
    "proxyWebSockets",
    "timeout",
    "disableKeepAlives",
    "name",
    "preserveRequestValue",
    "InsecureSkipHeaderNormalization",
    "values[0].claimSource.claim",
    "values[0].claimSource.prefix",
    "values[0].claimSource.basicAuthPassword.value",
    "values[0].secretSource.value",
    "values[0].secretSource.fromFile",
    "values[0].secretSource.fromEnv",
];

/// What tools are told; whether the access token is among it.
fn headers(accounts: &mut Accounts) -> bool {
    let mut token = false;
    for (given, fields) in groups(accounts, "injectRequestHeaders[") {
        let field = |name: &str| fields.get(name).map_or("", |value| value.trim());
        let name = field("name").to_ascii_lowercase();
        let claim = field("values[0].claimSource.claim");
        let prefix = field("values[0].claimSource.prefix");
        match (name.as_str(), claim) {
            ("x-forwarded-user", "user")
            | ("x-forwarded-email", "email")
            | ("x-forwarded-preferred-username", "preferred_username") => {
                accounts.unneeded(&given, "tools are always told");
            }
            ("x-forwarded-access-token", "access_token") => {
                token = true;
                accounts.differs(&given, "token: bearer on each route; the tool gets it as Authorization, too");
            }
            ("authorization", "access_token") if prefix.eq_ignore_ascii_case("bearer") => {
                token = true;
                accounts.differs(&given, "token: bearer on each route; the tool gets it as X-Forwarded-Access-Token, too");
            }
            _ => accounts.none(
                &given,
                "what tools are told is fixed",
                "X-Forwarded-User, -Email, -Preferred-Username and X-Marketing-Cloud-… say who it is; the README lists them",
            ),
        }
    }
    token
}

/// Paths that need no session.
fn open(accounts: &mut Accounts, routes: &mut Vec<Route>) {
    for name in ["skip_auth_routes", "skip_auth_regex"] {
        let Some(given) = accounts.take(name) else {
            continue;
        };
        for (index, pattern) in given.list().iter().enumerate() {
            let part = given.part(index, pattern);
            let pattern = pattern.as_str();
            let by_method = name == "skip_auth_routes" && pattern.contains('=');
            let Some(path) = paths::of_pattern(pattern).filter(|_| !by_method) else {
                let why = "a route is open with all that is below its path, whatever the method, and paths are no patterns";
                let instead = "write a route with `access: public` where all of that may be open";
                accounts.none(&part, why, instead);
                continue;
            };
            let covering = (routes.iter())
                .filter(|route| covers(&route.path, &path.text))
                .max_by_key(|route| route.path.len())
                // A route of its own would not have the same beginning taken off.
                .filter(|route| !route.strip || route.path == path.text);
            let Some(to) = covering.map(|route| route.to.clone()) else {
                let why = "no upstream has this path as it is";
                accounts.none(&part, why, "write a route with `access: public`");
                continue;
            };
            match routes.iter_mut().find(|route| route.path == path.text) {
                Some(route) => route.public = true,
                None => routes.push(Route {
                    path: path.text,
                    to,
                    public: true,
                    strip: false,
                }),
            }
            if path.approximate {
                let why = "a public route; a pattern that ends within a segment opens more than whole segments do";
                accounts.differs(&part, why);
            } else {
                accounts.taken(&part, "routes, with access: public");
            }
        }
    }
}

/// Whether a route of `prefix` is for `path`, by whole segments.
fn covers(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// The e-mail domains that people have to have. Where the source keeps people out in a way that is none here,
/// the placeholder is among them: a person has to decide.
fn admitted(accounts: &mut Accounts) -> Vec<String> {
    let given = accounts.holds(DOMAINS);
    let (all, mut domains) = match domains(accounts) {
        Some(domains) => (domains.is_empty(), domains),
        None => (false, Vec::new()),
    };
    let mut lost = accounts.restricting();
    if given && !all && domains.is_empty() {
        lost.push(DOMAINS.to_owned());
    }
    // A list of people widens what domains say, so that without it fewer get in.
    lost.retain(|name| name != PEOPLE || domains.is_empty());
    if lost.is_empty() {
        return domains;
    }
    let names: Vec<String> = lost.iter().map(|name| shown(name)).collect();
    let why = format!("who gets in depends on {}", names.join(", "));
    let how = "let `require` name what stands for it: email_domain, enterprise, business_unit, permission; \
               leave it out only if everybody whom the package is licensed for may get in";
    accounts.fill_in("routes[].require", &why, how);
    if !domains.iter().any(|domain| domain == PLACEHOLDER) {
        domains.push(PLACEHOLDER.to_owned());
    }
    domains
}

const DOMAINS: &str = "email_domains";

/// What `email_domains` says; `None` if that cannot be read, and no domain if everybody may get in.
fn domains(accounts: &mut Accounts) -> Option<Vec<String>> {
    let given = accounts.take(DOMAINS)?;
    let all = given.list();
    if all.iter().any(|domain| domain == "*") {
        accounts.unneeded(
            &given,
            "everybody whom the package is licensed for may sign in",
        );
        return Some(Vec::new());
    }
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    let good = |domain: &String| domain.contains('.') && domain.split('.').all(label);
    let (exact, others): (Vec<_>, Vec<_>) = all.into_iter().partition(good);
    let why = "`require` on each route: who is not among them can sign in, and gets 403";
    if others.is_empty() {
        accounts.differs(&given, why);
    } else {
        let why = format!(
            "{why}; subdomains (.example.com) cannot be named at once, nor names without a dot: name each whole domain"
        );
        accounts.differs(&given, &why);
    }
    if exact.is_empty() {
        return Some(vec![PLACEHOLDER.to_owned()]);
    }
    let domains = exact.iter().map(|domain| domain.to_ascii_lowercase());
    Some(domains.collect())
}
