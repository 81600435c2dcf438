//! The layers of a configuration as sources of the `config` crate: the file below, the environment
//! on top. Its own YAML and environment readers are not used, as they change values (`0123`, `1e5`)
//! and know no positions.

use std::fmt;

use config::Config;
use config::ConfigError;
use config::Map;
use config::Source;
use config::Value;

use super::place::KeyPath;
use super::raw::Raw;

/// Lays `layers` over each other, the last on top, and reads the result.
pub(super) fn merge(layers: Vec<Layer>) -> Result<Raw, KeyPath> {
    let merged = layers
        .into_iter()
        .fold(Config::builder(), |builder, layer| {
            builder.add_source(layer)
        })
        .build()
        .map_err(|_| KeyPath::root())?;
    // The error's text is not kept: it would show the value.
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let segments = error.path().iter();
        segments.fold(KeyPath::root(), |path, segment| match segment {
            serde_path_to_error::Segment::Seq { index } => path.index(*index),
            serde_path_to_error::Segment::Map { key } => path.child(key),
            _ => path,
        })
    })
}

/// One checked layer: known keys only, every scalar as text.
#[derive(Clone)]
pub(super) struct Layer(pub(super) Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use config::ValueKind;

    use super::*;
    use crate::config::shape::CONFIGURATION;
    use crate::config::shape::Key;
    use crate::config::shape::SECRET;
    use crate::config::shape::Shape;

    /// A value with every key that the table knows, or with single values where it leaves a choice.
    fn filled(shape: &Shape, full: bool) -> Value {
        let section = |keys: &[Key]| {
            let known = keys
                .iter()
                .map(|key| (key.name.to_owned(), filled(&key.shape, full)));
            ValueKind::Table(known.collect())
        };
        let text = || ValueKind::String("x".to_owned());
        let list = |kind: ValueKind| {
            ValueKind::Array(vec![
                Value::new(None, kind),
                Value::new(None, ValueKind::Nil),
            ])
        };
        let kind = match shape {
            Shape::Section(keys) => section(keys),
            Shape::Sections(keys) => list(section(keys)),
            Shape::Fields => ValueKind::Table(Map::new()),
            Shape::Texts if full => list(text()),
            Shape::Secret if full => section(SECRET),
            Shape::Secrets if full => list(section(SECRET)),
            Shape::TextOrSection(keys) if full => section(keys),
            _ => text(),
        };
        Value::new(None, kind)
    }

    #[test]
    fn the_raw_tree_has_every_key_of_the_table() {
        for full in [true, false] {
            let Value {
                kind: ValueKind::Table(table),
                ..
            } = filled(&CONFIGURATION, full)
            else {
                panic!("the configuration is a section");
            };
            let raw = merge(vec![Layer(table)]).unwrap_or_else(|path| panic!("{path}"));
            assert_eq!(raw.workers.as_deref(), Some("x"));
            assert_eq!(raw.session.lifetime.as_deref(), Some("x"));
            assert_eq!(raw.routes.map(|routes| routes.len()), Some(2));
        }
    }

    #[test]
    fn an_error_says_where_and_not_what() {
        let log = Value::new(None, ValueKind::String("hunter2".to_owned()));
        let layer = Layer(Map::from([("log".to_owned(), log)]));
        assert_eq!(format!("{layer:?}"), r#"{"log"}"#);
        let path = merge(vec![layer]).err().map(|path| path.to_string());
        assert_eq!(path.as_deref(), Some("log"));
    }
}
