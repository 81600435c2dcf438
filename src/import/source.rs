//! Where options stand: a file in TOML, variables, flags.

use std::fmt;

use toml::de::DeTable;
use toml::de::DeValue;

use super::options;
use super::options::Kind;

/// One option that was given. Has no `Debug` of its values, as any of them may be a secret.
pub struct Given {
    /// As the file calls it (`client_id`), or the path in the structured configuration.
    pub(super) name: String,
    /// `oauth2-proxy.cfg:3`, `OAUTH2_PROXY_CLIENT_ID`, `--client-id`.
    pub(super) place: String,
    pub(super) values: Vec<String>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.place)
    }
}

impl Given {
    pub(super) fn new(name: &str, place: String, values: Vec<String>) -> Self {
        Self {
            name: canonical(name),
            place,
            values,
        }
    }

    /// One whose name only the structured configuration has.
    pub(super) fn alpha(name: String, place: String, values: Vec<String>) -> Self {
        Self {
            name,
            place,
            values,
        }
    }

    /// A part of one, to be accounted for by itself.
    pub(super) fn part(&self, index: usize, value: &str) -> Self {
        Self {
            name: format!("{}[{index}]", self.name),
            place: self.place.clone(),
            values: vec![value.to_owned()],
        }
    }

    /// The single value; several are as good as none where one is wanted.
    pub(super) fn text(&self) -> &str {
        match self.values.as_slice() {
            [value] => value.trim(),
            _ => "",
        }
    }

    /// All values; oauth2-proxy also takes a list as one text with commas.
    pub(super) fn list(&self) -> Vec<String> {
        let parts = self.values.iter().flat_map(|value| value.split(','));
        let parts = parts.map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// Whether a switch is on, as Go reads it.
    pub(super) fn is_on(&self) -> bool {
        matches!(
            self.text(),
            "1" | "t" | "T" | "true" | "True" | "TRUE" | "yes" | "on"
        )
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| value.trim().is_empty())
    }
}

/// Why a source cannot be read. Shows no text of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// File, line and column.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Malformed {}

/// Reads oauth2-proxy's file, which is TOML without sections.
pub fn cfg(name: &str, bytes: &[u8]) -> Result<Vec<Given>, Malformed> {
    let malformed = |line: usize, message: &str| Malformed {
        place: format!("{name}:{line}"),
        message: message.to_owned(),
    };
    let text =
        std::str::from_utf8(bytes).map_err(|_| malformed(1, "the file is not UTF-8 text"))?;
    if text.len() > MAX_BYTES {
        return Err(malformed(1, "the file is larger than 1 MiB"));
    }
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        // The message is about syntax; what stands there is not part of it.
        malformed(line_of(text, at), error.message())
    })?;
    let mut given: Vec<(usize, Given)> = (table.get_ref().iter())
        .map(|(key, value)| {
            let at = key.span().start;
            let place = format!("{name}:{}", line_of(text, at));
            let values = values_of(value.get_ref());
            (at, Given::new(key.get_ref(), place, values))
        })
        .collect();
    given.sort_by_key(|(at, _)| *at);
    Ok(given.into_iter().map(|(_, given)| given).collect())
}

/// Lists of lists and sections are none of oauth2-proxy's: they come out empty.
fn values_of(value: &DeValue<'_>) -> Vec<String> {
    match value {
        DeValue::Array(items) => (items.iter())
            .filter_map(|item| scalar(item.get_ref()))
            .collect(),
        single => scalar(single).into_iter().collect(),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

/// Reads the variables `OAUTH2_PROXY_…`, as far as their values are text.
pub fn variables(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Given> {
    let mut given: Vec<Given> = (variables.into_iter())
        .filter_map(|(name, value)| {
            let option = name.strip_prefix("OAUTH2_PROXY_")?;
            Some(Given::new(option, name.clone(), vec![value]))
        })
        .collect();
    given.sort_by(|a, b| a.place.cmp(&b.place));
    given
}

/// Reads flags as oauth2-proxy's command line has them. A flag that is given twice is a list.
pub fn flags(arguments: impl IntoIterator<Item = String>) -> Vec<Given> {
    let mut given: Vec<Given> = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--") else {
            // Perhaps the program's name, perhaps a value that lost its flag, perhaps a secret.
            given.push(Given::new("", "a word without --".to_owned(), Vec::new()));
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let switch = options::find(&canonical(name)).is_some_and(|(it, _)| it.kind == Kind::Switch);
        let value = match value {
            None if switch => "true".to_owned(),
            None => arguments
                .next_if(|next| !next.starts_with("--"))
                .unwrap_or_default(),
            Some(value) => value,
        };
        let next = Given::new(name, format!("--{}", shown(name)), vec![value]);
        match given.iter_mut().find(|known| known.name == next.name) {
            Some(known) => known.values.extend(next.values),
            None => given.push(next),
        }
    }
    given
}

/// Flags, file keys and variables differ in spelling only; lists may be named in the singular.
fn canonical(name: &str) -> String {
    let name = name.to_lowercase().replace('-', "_");
    match options::find(&name) {
        Some((option, _)) => option.name.to_owned(),
        None => name,
    }
}

/// A name as it can be shown on a terminal and in a comment.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 60;
    let shown = name.chars().take(LONGEST).flat_map(char::escape_debug);
    shown.collect()
}

/// Largest file that is read.
const MAX_BYTES: usize = 1 << 20;
