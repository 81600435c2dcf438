//! The schema: what is committed is what is generated, and a validator agrees with loading.

use jsonschema::Validator;
use serde_json::Value;
use yaml_rust2::Yaml;
use yaml_rust2::YamlLoader;

use super::LEAST;
use super::findings;
use super::loaded;
use super::rules;
use super::secrets::yaml_of_the_documentation;
use crate::config::describe;
use crate::config::describe::Default;
use crate::config::describe::Form;
use crate::config::schema;
use crate::config::shape::CONFIGURATION;
use crate::config::shape::Key;
use crate::config::shape::Shape;

/// With `BLESS=1` the test writes it anew.
#[test]
fn the_committed_schema_is_this_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sidegate.schema.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, schema()).expect("written");
    }
    let known = std::fs::read_to_string(file).expect("the schema");
    assert!(
        known == schema(),
        "run this test with BLESS=1 and look at the difference"
    );
}

#[test]
fn it_is_a_schema() {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
}

/// Every key, as a path with `[]` for the items of a list.
pub(super) fn keys() -> Vec<(String, &'static Shape)> {
    fn add(keys: &'static [Key], prefix: &str, found: &mut Vec<(String, &'static Shape)>) {
        for key in keys {
            let path = format!("{prefix}{}", key.name);
            found.push((path.clone(), &key.shape));
            match key.shape {
                Shape::Section(keys) | Shape::TextOrSection(keys) => {
                    add(keys, &format!("{path}."), found);
                }
                Shape::Sections(keys) => add(keys, &format!("{path}[]."), found),
                Shape::Text | Shape::Texts | Shape::Secret | Shape::Secrets | Shape::Fields => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Shape::Section(keys) = CONFIGURATION {
        add(keys, "", &mut found);
    }
    found
}

#[test]
fn every_key_is_described_and_nothing_else() {
    let keys = keys();
    for (path, shape) in &keys {
        let told = describe::describe(path).unwrap_or_else(|| panic!("{path} is not described"));
        assert!(told.about.ends_with('.'), "{path}");
        let section = matches!(shape, Shape::Section(_) | Shape::Sections(_));
        assert_eq!(matches!(told.form, Form::Section), section, "{path}");
    }
    for path in describe::paths() {
        let known = keys.iter().any(|(key, _)| key == path);
        assert!(known, "{path} is described but no key");
    }
}

/// The words of an enumeration are those that loading names when it refuses another one.
#[test]
fn words_are_those_that_loading_takes() {
    let mut tried = 0;
    for (path, _) in keys() {
        let words = match describe::describe(&path).map(|told| &told.form) {
            Some(Form::Words(words)) => words.to_vec(),
            Some(Form::Switch) => vec!["true", "false"],
            _ => continue,
        };
        // Told in other words, as there is only one, beside a section.
        if matches!(path.as_str(), "tls" | "session.store") || path.starts_with("tenants[]") {
            continue;
        }
        let text = set(&path, "nonsense");
        let expected = format!("must be one of: {}", words.join(", "));
        let found = findings(&text);
        assert!(
            found.iter().any(|line| line.ends_with(&expected)),
            "{path}: {expected}\n{found:#?}\n{text}"
        );
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
}

/// A default that is a value leads to the same configuration when it is written down.
#[test]
fn defaults_are_those_of_loading() {
    let mut tried = 0;
    for (path, _) in keys() {
        let Some(Default::Value(value)) = describe::describe(&path).map(|told| &told.default)
        else {
            continue;
        };
        // These ask for other keys too, and are not kept.
        if path.starts_with("tenants[]") || path.starts_with("tests[]") {
            continue;
        }
        let section_of = |path: &str| path.rsplit_once('.').map(|(around, _)| around.to_owned());
        // Inside a section that means something by being there: the same section without the key.
        let around = match section_of(&path).as_deref() {
            Some("routes[].health") => Some("{ path: /x }"),
            Some("session.store.redis" | "session.refresh_coordination.redis") => {
                Some("{ url: 'rediss://a' }")
            }
            Some("session.embedded" | "marketing_cloud.partner") => Some("{}"),
            _ => None,
        };
        let without = match (around, section_of(&path)) {
            (Some(around), Some(section)) => set(&section, around),
            _ => json(LEAST).to_string(),
        };
        let with = match (around, section_of(&path)) {
            (Some(around), Some(section)) => {
                let name = path.rsplit_once('.').map_or("", |(_, name)| name);
                let inner = around.trim_start_matches("{ ").trim_end_matches(" }");
                let inner = inner.trim_matches(['{', '}']);
                let comma = if inner.is_empty() { "" } else { ", " };
                set(&section, &format!("{{ {inner}{comma}{name}: {value} }}"))
            }
            _ => set(&path, value),
        };
        assert_ne!(with, without, "{path}");
        let show = |text: &str| without_places(&format!("{:?}", loaded(text).config));
        assert_eq!(show(&with), show(&without), "{path}");
        tried += 1;
    }
    assert!(tried > 45, "{tried}");
}

/// A configuration as text, but for where in the file its secrets stand.
fn without_places(shown: &str) -> String {
    let mut parts = shown.split("Position {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('}').map_or(part, |(_, rest)| rest)
    })
}

/// `LEAST` with the key at `path` set to `value`, both in flow style.
fn set(path: &str, value: &str) -> String {
    let mut document = json(LEAST);
    let mut place = &mut document;
    for step in path.split('.') {
        let (name, item) = step.strip_suffix("[]").map_or((step, false), |s| (s, true));
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[name];
        if item {
            if !place.is_array() {
                *place = Value::Array(vec![Value::Null]);
            }
            place = &mut place[0];
        }
    }
    *place = json(&format!("v: {value}"))["v"].take();
    if path == "tls.client_auth" {
        document["tls"]["client_ca_file"] = "x".into();
    }
    if path == "routes[].journey_body" {
        document["routes"][0]["access"] = "journey_builder".into();
    }
    document.to_string()
}

#[test]
fn what_loads_is_valid() {
    let validator = validator();
    let mut good = 0;
    for (added, text, found) in rules::texts() {
        // What only warns loads.
        if !found.is_empty() && !found.starts_with("SG-61") {
            continue;
        }
        good += 1;
        assert_valid(&validator, &text, added);
    }
    assert!(good > 80, "{good}");
    assert_valid(&validator, LEAST, "the least");
    assert_valid(
        &validator,
        include_str!("../../../config/sidegate.yaml"),
        "the example",
    );
    let blocks = yaml_of_the_documentation();
    let ours: Vec<_> = blocks
        .iter()
        .filter(|text| text.contains("marketing_cloud:") || text.starts_with("tests:"))
        .collect();
    assert_eq!(ours.len(), 4);
    for block in ours {
        assert_valid(&validator, block, "the documentation");
    }
}

#[test]
fn what_is_misspelt_is_refused() {
    let validator = validator();
    let mut unknown = 0;
    for (added, text, found) in rules::texts() {
        if found.contains("SG-6002") {
            unknown += 1;
            assert!(!validator.is_valid(&json(&text)), "{added}");
        }
    }
    assert!(unknown > 2, "{unknown}");
    // One more key in every section there is.
    let mut document = json(include_str!("../../../config/sidegate.yaml"));
    let mut sections = Vec::new();
    sections_of(&document, String::new(), &mut sections);
    assert!(sections.len() > 25, "{sections:?}");
    // Fields of a request may have any name.
    let closed = sections
        .into_iter()
        .filter(|pointer| !pointer.ends_with("/headers"));
    for pointer in closed {
        let section = document.pointer_mut(&pointer).expect("a section");
        section["nonsense"] = "x".into();
        assert!(!validator.is_valid(&document), "{pointer}");
        let section = document.pointer_mut(&pointer).expect("a section");
        section
            .as_object_mut()
            .and_then(|map| map.remove("nonsense"));
    }
    assert!(validator.is_valid(&document));
}

#[test]
fn wrong_values_are_refused() {
    let validator = validator();
    for (path, value) in [
        ("public_url", "tool.example.com"),
        ("workers", "0"),
        ("workers", "[2]"),
        ("h2c", "yes"),
        ("tls", "acme"),
        ("trusted_proxies", "[here]"),
        ("csrf.header", "Content-Type"),
        ("marketing_cloud.client_secret", "{ file: a, env: b }"),
        ("marketing_cloud.client_secret", "{}"),
        ("marketing_cloud.pkce", "plain"),
        ("marketing_cloud.business_unit", "-1"),
        ("session.lifetime", "12"),
        ("session.lifetime", "1 fortnight"),
        ("limits.body_size", "1GB"),
        ("rate_limits.sign_in", "60"),
        ("routes[].access", "signed-in"),
        ("routes[].to", "ftp://x"),
        ("routes", "[{ path: / }]"),
        ("routes", "[]"),
    ] {
        let text = set(path, value);
        assert!(!validator.is_valid(&json(&text)), "{path}: {value}");
        assert!(!findings(&text).is_empty(), "{path}: {value}");
    }
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

fn assert_valid(validator: &Validator, text: &str, what: &str) {
    let document = json(text);
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// A text as editors read it: with YAML's own types.
fn json(text: &str) -> Value {
    let documents = YamlLoader::load_from_str(text).expect("YAML");
    value(documents.first().expect("one document"))
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().map_or(Value::Null, Value::from),
        Yaml::Integer(number) => (*number).into(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Boolean(switch) => (*switch).into(),
        Yaml::Array(items) => items.iter().map(value).collect(),
        Yaml::Hash(entries) => entries
            .iter()
            .map(|(key, item)| (key.as_str().unwrap_or_default().to_owned(), value(item)))
            .collect(),
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

fn sections_of(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                sections_of(value, format!("{at}/{key}"), found);
            }
            found.push(at);
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                sections_of(value, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}
