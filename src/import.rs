//! A configuration of oauth2-proxy, said in ours: nothing in it is dropped without a word, and no secret
//! in it is said again.
//!
//! Three kinds of source give options ([`source`]); every option that oauth2-proxy documents is in one
//! table ([`options`]) with what becomes of it; those that are taken over are turned into keys
//! ([`convert`]), and what is said about each becomes comments and notices ([`account`]).

mod account;
mod alpha;
mod convert;
mod document;
mod options;
mod paths;
mod routes;
mod source;
mod store;

#[cfg(test)]
mod tests;

pub use account::Notice;
pub use source::Given;
pub use source::Malformed;
pub use source::cfg;
pub use source::flags;
pub use source::variables;

/// Reads oauth2-proxy's structured configuration (`--alpha-config`).
pub fn alpha(name: &str, bytes: &[u8]) -> Result<Vec<Given>, Malformed> {
    alpha::read(name, bytes)
}

/// A configuration of ours, and what there is to say about it.
#[derive(Debug)]
pub struct Imported {
    /// The configuration in YAML, with comments.
    pub yaml: String,
    /// What has no equivalent, means something else or has to be filled in.
    pub notices: Vec<Notice>,
}

/// Turns options, the most binding last, into a configuration. `from` names their source.
pub fn import(from: &str, given: Vec<Given>) -> Imported {
    let mut accounts = account::Accounts::new(given);
    let document = convert::convert(&mut accounts);
    let told = accounts.close();
    Imported {
        yaml: document.to_yaml(from, &told),
        notices: told.notices(),
    }
}
