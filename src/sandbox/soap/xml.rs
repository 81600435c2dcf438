//! An envelope as a tree, as another parser than the gateway's sees it.

use quick_xml::events::BytesStart;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The value of `xsi:type`, without its prefix.
    pub(super) kind: Option<String>,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

impl Element {
    /// Reads a document with one root; `None` if it is not one.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut reader = NsReader::from_str(document.trim_start_matches('\u{feff}'));
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().ok()?;
            match event {
                Event::Start(start) => open.push(Self::named(&reader, &start)?),
                Event::Empty(start) => {
                    let element = Self::named(&reader, &start)?;
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?;
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*name))
                        .ok()?
                        .into_owned();
                    open.last_mut()?.text.push_str(&text);
                }
                Event::DocType(_) => return None,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
            if open.len() > MAX_DEPTH {
                return None;
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        let [root] = <[Self; 1]>::try_from(document.children).ok()?;
        Some(root)
    }

    fn named(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Option<Self> {
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(_) => return None,
        };
        let kind = start
            .attributes()
            .flatten()
            .find(|attribute| attribute.key.local_name().as_ref() == "type")
            .map(|attribute| {
                let value = attribute.value.into_owned();
                value.rsplit(':').next().unwrap_or_default().to_owned()
            });
        Some(Self {
            namespace,
            name: local.as_ref().to_owned(),
            kind,
            ..Self::default()
        })
    }

    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The children of this name in the namespace of the API.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children
            .iter()
            .filter(move |child| child.is(super::PARTNER, name))
    }

    /// The first of them.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.is(super::PARTNER, name))
    }

    /// The text of the first of them.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

const MAX_DEPTH: usize = 200;
