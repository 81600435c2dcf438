//! The JSON Schema (2020-12) of the configuration, for editors. It refuses unknown keys and values of
//! the wrong form. What only loading can tell, it lets pass: files, ranges of durations, keys that have
//! to stand together, and keys that are left out, since the environment may give them.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::describe;
use super::describe::Default;
use super::describe::Described;
use super::describe::Form;
use super::shape::CONFIGURATION;
use super::shape::Key;
use super::shape::SECRET;
use super::shape::Shape;

/// The schema as text, ending in a line end.
pub fn schema() -> String {
    let mut definitions = Map::new();
    let root = match CONFIGURATION {
        Shape::Section(keys) => section(keys, "", &mut definitions),
        _ => json!({}),
    };
    definitions.insert("secret".to_owned(), secret());
    let document = with(
        root,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Sidegate",
            "description": "The configuration of Sidegate.",
            "$defs": definitions,
        }),
    );
    // Texts and numbers only: nothing that JSON cannot hold.
    let text = serde_json::to_string_pretty(&document);
    debug_assert!(text.is_ok(), "the document is plain");
    text.unwrap_or_default() + "\n"
}

fn section(keys: &[Key], path: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for known in keys {
        let path = match path {
            "" => known.name.to_owned(),
            around => format!("{around}.{}", known.name),
        };
        let told = describe::describe(&path);
        // Items of a list of mappings come from the file alone, so that what they lack is missing.
        let complete = path.contains("[]");
        if complete && told.is_some_and(|told| matches!(told.default, Default::Required)) {
            required.push(known.name);
        }
        let value = property(&known.shape, &path, told, definitions);
        properties.insert(known.name.to_owned(), value);
    }
    let object =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if required.is_empty() {
        object
    } else {
        with(object, json!({ "required": required }))
    }
}

fn property(
    shape: &Shape,
    path: &str,
    told: Option<&Described>,
    definitions: &mut Map<String, Value>,
) -> Value {
    let value = match describe::shared(path) {
        None => value(shape, path, told, definitions),
        Some(name) => {
            // Written where the section is described, and only pointed to elsewhere.
            if describe::canonical(path) == path {
                let shared = value(shape, path, None, definitions);
                definitions.insert(name.to_owned(), shared);
            }
            json!({ "$ref": format!("#/$defs/{name}") })
        }
    };
    let Some(told) = told else { return value };
    let value = with(value, json!({ "description": about(told) }));
    match told.default {
        Default::Value(text) => {
            let plain = |_| Value::String(text.to_owned());
            let default: Value = serde_json::from_str(text).unwrap_or_else(plain);
            with(value, json!({ "default": default }))
        }
        Default::Required | Default::Nothing | Default::Told(_) => value,
    }
}

/// What an editor shows: also what no rule of a schema says.
fn about(told: &Described) -> String {
    let mut text = told.about.to_owned();
    match told.form {
        Form::Duration(range) => text.extend([" A duration: ", range, "."]),
        Form::Size(range) => text.extend([" A size: ", range, "."]),
        Form::Pattern(name, _) | Form::Mixed(name, _) => text.extend([" Form: ", name, "."]),
        Form::Section
        | Form::Text
        | Form::File
        | Form::Switch
        | Form::Words(_)
        | Form::Whole(..) => {}
    }
    if let Default::Told(default) = told.default {
        text.extend([" Default: ", default, "."]);
    }
    text
}

fn value(
    shape: &Shape,
    path: &str,
    told: Option<&Described>,
    definitions: &mut Map<String, Value>,
) -> Value {
    let scalar = || told.map_or_else(|| text(&Form::Text), |told| text(&told.form));
    let secret = || json!({ "$ref": "#/$defs/secret" });
    match shape {
        Shape::Text => scalar(),
        // One text holds several with commas in between, and scopes with blanks.
        Shape::Texts => json!({ "anyOf": [
            scalar(),
            { "type": "string", "pattern": "^$|[, ]" },
            { "type": "array", "items": scalar() },
        ] }),
        Shape::Secret => secret(),
        Shape::Secrets => json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": secret() },
        ] }),
        Shape::Section(keys) => section(keys, path, definitions),
        Shape::Sections(keys) => {
            let items = section(keys, &format!("{path}[]"), definitions);
            json!({ "type": "array", "minItems": 1, "items": items })
        }
        Shape::Fields => json!({ "type": "object", "additionalProperties": scalar() }),
        Shape::TextOrSection(keys) => {
            let section = section(keys, path, definitions);
            json!({ "anyOf": [scalar(), section] })
        }
    }
}

/// Scalars are read as text, whatever YAML takes them for.
fn text(form: &Form) -> Value {
    match form {
        Form::Section => json!({ "type": "object" }),
        Form::Text => json!({ "type": ["string", "number", "boolean"] }),
        Form::File => json!({ "type": "string", "minLength": 1 }),
        Form::Switch => json!({ "enum": [true, false, "true", "false"] }),
        Form::Words(words) => json!({ "enum": words }),
        Form::Whole(least, most) => json!({
            "type": ["integer", "string"],
            "minimum": least,
            "maximum": most,
            "pattern": "^[1-9][0-9]*$",
        }),
        Form::Duration(_) => json!({ "type": "string", "pattern": DURATION }),
        Form::Size(_) => json!({
            "type": ["integer", "string"],
            "minimum": 1,
            "pattern": "^[1-9][0-9]* *(B|KiB|MiB|GiB)?$",
        }),
        Form::Pattern(_, pattern) => json!({ "type": "string", "pattern": pattern }),
        Form::Mixed(_, pattern) => {
            json!({ "type": ["string", "integer"], "pattern": pattern })
        }
    }
}

fn secret() -> Value {
    let about = |name: &str| match name {
        "file" => "A file that holds it, read again when it changes.",
        _ => "A variable that holds it.",
    };
    let properties: Map<String, Value> = SECRET
        .iter()
        .map(|key| {
            let value = json!({ "type": "string", "minLength": 1, "description": about(key.name) });
            (key.name.to_owned(), value)
        })
        .collect();
    json!({ "anyOf": [
        {
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        },
        {
            "type": ["string", "number", "boolean"],
            "description": "The secret itself, which is warned about.",
        },
    ] })
}

/// Numbers with units, such as `1h 30m`.
const DURATION: &str = "^ *([0-9]+(\\.[0-9]+)? *\
    (ns|nsec|us|usec|µs|ms|msec|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|M|months?|y|yrs?|years?) *)+$";

/// `object` with all that `more` says.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
