//! The process's environment as a value: overrides (`SIDEGATE__MARKETING_CLOUD__CLIENT_ID`) and
//! the variables that secrets are taken from.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use super::check::printable;
use super::findings::Findings;
use super::place::KeyPath;
use super::place::Location;
use super::problem::Code;
use super::yaml::Entry;
use super::yaml::Kind;
use super::yaml::Node;

/// Variables by name. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables of this process: the one place that reads them.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// Names and values, as far as they are text.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> {
        let texts = self.0.iter();
        texts.filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())))
    }

    /// All overrides as one tree, in which each value knows its variable.
    pub(super) fn overrides(&self, findings: &mut Findings) -> Node {
        let mut root = Vec::new();
        for (name, value) in &self.0 {
            let Some(path) = key_path_of(name) else {
                continue;
            };
            let at = Location::Variable(printable(name).into());
            if let Err((code, message)) = place(&mut root, &path, name, value, &at) {
                let key = path
                    .iter()
                    .take(MAX_LEVELS)
                    .fold(KeyPath::root(), |path, key| path.child(&printable(key)));
                findings.problem_at(code, at, &key, message).hint(SPELLING);
            }
        }
        Node {
            at: Location::Variable(Arc::from(PREFIX)),
            kind: Kind::Map(root),
        }
    }
}

impl<K: Into<String>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self(variables.map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const PREFIX: &str = "SIDEGATE__";
const SPELLING: &str =
    "write it like SIDEGATE__MARKETING_CLOUD__CLIENT_ID: in capitals, two underscores per level";
/// Our deepest key has three levels.
const MAX_LEVELS: usize = 8;

/// The levels that a variable names, in any case of letters: none of ours is passed over.
fn key_path_of(name: &str) -> Option<Vec<String>> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix
        .eq_ignore_ascii_case(PREFIX)
        .then(|| rest.split("__").map(str::to_ascii_lowercase).collect())
}

fn place(
    root: &mut Vec<Entry>,
    path: &[String],
    name: &str,
    value: &OsStr,
    at: &Location,
) -> Result<(), (Code, &'static str)> {
    let capitals = !name.bytes().any(|b| b.is_ascii_lowercase());
    if !capitals || path.len() > MAX_LEVELS || path.iter().any(String::is_empty) {
        return Err((Code::UnknownKey, "does not name a key"));
    }
    let Some(value) = value.to_str() else {
        return Err((Code::BadValue, "is not UTF-8 text"));
    };
    insert(root, path, value, at)
}

fn insert(
    entries: &mut Vec<Entry>,
    path: &[String],
    value: &str,
    at: &Location,
) -> Result<(), (Code, &'static str)> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    let known = entries.iter_mut().find(|entry| entry.key == *key);
    match (known, rest.is_empty()) {
        (None, leaf) => {
            let kind = if leaf {
                Kind::Text(value.to_owned())
            } else {
                let mut below = Vec::new();
                insert(&mut below, rest, value, at)?;
                Kind::Map(below)
            };
            entries.push(Entry {
                key: key.clone(),
                at: at.clone(),
                value: Node {
                    at: at.clone(),
                    kind,
                },
            });
            Ok(())
        }
        (
            Some(Entry {
                value:
                    Node {
                        kind: Kind::Map(below),
                        ..
                    },
                ..
            }),
            false,
        ) => insert(below, rest, value, at),
        // Names are unique, so this is one variable for a whole and another for a part of it.
        (Some(_), _) => Err((Code::DuplicateKey, "is set as a whole and in parts")),
    }
}
