//! What has been granted: pending sign-ins, codes, and families of tokens.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;

use crate::sandbox::oauth_error::OauthError;
use crate::sandbox::people::Person;
use crate::time::UnixTime;

/// An authorization request that was found in order.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) scope: Vec<String>,
    pub(super) challenge: Option<String>,
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// All tokens that descend from one sign-in.
    pub(super) family: Family,
    pub(super) client_id: String,
    pub(super) person: Person,
    pub(super) mid: u64,
    pub(super) scope: Vec<String>,
    pub(super) expires: UnixTime,
}

/// Names a family of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Family(u64);

/// How a used refresh token is treated.
#[derive(Clone, Copy)]
pub(super) struct ReusePolicy {
    pub(super) grace: Duration,
    pub(super) revokes: bool,
}

/// Everything that is granted at present.
#[derive(Default)]
pub(super) struct Grants {
    logins: HashMap<String, (Pending, UnixTime)>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Grant>,
    refresh: HashMap<String, Refresh>,
    revoked: HashSet<Family>,
    revoked_through: u64,
    families: u64,
    reuses: u64,
}

struct Code {
    pending: Pending,
    person: Person,
    family: Family,
    expires: UnixTime,
    used: bool,
}

struct Refresh {
    grant: Grant,
    used: Option<UnixTime>,
}

impl Grants {
    /// Keeps a request while its sign-in page is open.
    pub(super) fn open_login(&mut self, id: String, pending: Pending, now: UnixTime) {
        prune(&mut self.logins, |(_, expires)| *expires > now);
        self.logins.insert(id, (pending, now.plus(LOGIN_LIFETIME)));
    }

    /// The request behind a sign-in page, once.
    pub(super) fn take_login(&mut self, id: &str, now: UnixTime) -> Option<Pending> {
        let (pending, expires) = self.logins.remove(id)?;
        (expires > now).then_some(pending)
    }

    pub(super) fn add_code(
        &mut self,
        code: String,
        pending: Pending,
        person: Person,
        now: UnixTime,
    ) {
        prune(&mut self.codes, |code| code.expires > now);
        let family = self.new_family();
        self.codes.insert(
            code,
            Code {
                pending,
                person,
                family,
                expires: now.plus(CODE_LIFETIME),
                used: false,
            },
        );
    }

    /// Uses up a code. One that comes twice may have been stolen: its tokens end
    /// (RFC 6749 §4.1.2).
    pub(super) fn redeem_code(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        reuse: ReusePolicy,
        now: UnixTime,
    ) -> Result<Grant, OauthError> {
        let refused = |why: &str| Err(OauthError::invalid_grant(why));
        let Some(code) = self.codes.get_mut(code) else {
            return refused("The authorization code is unknown.");
        };
        if code.used {
            if reuse.revokes {
                self.revoked.insert(code.family);
            }
            self.reuses += 1;
            return refused("The authorization code was used before.");
        }
        if code.pending.client_id != client_id {
            return refused("The authorization code belongs to another client.");
        }
        code.used = true;
        if code.expires <= now {
            return refused("The authorization code has expired.");
        }
        if redirect_uri != Some(code.pending.redirect_uri.as_str()) {
            return refused("The redirect URI is not that of the authorization request.");
        }
        if !proves(code.pending.challenge.as_deref(), verifier) {
            return refused("The code verifier does not match the code challenge.");
        }
        let person = code.person.clone();
        Ok(Grant {
            family: code.family,
            client_id: client_id.to_owned(),
            mid: person.business_units.first().copied().unwrap_or_default(),
            person,
            scope: code.pending.scope.clone(),
            expires: now,
        })
    }

    /// What a refresh token would renew. A dead one that comes again ends its family.
    pub(super) fn look_up_refresh(
        &mut self,
        token: &str,
        client_id: &str,
        reuse: ReusePolicy,
        now: UnixTime,
    ) -> Result<Grant, OauthError> {
        let refused = |why: &str| Err(OauthError::invalid_grant(why));
        let Some(Refresh { grant, used }) = self.refresh.get(token) else {
            return refused("The refresh token is unknown.");
        };
        let grant = grant.clone();
        if grant.client_id != client_id {
            return refused("The refresh token belongs to another client.");
        }
        if used.is_some_and(|used| now.since(used) >= reuse.grace) {
            if reuse.revokes {
                self.revoked.insert(grant.family);
            }
            self.reuses += 1;
            return refused("The refresh token was used before.");
        }
        if self.is_revoked(grant.family) {
            return refused("The refresh token was revoked.");
        }
        if grant.expires <= now {
            return refused("The refresh token has expired.");
        }
        Ok(grant)
    }

    /// Notes the first use of a refresh token.
    pub(super) fn use_refresh(&mut self, token: &str, now: UnixTime) {
        if let Some(refresh) = self.refresh.get_mut(token) {
            refresh.used.get_or_insert(now);
        }
    }

    pub(super) fn add_access(&mut self, token: String, grant: Grant, now: UnixTime) {
        prune(&mut self.access, |grant| grant.expires > now);
        self.access.insert(token, grant);
    }

    pub(super) fn add_refresh(&mut self, token: String, grant: Grant, now: UnixTime) {
        prune(&mut self.refresh, |refresh| refresh.grant.expires > now);
        self.refresh.insert(token, Refresh { grant, used: None });
    }

    /// What a living access token stands for.
    pub(super) fn access(&self, token: &str, now: UnixTime) -> Option<&Grant> {
        let grant = self.access.get(token)?;
        (grant.expires > now && !self.is_revoked(grant.family)).then_some(grant)
    }

    /// Whether an access token was ever handed out, living or not.
    pub(super) fn knows_access(&self, token: &str) -> bool {
        self.access.contains_key(token)
    }

    /// Ends every token and code.
    pub(super) fn revoke_all(&mut self) {
        self.codes.clear();
        self.revoked_through = self.families;
    }

    /// Forgets every token and code.
    pub(super) fn reset(&mut self) {
        *self = Self {
            families: self.families,
            ..Self::default()
        };
    }

    pub(super) fn new_family(&mut self) -> Family {
        self.families += 1;
        Family(self.families)
    }

    fn is_revoked(&self, family: Family) -> bool {
        family.0 <= self.revoked_through || self.revoked.contains(&family)
    }

    /// How many codes and refresh tokens came twice.
    pub(super) const fn reuses(&self) -> u64 {
        self.reuses
    }
}

/// Whether a verifier answers the challenge (RFC 7636 §4.6). A verifier without a challenge is
/// refused too: the client and the browser disagree about what was asked (RFC 9700 §2.1.1).
fn proves(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
        }
        _ => false,
    }
}

/// Drops what is dead, often enough that memory stays bounded and rarely enough to cost nothing.
fn prune<K: Eq + Hash, V>(map: &mut HashMap<K, V>, alive: impl Fn(&V) -> bool) {
    if map.len() == map.capacity() {
        map.retain(|_, value| alive(value));
    }
}

const LOGIN_LIFETIME: Duration = Duration::from_mins(10);
const CODE_LIFETIME: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_wants_its_verifier() {
        // RFC 7636, appendix B.
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(proves(challenge, verifier) && proves(None, None));
        assert!(!proves(challenge, None) && !proves(None, verifier));
        assert!(!proves(challenge, challenge));
    }
}
