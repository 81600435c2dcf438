//! Where a value comes from: its key's path, and the line or the variable that holds it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The path of a key, such as `routes[1].to`. Empty for the whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(String);

impl KeyPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn child(&self, key: &str) -> Self {
        if self.0.is_empty() {
            Self(key.to_owned())
        } else {
            Self(format!("{}.{key}", self.0))
        }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.rfind(['.', '[']).unwrap_or(0);
        Some(Self(self.0.get(..end)?.to_owned()))
    }

    /// This path and those around it, without the root.
    pub(super) fn with_parents(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
            .take_while(|path| !path.0.is_empty())
    }

    /// Those of `paths` that are this one or stand somewhere below it.
    pub(super) fn below<'a>(&'a self, paths: &'a BTreeSet<Self>) -> impl Iterator<Item = &'a Self> {
        // Sorted as text, they follow this one, among siblings whose names only begin like it.
        paths
            .range(self.clone()..)
            .take_while(|path| path.0.starts_with(&self.0))
            .filter(|path| path.is_within(self))
    }

    fn is_within(&self, other: &Self) -> bool {
        match self.0.strip_prefix(&other.0) {
            Some(rest) => other.0.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// In a file.
    File {
        /// The file's name as the operator gave it.
        name: Arc<str>,
        /// Where in it; `None` is the file as a whole.
        position: Option<Position>,
    },
    /// In an environment variable.
    Variable(Arc<str>),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                name,
                position: None,
            } => f.write_str(name),
            Self::File {
                name,
                position: Some(Position { line, column }),
            } => write!(f, "{name}:{line}:{column}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The position of the byte `index` of `text`.
    pub(super) fn of_byte(text: &[u8], index: usize) -> Self {
        let before = text.get(..index).unwrap_or(text);
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = before.get(line_start..).unwrap_or_default();
        // Bytes that continue a character have no column of their own.
        let characters = line.iter().filter(|&&b| b & 0xc0 != 0x80).count();
        Self {
            line: before.split(|&b| b == b'\n').count(),
            column: characters + 1,
        }
    }
}

/// Where each key and its value stand, after the layers have been laid over each other.
pub(super) struct Places {
    start: Location,
    found: BTreeMap<KeyPath, Place>,
}

struct Place {
    key: Location,
    value: Location,
}

impl Places {
    pub(super) fn new(file: &Arc<str>) -> Self {
        let start = Location::File {
            name: Arc::clone(file),
            position: Some(Position::START),
        };
        Self {
            start,
            found: BTreeMap::new(),
        }
    }

    /// Notes a section. One that the file opened stays there when a variable adds to it.
    pub(super) fn note_section(&mut self, path: &KeyPath, key: &Location, value: &Location) {
        self.found.entry(path.clone()).or_insert_with(|| Place {
            key: key.clone(),
            value: value.clone(),
        });
    }

    /// Notes a value that stands in place of whatever a lower layer had there.
    pub(super) fn note_value(&mut self, path: &KeyPath, key: &Location, value: &Location) {
        let below = self.found.range(path.clone()..).map(|(known, _)| known);
        let below = below.take_while(|known| known.0.starts_with(&path.0));
        let hidden: Vec<KeyPath> = below.filter(|key| key.is_within(path)).cloned().collect();
        for key in hidden {
            self.found.remove(&key);
        }
        self.note_section(path, key, value);
    }

    /// Whether anything stands at `path`.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.found.contains_key(path)
    }

    /// Where the value at `path` stands, or the nearest thing around it.
    pub(super) fn value(&self, path: &KeyPath) -> Location {
        self.nearest(Some(path.clone()), |place| &place.value)
    }

    /// Where the section stands that lacks `path`.
    pub(super) fn around(&self, path: &KeyPath) -> Location {
        self.nearest(path.parent(), |place| &place.key)
    }

    fn nearest(
        &self,
        from: Option<KeyPath>,
        side: impl for<'p> Fn(&'p Place) -> &'p Location,
    ) -> Location {
        std::iter::successors(from, KeyPath::parent)
            .find_map(|path| self.found.get(&path))
            .map_or(&self.start, side)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_what_is_around_it() {
        let path = KeyPath::root().child("routes").index(1).child("to");
        assert_eq!(path.as_str(), "routes[1].to");
        let around: Vec<String> = std::iter::successors(Some(path.clone()), KeyPath::parent)
            .map(|path| path.to_string())
            .collect();
        assert_eq!(around, ["routes[1].to", "routes[1]", "routes", ""]);
        assert!(path.is_within(&KeyPath::root().child("routes")));
        assert!(!path.is_within(&KeyPath::root().child("rout")));
    }

    #[test]
    fn a_value_hides_what_a_lower_layer_had_there() {
        let at = |name: &str| Location::Variable(name.into());
        let mut places = Places::new(&"file".into());
        let scope = KeyPath::root().child("scope");
        places.note_value(&scope, &at("a"), &at("a"));
        places.note_value(&scope.index(1), &at("b"), &at("b"));
        places.note_value(&KeyPath::root().child("scope_x"), &at("c"), &at("c"));
        places.note_value(&scope, &at("d"), &at("d"));
        assert_eq!(places.value(&scope.index(1)), at("d"));
        assert_eq!(places.value(&KeyPath::root().child("scope_x")), at("c"));
        assert_eq!(places.around(&scope).to_string(), "file:1:1");
    }

    #[test]
    fn columns_count_characters() {
        let text = "a: ä\nöx: 1\n";
        let index = text.find('x').expect("there");
        let Position { line, column } = Position::of_byte(text.as_bytes(), index);
        assert_eq!((line, column), (2, 2));
    }
}
