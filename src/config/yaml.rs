//! YAML as a tree of text. Scalars are never typed here (`0123` stays `0123`), and what makes a
//! configuration hard to read or to bound is refused: anchors, aliases, tags, several documents.

use std::sync::Arc;

use yaml_rust2::parser::Event;
use yaml_rust2::parser::Parser;
use yaml_rust2::scanner::Marker;
use yaml_rust2::scanner::ScanError;
use yaml_rust2::scanner::TScalarStyle;

use super::place::Location;
use super::place::Position;

/// One node and where it begins. Has no `Debug`, as any scalar may be a secret.
pub(crate) struct Node {
    pub(crate) at: Location,
    pub(crate) kind: Kind,
}

/// What a node is.
pub(crate) enum Kind {
    /// Nothing: `key:`, `~` or `null`, unquoted.
    Null,
    /// A scalar, exactly as written.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file; keys may repeat.
    Map(Vec<Entry>),
}

/// One key of a mapping.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Location,
    pub(crate) value: Node,
}

/// Why a text is not taken as YAML.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// Largest configuration file, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// Most scalars, sequences and mappings in one file.
const MAX_NODES: usize = 10_000;
/// Deepest nesting; ours needs five levels.
const MAX_DEPTH: usize = 16;

/// Reads one document; an empty text is an empty mapping.
pub(crate) fn parse(name: &Arc<str>, bytes: &[u8]) -> Result<Node, Refused> {
    let text = plain_text(bytes)?;
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder {
        name: Arc::clone(name),
        open: Vec::new(),
        root: None,
        documents: 0,
        nodes: 0,
    };
    loop {
        // Pulled, not pushed: the parser's own loop recurses and cannot be stopped half-way.
        let (event, mark) = parser.next_token().map_err(|error| Refused::scan(&error))?;
        if event == Event::StreamEnd {
            let at = builder.location(Position::START);
            return Ok(builder.root.unwrap_or(Node {
                at,
                kind: Kind::Map(Vec::new()),
            }));
        }
        builder.take(event, position(mark))?;
    }
}

fn plain_text(bytes: &[u8]) -> Result<&str, Refused> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes");
        return Err(Refused::new(Position::START, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = Position::of_byte(bytes, error.valid_up_to());
        Refused::new(at, "the file is not UTF-8 text")
    })?;
    // YAML allows a byte order mark, the parser does not.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser takes NUL for the end of the file and would drop what follows.
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    match text.find(control) {
        None => Ok(text),
        Some(index) => Err(Refused::new(
            Position::of_byte(text.as_bytes(), index),
            "a control character is not allowed",
        )),
    }
}

struct Builder {
    name: Arc<str>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A collection whose end has not been seen yet.
enum Open {
    List(Location, Vec<Node>),
    Map(Location, Vec<Entry>, Option<(String, Location)>),
}

impl Builder {
    fn take(&mut self, event: Event, at: Position) -> Result<(), Refused> {
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here";
                    return Err(Refused::new(at, message).hint("keep one document in the file"));
                }
                Ok(())
            }
            Event::Alias(_) => Err(Refused::sharing(at)),
            Event::Scalar(text, style, anchor, tag) => {
                self.admit(at, anchor, tag.is_some())?;
                let at = self.location(at);
                self.put_scalar(text, style, at)
            }
            Event::SequenceStart(anchor, tag) => {
                self.admit(at, anchor, tag.is_some())?;
                let at = self.location(at);
                self.open(Open::List(at, Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.admit(at, anchor, tag.is_some())?;
                let at = self.location(at);
                self.open(Open::Map(at, Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List(at, items)) => Node {
                        at,
                        kind: Kind::List(items),
                    },
                    Some(Open::Map(at, entries, _)) => Node {
                        // The parser points at the first colon of a block mapping.
                        at: match entries.first() {
                            Some(first) => at.min(first.at.clone()),
                            None => at,
                        },
                        kind: Kind::Map(entries),
                    },
                    None => return Ok(()),
                };
                self.put(node);
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn admit(&mut self, at: Position, anchor: usize, tagged: bool) -> Result<(), Refused> {
        self.nodes += 1;
        if anchor != 0 {
            return Err(Refused::sharing(at));
        }
        if tagged {
            let message = "tags (!name) are not supported";
            return Err(Refused::new(at, message).hint("quote the text if it begins with !"));
        }
        if self.nodes > MAX_NODES {
            return Err(Refused::new(
                at,
                format!("more than {MAX_NODES} values in one file"),
            ));
        }
        Ok(())
    }

    fn open(&mut self, collection: Open) -> Result<(), Refused> {
        let (Open::List(at, _) | Open::Map(at, ..)) = &collection;
        if self.awaits_key() {
            return Err(Refused::new(place(at), "a key must be plain text"));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            return Err(Refused::new(place(at), message));
        }
        self.open.push(collection);
        Ok(())
    }

    fn put_scalar(
        &mut self,
        text: String,
        style: TScalarStyle,
        at: Location,
    ) -> Result<(), Refused> {
        let null = style == TScalarStyle::Plain
            && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        if self.awaits_key() {
            if null {
                return Err(Refused::new(place(&at), "a key is empty"));
            }
            if let Some(Open::Map(_, _, key)) = self.open.last_mut() {
                *key = Some((text, at));
            }
            return Ok(());
        }
        let kind = if null { Kind::Null } else { Kind::Text(text) };
        self.put(Node { at, kind });
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map(_, _, None)))
    }

    fn put(&mut self, mut node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => {
                if let Some((key, at)) = key.take() {
                    // Where nothing is written, the parser points at whatever comes next.
                    if matches!(node.kind, Kind::Null) {
                        node.at = at.clone();
                    }
                    entries.push(Entry {
                        key,
                        at,
                        value: node,
                    });
                }
            }
        }
    }

    fn location(&self, position: Position) -> Location {
        Location::File {
            name: Arc::clone(&self.name),
            position: Some(position),
        }
    }
}

impl Refused {
    fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn sharing(at: Position) -> Self {
        Self::new(at, "anchors (&name) and aliases (*name) are not supported")
            .hint("repeat the value; quote the text if it begins with & or *")
    }

    fn scan(error: &ScanError) -> Self {
        Self::new(
            position(*error.marker()),
            format!("not YAML: {}", error.info()),
        )
    }
}

fn place(at: &Location) -> Position {
    match at {
        Location::File {
            position: Some(position),
            ..
        } => *position,
        _ => Position::START,
    }
}

/// The parser counts lines from 1 and columns from 0.
fn position(mark: Marker) -> Position {
    Position {
        line: mark.line().max(1),
        column: mark.col() + 1,
    }
}

#[cfg(test)]
mod tests;
