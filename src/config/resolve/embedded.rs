//! `session.embedded`: whether other sites may frame this one, and which.

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawEmbedded;
use crate::http::Framing;
use crate::http::framing::Ancestor;

impl Resolver<'_> {
    pub(super) fn embedded(&mut self, path: &KeyPath, raw: Option<RawEmbedded>) -> Option<Framing> {
        let section = match raw? {
            RawEmbedded::Switch(text) => {
                let on = self.optional(path, Some(text), values::boolean);
                return (on == Some(true)).then(Framing::marketing_cloud);
            }
            RawEmbedded::Section(section) => section,
        };
        let list = path.child("frame_ancestors");
        match self.each(&list, section.frame_ancestors, Ancestor::parse) {
            // Without a list: `true`, with the same meaning.
            None => Some(Framing::marketing_cloud()),
            Some(ancestors) if ancestors.is_empty() => {
                if !self.findings.blames(&list) {
                    self.findings
                        .problem(Code::BadValue, &list, "must hold at least one origin")
                        .hint("leave the key out for Marketing Cloud's own");
                }
                None
            }
            Some(ancestors) => {
                let ancestors: Vec<Ancestor> = ancestors
                    .into_iter()
                    .map(|(_, ancestor)| ancestor)
                    .collect();
                Some(Framing::new(&ancestors))
            }
        }
    }
}
