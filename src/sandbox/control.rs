//! The handle by which tests steer and observe a sandbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::sandbox::fault::ArmedFault;
use crate::sandbox::fault::Fault;
use crate::sandbox::fault::Place;
use crate::sandbox::journey;
use crate::sandbox::record::Recorded;
use crate::sandbox::tenant::Tenant;

/// Steers and observes a sandbox. Clones are the same handle.
#[derive(Clone)]
pub struct Control(Arc<Tenant>);

/// How often what was called, struck by a fault or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// `GET /v2/authorize`.
    pub authorize_calls: u64,
    /// `POST /v2/token`.
    pub token_calls: u64,
    /// Codes that were exchanged with success.
    pub code_grants: u64,
    /// Refreshes that succeeded.
    pub refreshes: u64,
    /// Codes and refresh tokens that came after they had been used up: a race, or a theft.
    pub reuses: u64,
    /// `GET /v2/userinfo`.
    pub userinfo_calls: u64,
    /// Requests to the REST host.
    pub rest_calls: u64,
    /// Requests to the SOAP host.
    pub soap_calls: u64,
    /// REST, SOAP and userinfo calls whose token was unknown, ended or expired when it arrived.
    pub dead_tokens: u64,
}

impl Control {
    pub(super) const fn new(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }

    /// From now on `place` fails so, for `times` calls or until cleared.
    pub fn set_fault(&self, place: Place, fault: Fault, times: Option<u32>) {
        self.0.faults.arm(place, ArmedFault { fault, times });
    }

    /// Everything works again.
    pub fn clear_faults(&self) {
        self.0.faults.replace(std::collections::BTreeMap::new());
    }

    /// The body of a call of Journey Builder's.
    pub fn signed_call(&self, claims: &serde_json::Value) -> String {
        journey::sign(&self.0, claims)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let counters = &self.0.counters;
        Stats {
            authorize_calls: counters.authorize.load(Ordering::Relaxed),
            token_calls: counters.token.load(Ordering::Relaxed),
            code_grants: counters.code_grants.load(Ordering::Relaxed),
            refreshes: counters.refreshes.load(Ordering::Relaxed),
            reuses: self.0.grants().reuses(),
            userinfo_calls: counters.userinfo.load(Ordering::Relaxed),
            rest_calls: counters.rest.load(Ordering::Relaxed),
            soap_calls: counters.soap.load(Ordering::Relaxed),
            dead_tokens: counters.dead_tokens.load(Ordering::Relaxed),
        }
    }

    /// The last 256 requests, oldest first; calls of the control interface are not among them.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.log.all()
    }

    /// The latest request whose target starts with `prefix`.
    pub fn last_request(&self, prefix: &str) -> Option<Recorded> {
        let all = self.0.log.all();
        all.into_iter()
            .rev()
            .find(|request| request.target.starts_with(prefix))
    }

    /// Ends every code and token that was handed out.
    pub fn revoke_all(&self) {
        self.0.grants().revoke_all();
    }

    /// Back to the first day: tokens, content, faults, counters and records.
    pub fn reset(&self) {
        self.0.reset();
    }
}
