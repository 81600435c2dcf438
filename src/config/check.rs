//! Holds a tree of text against the table of keys. Whatever does not fit is reported and taken out,
//! so that what is left always fits the raw tree.

use std::collections::BTreeSet;

use config::Map;
use config::Value;
use config::ValueKind;

use super::findings::Findings;
use super::place::KeyPath;
use super::place::Location;
use super::problem::Code;
use super::shape;
use super::shape::Key;
use super::shape::Shape;
use super::yaml::Entry;
use super::yaml::Kind;
use super::yaml::Node;

/// Checks one layer and notes where its keys stand.
pub(super) fn check(root: Node, findings: &mut Findings) -> Map<String, Value> {
    let at = root.at.clone();
    let mut check = Check { findings };
    match check.value(&shape::CONFIGURATION, &KeyPath::root(), &at, root) {
        Some(Value {
            kind: ValueKind::Table(table),
            ..
        }) => table,
        _ => Map::new(),
    }
}

struct Check<'a> {
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn value(
        &mut self,
        shape: &Shape,
        path: &KeyPath,
        key_at: &Location,
        node: Node,
    ) -> Option<Value> {
        let Node { at, kind } = node;
        match (shape, kind) {
            (_, Kind::Null) => {
                self.findings
                    .problem_at(Code::BadValue, at, path, "has no value")
                    .hint("leave the key out, or quote the text if it is meant");
                None
            }
            (
                Shape::Text
                | Shape::Texts
                | Shape::Secret
                | Shape::Secrets
                | Shape::TextOrSection(_),
                Kind::Text(text),
            ) => {
                self.findings.places.note_value(path, key_at, &at);
                Some(Value::new(None, ValueKind::String(text)))
            }
            (Shape::Section(keys) | Shape::TextOrSection(keys), Kind::Map(entries)) => {
                self.findings.places.note_section(path, key_at, &at);
                Some(self.section(keys, path, entries, false))
            }
            (Shape::Fields, Kind::Map(entries)) => {
                self.findings.places.note_section(path, key_at, &at);
                Some(self.fields(path, entries))
            }
            (Shape::Secret, Kind::Map(entries)) => {
                self.findings.places.note_section(path, key_at, &at);
                Some(self.section(shape::SECRET, path, entries, true))
            }
            (Shape::Texts, Kind::List(items)) => {
                self.findings.places.note_value(path, key_at, &at);
                Some(self.list(&Shape::Text, path, items))
            }
            (Shape::Secrets, Kind::List(items)) => {
                self.findings.places.note_value(path, key_at, &at);
                Some(self.list(&Shape::Secret, path, items))
            }
            (Shape::Sections(keys), Kind::List(items)) => {
                self.findings.places.note_value(path, key_at, &at);
                Some(self.list(&Shape::Section(keys), path, items))
            }
            (shape, _) => {
                self.misshapen(shape, path, at);
                None
            }
        }
    }

    /// Items that do not fit leave a gap, so that the others keep their numbers.
    fn list(&mut self, shape: &Shape, path: &KeyPath, items: Vec<Node>) -> Value {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let at = item.at.clone();
            let value = self.value(shape, &path.index(index), &at, item);
            values.push(value.unwrap_or_else(|| Value::new(None, ValueKind::Nil)));
        }
        Value::new(None, ValueKind::Array(values))
    }

    /// In a secret's section even the names of unknown keys stay hidden: `{ hunter2 }` is one.
    fn section(
        &mut self,
        keys: &'static [Key],
        path: &KeyPath,
        entries: Vec<Entry>,
        hidden: bool,
    ) -> Value {
        let mut table = Map::new();
        let mut seen = Vec::new();
        for Entry { key, at, value } in entries {
            let Some(known) = keys.iter().find(|known| known.name == key) else {
                self.unknown(keys, path, &key, at, hidden);
                continue;
            };
            let path = path.child(known.name);
            if seen.contains(&known.name) {
                self.findings
                    .problem_at(Code::DuplicateKey, at, &path, "is given twice")
                    .hint("keep one of them");
                continue;
            }
            seen.push(known.name);
            if let Some(value) = self.value(&known.shape, &path, &at, value) {
                table.insert(known.name.to_owned(), value);
            }
        }
        Value::new(None, ValueKind::Table(table))
    }

    /// Any names, each of them once.
    fn fields(&mut self, path: &KeyPath, entries: Vec<Entry>) -> Value {
        let mut table = Map::new();
        let mut seen = BTreeSet::new();
        for Entry { key, at, value } in entries {
            let path = path.child(&printable(&key));
            if !seen.insert(key.clone()) {
                self.findings
                    .problem_at(Code::DuplicateKey, at, &path, "is given twice")
                    .hint("keep one of them");
            } else if let Some(value) = self.value(&Shape::Text, &path, &at, value) {
                table.insert(key, value);
            }
        }
        Value::new(None, ValueKind::Table(table))
    }

    fn unknown(&mut self, keys: &[Key], path: &KeyPath, key: &str, at: Location, hidden: bool) {
        if hidden {
            self.findings
                .problem_at(Code::UnknownKey, at, path, "holds an unknown key")
                .hint("a secret is { file: PATH } or { env: NAME }");
            return;
        }
        let path = path.child(&printable(key));
        self.findings
            .problem_at(Code::UnknownKey, at, &path, "unknown key")
            .hint(shape::suggest(keys, key));
    }

    fn misshapen(&mut self, shape: &Shape, path: &KeyPath, at: Location) {
        let wanted = match shape {
            Shape::Text => "must be a single value",
            Shape::Texts => "must be a list of single values",
            Shape::Secret => "must be { file: PATH } or { env: NAME }",
            Shape::Secrets => "must be a list of { file: PATH } or { env: NAME }",
            Shape::Section(_) => "must be a mapping of keys to values",
            Shape::Sections(_) => "must be a list of mappings",
            Shape::Fields => "must be a mapping of names to values",
            Shape::TextOrSection(_) => "must be a single value or a mapping",
        };
        let variable = matches!(at, Location::Variable(_));
        let hint = self.findings.problem_at(Code::BadValue, at, path, wanted);
        if variable && matches!(shape, Shape::Sections(_)) {
            hint.hint("a list of mappings can be given in the file only");
        }
    }
}

/// A name as it can be shown on a terminal.
pub(super) fn printable(name: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = name
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
