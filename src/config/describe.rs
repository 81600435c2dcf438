//! What every key is for, what its value looks like and what stands in for it: the part of the
//! description that [`shape`](super::shape) does not need. The schema for editors and the reference
//! page are made from both.

mod table;

use table::ALIASES;
use table::KEYS;

/// What is told of one key.
pub(super) struct Described {
    /// Where it stands, with `[]` for each item of a list of mappings.
    pub(super) path: &'static str,
    /// What its scalars look like; of a list, what its items do.
    pub(super) form: Form,
    /// What stands in for it.
    pub(super) default: Default,
    /// What it does.
    pub(super) about: &'static str,
}

/// What a scalar looks like. No form is stricter than the reader of its key.
pub(super) enum Form {
    /// There is none: a section.
    Section,
    /// Any text.
    Text,
    /// A file's name.
    File,
    /// `true` or `false`.
    Switch,
    /// One of a few words.
    Words(&'static [&'static str]),
    /// A whole number in this range.
    Whole(u64, u64),
    /// A duration, and its range in words.
    Duration(&'static str),
    /// A number of bytes, and its range in words.
    Size(&'static str),
    /// A name for the form, and a regular expression that all such texts match.
    Pattern(&'static str, &'static str),
    /// The same where YAML may take such a text for a number.
    Mixed(&'static str, &'static str),
}

/// What stands in for a key that is left out.
pub(super) enum Default {
    /// Nothing may: it has to be given.
    Required,
    /// Nothing does.
    Nothing,
    /// The same as this value.
    Value(&'static str),
    /// Something that no value says.
    Told(&'static str),
}

/// What is told of the key at `path`.
pub(super) fn describe(path: &str) -> Option<&'static Described> {
    let path = canonical(path);
    KEYS.into_iter().flatten().find(|known| known.path == path)
}

/// The path at which the key at `path` is described: some sections stand in several places.
pub(super) fn canonical(path: &str) -> String {
    let mut path = path.to_owned();
    for (other, own) in ALIASES {
        if let Some(rest) = path.strip_prefix(other)
            && (rest.is_empty() || rest.starts_with(['.', '[']))
        {
            path = format!("{own}{rest}");
        }
    }
    path
}

/// The name of the definition that every place of a section with several shares.
pub(super) fn shared(path: &str) -> Option<&'static str> {
    let canonical = canonical(path);
    let shared = ALIASES.iter().find(|(_, own)| *own == canonical);
    shared.map(|(_, own)| own.rsplit_once('.').map_or(*own, |(_, name)| name))
}

/// Every path that is described.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().flatten().map(|known| known.path)
}
