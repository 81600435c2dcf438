//! Which elements are open, and what each is called once its prefix is resolved.

use quick_xml::events::BytesStart;
use quick_xml::name::NamespaceError;
use quick_xml::name::NamespaceResolver;
use quick_xml::name::QName;
use quick_xml::name::ResolveResult;

use super::EnvelopeError;
use super::MAX_DEPTH;
use super::syntax;
use super::syntax::MALFORMED_TAG;

/// The open elements.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// Their names as written, one behind the other.
    names: String,
    /// Where each begins.
    starts: Vec<usize>,
    namespaces: NamespaceResolver,
}

/// A tag that opened or closed an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) kind: Kind,
    /// As written, with its prefix.
    pub(super) name: &'a str,
    /// Empty where there is none.
    pub(super) namespace: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    /// `<a/>`: it is open and closed at once.
    Empty,
    End,
}

impl Tag<'_> {
    /// The name without its prefix.
    pub(super) fn local(&self) -> &str {
        self.name
            .split_once(':')
            .map_or(self.name, |(_, local)| local)
    }

    /// The prefix with its colon, if there is one.
    pub(super) fn prefix(&self) -> &str {
        self.name.strip_suffix(self.local()).unwrap_or_default()
    }

    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local() == local
    }
}

impl Elements {
    /// How many are open.
    pub(super) fn depth(&self) -> usize {
        self.starts.len()
    }

    /// Reads a tag, from `<` to `>`.
    pub(super) fn read<'a>(&mut self, tag: &'a str) -> Result<Tag<'a>, EnvelopeError> {
        let inner = tag
            .strip_prefix('<')
            .and_then(|tag| tag.strip_suffix('>'))
            .ok_or(MALFORMED_TAG)?;
        if let Some(name) = inner.strip_prefix('/') {
            return self.close(name.trim_end_matches(syntax::is_blank));
        }
        let (inner, kind) = match inner.strip_suffix('/') {
            Some(inner) => (inner, Kind::Empty),
            None => (inner, Kind::Start),
        };
        let (name, rest) = inner.split_at(inner.find(syntax::is_blank).unwrap_or(inner.len()));
        if !syntax::is_qname(name) || name.starts_with("xmlns:") {
            return Err(MALFORMED_TAG);
        }
        let attributes = syntax::attributes(rest)?;
        if self.depth() == MAX_DEPTH {
            return Err(EnvelopeError::Limit("more than 128 elements in each other"));
        }
        for (name, value) in &attributes {
            declares_clearly(name, value)?;
        }
        let start = BytesStart::from_content(inner, name.len());
        self.namespaces.push(&start).map_err(|error| match error {
            NamespaceError::TooManyBindings(_) => {
                EnvelopeError::Limit("more than 128 namespaces in each other")
            }
            _ => EnvelopeError::Malformed("a namespace that cannot be declared"),
        })?;
        self.attributes_differ(&attributes)?;
        let namespace = self.resolve(name, true)?;
        match kind {
            Kind::Start => {
                self.starts.push(self.names.len());
                self.names.push_str(name);
            }
            Kind::Empty | Kind::End => self.namespaces.pop(),
        }
        Ok(Tag {
            kind,
            name,
            namespace,
        })
    }

    fn close<'a>(&mut self, name: &'a str) -> Result<Tag<'a>, EnvelopeError> {
        let mismatch = EnvelopeError::Malformed("an end tag that matches no start tag");
        let start = self.starts.pop().ok_or(mismatch)?;
        if self.names.get(start..) != Some(name) {
            return Err(mismatch);
        }
        let namespace = self.resolve(name, true)?;
        self.names.truncate(start);
        self.namespaces.pop();
        Ok(Tag {
            kind: Kind::End,
            name,
            namespace,
        })
    }

    /// No two attributes have the same name once prefixes are resolved (Namespaces in XML §6.3).
    fn attributes_differ(&self, attributes: &[(&str, &str)]) -> Result<(), EnvelopeError> {
        let mut seen: Vec<(String, &str)> = Vec::new();
        for (name, _) in attributes {
            let Some((_, local)) = name
                .split_once(':')
                .filter(|(prefix, _)| *prefix != "xmlns")
            else {
                continue;
            };
            let namespace = self.resolve(name, false)?;
            if seen
                .iter()
                .any(|(uri, known)| *uri == namespace && *known == local)
            {
                return Err(EnvelopeError::Malformed("an attribute that comes twice"));
            }
            seen.push((namespace, local));
        }
        Ok(())
    }

    fn resolve(&self, name: &str, element: bool) -> Result<String, EnvelopeError> {
        let (result, _) = self.namespaces.resolve(QName(name), element);
        match result {
            ResolveResult::Bound(namespace) => Ok(namespace.0.to_owned()),
            ResolveResult::Unbound => Ok(String::new()),
            ResolveResult::Unknown(_) => {
                Err(EnvelopeError::Malformed("a prefix that is not declared"))
            }
        }
    }
}

/// A namespace is compared as text (Namespaces in XML §2.3), after references and blanks in it are
/// resolved; one that needs that is refused, so that nobody has to.
fn declares_clearly(name: &str, value: &str) -> Result<(), EnvelopeError> {
    let prefixed = name.starts_with("xmlns:");
    if prefixed && value.is_empty() {
        return Err(EnvelopeError::Malformed("a prefix without a namespace"));
    }
    let plain = |c: char| !matches!(c, '&' | '\t' | '\r' | '\n');
    if (prefixed || name == "xmlns") && !value.chars().all(plain) {
        return Err(EnvelopeError::Malformed(
            "a namespace that is written with references or line breaks",
        ));
    }
    if name == "xmlns" && RESERVED.contains(&value) {
        return Err(EnvelopeError::Malformed(
            "a namespace that cannot be declared",
        ));
    }
    Ok(())
}

/// Namespaces in XML §3: neither may be the default.
const RESERVED: [&str; 2] = [
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
];
