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
        let mut get = redis::cmd("GET");
        get.arg(self.name(flight));
        let sealed: Option<Vec<u8>> = self.link.ask(&get).await?;
        let renewed = sealed.and_then(|sealed| self.cookies.open(&sealed, self.clock.now()));
        // The store's word alone must not make one person's session another's.
        let renewed = renewed.filter(|renewed| renewed.id == session.id);
        Ok(renewed.map_or(Elsewhere::Unchanged, |renewed| {
            Elsewhere::Renewed(Box::new(renewed))
        }))
    }

    pub(super) async fn publish(&self, flight: &str, renewed: &Session) -> Result<(), StoreError> {
        let sealed = self
            .cookies
            .seal_text(renewed)
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut set = redis::cmd("SET");
        set.arg(self.name(flight))
            .arg(sealed)
            .arg("PX")
            .arg(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX));
        self.link.ask(&set).await
    }

    fn name(&self, flight: &str) -> String {
        format!("{}:result:{flight}", self.namespace)
    }
}

/// How long a result waits for requests with the old cookie, as long as within one process.
const KEPT: Duration = Duration::from_mins(2);
