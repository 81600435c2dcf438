//! The page on every metric, which is made from what a gateway with everything in it exposes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::config::Config;
use crate::config::Environment;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;
use crate::gateway::Router;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Pools;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::metrics::exposition::Format;
use crate::telemetry::metrics::exposition::render;
use crate::telemetry::metrics::registry;
use crate::time::UnixTime;

/// With `BLESS=1` the test writes it anew.
#[test]
fn the_documentation_is_what_is_exposed() {
    let page = page(&everything());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docs/metrics.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &page).expect("written");
    }
    let known = std::fs::read_to_string(file).expect("the page");
    assert!(
        known == page,
        "run this test with BLESS=1 and look at the difference"
    );
}

/// As a gateway with a web app of the `AppExchange`, a tool and a store exposes it.
fn everything() -> String {
    let text = "public_url: https://tool.example.com\n\
                marketing_cloud: { subdomain: mc1, client_id: x, client_secret: { env: SECRET }, partner: true }\n\
                session: { keys: [{ env: KEY }] }\nroutes: [{ path: /, to: \"http://127.0.0.1:3000\" }]\n";
    let key = MasterKey::generate(&OsEntropy);
    let environment: Environment = [("KEY", key.to_text().as_str()), ("SECRET", "s")]
        .into_iter()
        .collect();
    let loaded = Config::from_text("t.yaml", text, Path::new("."), &environment);
    let config = loaded.expect("good").config;
    let provider = Arc::new(config.first.provider);
    if let Client::Web(secrets) = &provider.client {
        let pair = secrets.pair();
        secrets.accepted(&pair, Which::First, UnixTime::from_millis(1_000));
    }
    let router = Router::new(config.first.routes);
    let events = Events::default();
    events.sealed(key.id(), 1_000);
    let pools = Arc::<Pools>::default();
    pools.place("http://127.0.0.1:3000");
    let mut registry = registry(UnixTime::from_millis(1_000));
    events.register(&mut registry);
    let traffic = Traffic::new(config.endpoint_prefix.as_str(), router.prefixes());
    registry.register_collector(Box::new(Arc::new(traffic)));
    registry.register_collector(Box::new(State::new(&provider, Vec::new())));
    registry.register_collector(Box::new(Store(Some(watch::channel(true).1))));
    registry.register_collector(Box::new(pools));
    let reloads = Reloads::begun(UnixTime::from_millis(1_000));
    registry.register_collector(Box::new(Configuration(Arc::new(reloads))));
    render(&registry, Format::Text).expect("memory")
}

/// What is known of a family.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    help: String,
    /// Values by label.
    labels: BTreeMap<String, Vec<String>>,
}

fn page(text: &str) -> String {
    let mut page = HEAD.to_owned();
    for family in families(text) {
        let labels: Vec<String> = (family.labels.iter())
            .map(|(name, values)| label(name, values))
            .collect();
        let labels = if labels.is_empty() {
            "–".to_owned()
        } else {
            labels.join("; ")
        };
        let Family {
            name, kind, help, ..
        } = family;
        writeln!(page, "| `{name}` | {kind} | {labels} | {help} |").expect("a string");
    }
    page
}

fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, help) = told.split_once(' ').expect("a help");
            families.push(Family {
                name: name.to_owned(),
                help: help.to_owned(),
                ..Family::default()
            });
            continue;
        }
        let family = families.last_mut().expect("a help comes first");
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').expect("a type");
            assert_eq!(name, family.name);
            kind.clone_into(&mut family.kind);
            continue;
        }
        let series = line.rsplit_once(' ').expect("a sample").0;
        let Some((_, labels)) = series.split_once('{') else {
            continue;
        };
        // No value here holds a comma or a quotation mark.
        for label in labels.trim_end_matches('}').split(',') {
            let (name, value) = label.split_once('=').expect("a label");
            let values = family.labels.entry(name.to_owned()).or_default();
            let value = value.trim_matches('"').to_owned();
            if name != "le" && !values.contains(&value) {
                values.push(value);
            }
        }
    }
    families
}

fn label(name: &str, values: &[String]) -> String {
    let told = match name {
        "le" => "upper bounds",
        "code" => "[SG-…](errors.md)",
        "key" => "the key's public name, the latest eight",
        "route" => "its prefix; `-` without a route",
        "upstream" => "its addresses as configured; `tenants` are the hosts of all tenants' APIs",
        "version" | "commit" | "features" => "as `sidegate --version`",
        _ => {
            let mut values = values.to_vec();
            values.sort_unstable();
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            return format!("`{name}`: {}", values.join(", "));
        }
    };
    format!("`{name}`: {told}")
}

const HEAD: &str = "# Metrics

Made from the program: names as Prometheus stores them, types, labels with every value that they take, meaning. Nothing of a person,
a session or a request becomes a label. Where there are several `tenants`, each family of a tenant has the label `tenant` too;
`-` is what belongs to none. Series are there before they first move. Client secret and partner families are there where the
configuration has such, `sidegate_session_store_up` where replicas share a store.

| name | type | labels | meaning |
|---|---|---|---|
";
