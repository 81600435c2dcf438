//! The list of revoked sessions: a small file of its own, read strictly.
//!
//! ```yaml
//! everybody: 2026-11-23T22:00:00Z
//! users: { "10654321": 2026-11-23T22:00:00Z }
//! enterprises: { "7281698": 2026-11-23T22:00:00Z }
//! sessions: { 0f1e2d3c4b5a69788796a5b4c3d2e1f0: 2026-11-23T22:00:00Z }
//! ```

use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::check::printable;
use super::findings::Findings;
use super::place::KeyPath;
use super::place::Location;
use super::problem::Code;
use super::problem::Problems;
use super::yaml;
use super::yaml::Entry;
use super::yaml::Kind;
use super::yaml::Node;
use crate::session::NotBefore;
use crate::session::id::SessionId;
use crate::time::UnixTime;

/// The file that `session.not_before` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBeforeFile(PathBuf);

impl NotBeforeFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its bytes as they are now.
    pub fn bytes(&self) -> std::io::Result<Vec<u8>> {
        super::read(&self.0)
    }

    /// Reads the list in `bytes`.
    pub fn parse(&self, bytes: &[u8]) -> Result<NotBefore, Problems> {
        let name: Arc<str> = self.0.to_string_lossy().into();
        let mut reader = Reader {
            findings: Findings::new(&name),
        };
        let list = match yaml::parse(&name, bytes) {
            Ok(root) => reader.list(root),
            Err(refused) => {
                reader.findings.refused(&name, refused);
                return Err(reader.findings.into_problems());
            }
        };
        reader.findings.finish(Some(list)).map(|(list, _)| list)
    }
}

struct Reader {
    findings: Findings,
}

impl Reader {
    fn list(&mut self, root: Node) -> NotBefore {
        let mut list = NotBefore::default();
        let mut seen = Vec::new();
        for Entry { key, at, value } in self.entries(&KeyPath::root(), root) {
            let path = KeyPath::root().child(&printable(&key));
            if seen.contains(&key) {
                self.duplicate(at, &path);
                continue;
            }
            match key.as_str() {
                "everybody" => list.everybody = self.instant(&path, value),
                "users" => {
                    let sub = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                    list.users = self.section(&path, value, "must be a user's `sub`", sub);
                }
                "enterprises" => {
                    let id = |text: &str| text.parse().ok();
                    list.enterprises = self.section(&path, value, "must be an enterprise's id", id);
                }
                "sessions" => {
                    let message = "must be a session's id of 32 hexadecimal digits, as logged";
                    list.sessions = self.section(&path, value, message, SessionId::parse);
                }
                _ => self
                    .findings
                    .problem_at(Code::UnknownKey, at, &path, "unknown key")
                    .hint("known here: everybody, users, enterprises, sessions"),
            }
            seen.push(key);
        }
        list
    }

    fn section<K: Eq + Hash>(
        &mut self,
        path: &KeyPath,
        node: Node,
        wanted: &str,
        parse: impl Fn(&str) -> Option<K>,
    ) -> HashMap<K, UnixTime> {
        let mut section = HashMap::new();
        for Entry { key, at, value } in self.entries(path, node) {
            let path = path.child(&printable(&key));
            let Some(key) = parse(&key) else {
                self.findings.problem_at(Code::BadValue, at, &path, wanted);
                continue;
            };
            if let Some(instant) = self.instant(&path, value)
                && section.insert(key, instant).is_some()
            {
                self.duplicate(at, &path);
            }
        }
        section
    }

    fn entries(&mut self, path: &KeyPath, node: Node) -> Vec<Entry> {
        match node.kind {
            Kind::Map(entries) => entries,
            Kind::Null | Kind::Text(_) | Kind::List(_) => {
                let wanted = "must be a mapping of keys to instants";
                self.findings
                    .problem_at(Code::BadValue, node.at, path, wanted);
                Vec::new()
            }
        }
    }

    fn instant(&mut self, path: &KeyPath, node: Node) -> Option<UnixTime> {
        let instant = match &node.kind {
            Kind::Text(text) => UnixTime::parse_rfc3339(text),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        };
        if instant.is_none() {
            self.findings
                .problem_at(Code::BadValue, node.at, path, "must be an instant in UTC")
                .hint("such as 2026-11-23T22:00:00Z");
        }
        instant
    }

    fn duplicate(&mut self, at: Location, path: &KeyPath) {
        self.findings
            .problem_at(Code::DuplicateKey, at, path, "is given twice")
            .hint("keep one of them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NotBefore, String> {
        let file = NotBeforeFile::new("revoked.yaml".into());
        file.parse(text.as_bytes())
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let list = parse(
            "everybody: 2026-11-23T22:00:00Z\nusers: { \"10654321\": 2026-11-23T22:00:01Z }\n\
             enterprises:\n  7281698: 2026-11-23T22:00:02.5Z\n\
             sessions:\n  0f1e2d3c4b5a69788796a5b4c3d2e1f0: 2026-11-23T22:00:03Z\n",
        )
        .expect("good");
        let at = |millis: u64| UnixTime::from_millis(1_795_471_200_000 + millis);
        let id = SessionId::parse("0f1e2d3c4b5a69788796a5b4c3d2e1f0").expect("an id");
        assert_eq!(list.everybody, Some(at(0)));
        assert_eq!(
            list.users,
            HashMap::from([("10654321".to_owned(), at(1000))])
        );
        assert_eq!(list.enterprises, HashMap::from([(7_281_698, at(2500))]));
        assert_eq!(list.sessions, HashMap::from([(id, at(3000))]));
        assert!(
            parse("")
                .expect("an empty file is an empty list")
                .is_empty()
        );
        assert!(parse("# nobody\n").expect("so are comments").is_empty());
    }

    #[test]
    fn whatever_else_stands_there_is_refused_with_its_place() {
        for (text, found) in [
            (
                "everybody: now",
                "revoked.yaml:1:12: error[SG-6004]: everybody",
            ),
            ("everybody: 2026-11-23", "everybody: must be an instant"),
            (
                "everybody: 2026-11-23T22:00:00+01:00",
                "must be an instant in UTC",
            ),
            ("everyone: 2026-11-23T22:00:00Z", "SG-6002"),
            ("users: [\"1\"]", "users: must be a mapping"),
            (
                "enterprises: { x: 2026-11-23T22:00:00Z }",
                "an enterprise's id",
            ),
            (
                "sessions: { 0f1e: 2026-11-23T22:00:00Z }",
                "32 hexadecimal digits",
            ),
            (
                "users: {}\nusers: {}",
                "revoked.yaml:2:1: error[SG-6007]: users",
            ),
            ("- x", "must be a mapping"),
        ] {
            let problems = parse(text).expect_err(text);
            assert!(problems.contains(found), "{text}: {problems}");
        }
    }
}
