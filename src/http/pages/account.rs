//! The account page: who am I, where, what may the tool do, until when.

use askama::Template;
use serde::Serialize;

use super::messages::Messages;
use super::messages::fill;
use super::scopes;
use super::scopes::Scope;
use super::script;
use super::shell::Shell;
use super::shell::Unit;
use crate::time::UnixTime;

/// What the page tells.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// The person's name or, failing that, key.
    pub name: &'a str,
    /// User name.
    pub user: &'a str,
    /// E-mail address.
    pub email: Option<&'a str>,
    /// The tenant's subdomain.
    pub tenant: &'a str,
    /// Enterprise id (EID).
    pub enterprise: Option<u64>,
    /// The present business unit, with its name where that is known.
    pub unit: Option<String>,
    /// The granted scope, where the session keeps it.
    pub scope: Option<&'a str>,
    /// The time.
    pub now: UnixTime,
    /// When the person signed in.
    pub signed_in_at: UnixTime,
    /// When the session ends without a request.
    pub idle_until: UnixTime,
    /// When it ends whatever happens.
    pub ends_at: UnixTime,
    /// When the access token ends.
    pub token_until: UnixTime,
    /// Connections that end with the session.
    pub streams: usize,
    /// Other units that the session was in, and what they are called.
    pub units: &'a [(u64, String)],
    /// Where the form goes that switches.
    pub switch: &'a str,
    /// Where the sign-out form goes.
    pub sign_out: &'a str,
}

impl<'a> Account<'a> {
    pub(super) fn page(&'a self, shell: Shell<'a>) -> AccountPage<'a> {
        let t = shell.t;
        let number = |id: Option<u64>| id.map_or_else(|| t.unknown.to_owned(), |id| id.to_string());
        let unit = self.unit.clone();
        let facts = [
            (t.user, Some(self.user.to_owned())),
            (t.email, self.email.map(str::to_owned)),
            (t.enterprise, Some(number(self.enterprise))),
            (t.business_unit, unit.or_else(|| Some(t.unknown.to_owned()))),
            (t.tenant, Some(self.tenant.to_owned())),
        ];
        let moments = [
            (t.signed_in_at, self.signed_in_at),
            (t.idle_until, self.idle_until.min(self.ends_at)),
            (t.session_ends, self.ends_at),
            (t.token_until, self.token_until),
        ];
        let scopes = self.scope.unwrap_or_default();
        AccountPage {
            name: self.name,
            facts: facts
                .into_iter()
                .filter_map(|(label, value)| {
                    Some(Fact {
                        label,
                        value: value?,
                    })
                })
                .collect(),
            now: self.now.to_rfc3339(),
            moments: moments.map(|(label, at)| Moment::new(label, at)),
            streams: streams(t, self.streams),
            scopes: scopes::in_words(scopes, shell.language),
            units: self
                .units
                .iter()
                .map(|(id, label)| Unit {
                    id: *id,
                    label: label.clone(),
                })
                .collect(),
            switch: self.switch,
            sign_out: self.sign_out,
            script: script::ACCOUNT.text,
            shell,
        }
    }
}

#[derive(Template, Serialize)]
#[template(path = "account.html", config = "src/http/pages/askama.toml")]
pub(super) struct AccountPage<'a> {
    shell: Shell<'a>,
    name: &'a str,
    facts: Vec<Fact>,
    now: String,
    moments: [Moment; 4],
    streams: String,
    scopes: Vec<Scope>,
    units: Vec<Unit>,
    switch: &'a str,
    sign_out: &'a str,
    script: &'static str,
}

#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
}

/// A time that the page's script shows as the browser's clock does.
#[derive(Serialize)]
struct Moment {
    label: &'static str,
    at: String,
    shown: String,
}

impl Moment {
    fn new(label: &'static str, at: UnixTime) -> Self {
        let at = at.to_rfc3339();
        Self {
            label,
            shown: readable(&at),
            at,
        }
    }
}

/// `2026-11-23 22:00 UTC`, of an RFC 3339 timestamp.
fn readable(at: &str) -> String {
    let (date, time) = at.split_once('T').unwrap_or((at, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or_default())
}

fn streams(t: &Messages, count: usize) -> String {
    match count {
        0 => t.streams_none.to_owned(),
        1 => t.streams_one.to_owned(),
        more => fill(t.streams_some, &[("count", &more.to_string())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let at = UnixTime::from_millis(0).to_rfc3339();
        assert_eq!(readable(&at), "1970-01-01 00:00 UTC");
    }
}
