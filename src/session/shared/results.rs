//! Refresh coordination: cookies are the state, and for a while the store has the result of each
//! refresh, for a replica that meets the old cookie.

use std::sync::Arc;
use std::time::Duration;

use super::Elsewhere;
use super::error::StoreError;
use super::link::Link;
use crate::session::cookie::CookieStore;
use crate::session::model::Session;
use crate::time::Clock;
use crate::time::UnixTime;

/// Results of refreshes, sealed with the session keys just as in a cookie.
pub struct Results {
    link: Arc<Link>,
    namespace: String,
    cookies: Arc<CookieStore>,
    clock: Arc<dyn Clock>,
}

impl Results {
    /// Results kept at `link`.
    pub(super) fn new(
        link: Arc<Link>,
        namespace: String,
        cookies: Arc<CookieStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            link,
            namespace,
            cookies,
            clock,
        }
    }

    pub(super) async fn elsewhere(
        &self,
        flight: &str,
        session: &Session,
    ) -> Result<Elsewhere, StoreError> {
        let sealed = self.link.read(&self.name(flight)).await?;
        let renewed = sealed.and_then(|sealed| self.cookies.open(&sealed, self.clock.now()));
        // The store's word alone must not make one person's session another's, nor an old one new.
        let renewed =
            renewed.filter(|renewed| renewed.id == session.id && renewed.is_newer_than(session));
        Ok(renewed.map_or(Elsewhere::Unchanged, |renewed| {
            Elsewhere::Renewed(Box::new(renewed))
        }))
    }

    /// Keeps a result for as long as the cookie that it replaces may come, until `old_until`.
    pub(super) async fn publish(
        &self,
        flight: &str,
        renewed: &Session,
        old_until: UnixTime,
    ) -> Result<(), StoreError> {
        let sealed = self
            .cookies
            .seal_text(renewed)
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let kept = old_until.since(self.clock.now()).max(KEPT);
        let mut set = redis::cmd("SET");
        set.arg(self.name(flight))
            .arg(sealed)
            .arg("PX")
            .arg(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        self.link.ask(&set).await
    }

    fn name(&self, flight: &str) -> String {
        format!("{}:result:{flight}", self.namespace)
    }
}

/// How long a result waits, at least, for requests with the old cookie, as within one process.
const KEPT: Duration = Duration::from_mins(2);
