//! The store that replicas share: is it there, may we do all that we do, does it keep what it is given?

use std::sync::Arc;

use super::finding::Cause;
use super::finding::Finding;
use super::subject::Subject;
use crate::fault::Fault;
use crate::session::shared::Keeping;
use crate::session::shared::StoreError;
use crate::session::shared::probe::Probed;
use crate::session::shared::probe::probe;

pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let Some((settings, keeping)) = &subject.loaded.config.shared else {
        return vec![Finding::ok(
            NAME,
            "none: sessions are in cookies, refreshes are coordinated within one process",
        )];
    };
    let probed = match probe(settings.clone(), Arc::clone(&subject.entropy)).await {
        Ok(probed) => probed,
        Err(unusable) => {
            let (cause, advice) = match &unusable.error {
                StoreError::Refused(why) if AUTH.contains(&why.as_str()) => (
                    Cause::Configuration,
                    "Compare user and password with the store's (ACL WHOAMI, requirepass); a secret may have been changed there.",
                ),
                StoreError::Refused(_) => (
                    Cause::Configuration,
                    "Give the store's user the rights that config/sidegate.yaml lists.",
                ),
                StoreError::Settings(_) => (
                    Cause::Configuration,
                    "Check url, topology and the certificate files.",
                ),
                StoreError::Down | StoreError::Slow | StoreError::Broken(_) => (
                    Cause::Surroundings,
                    "Check url and topology, and whether the store runs and can be reached from here.",
                ),
            };
            let found = Finding::failed(NAME, cause, unusable.to_string());
            let found = found.advice(advice);
            return vec![if *keeping == Keeping::Sessions {
                found.fault(Fault::StoreUnavailable)
            } else {
                found
            }];
        }
    };
    let Probed {
        round_trip,
        evicts,
        persists,
    } = probed;
    let detail = format!("does all that is asked of it; one question takes {round_trip:.1?}");
    // Results of refreshes are worth little after a minute; sessions are not.
    let vital = *keeping == Keeping::Sessions;
    vec![if vital && evicts == Some(true) {
        Finding::warning(
            NAME,
            format!("{detail}; it drops sessions when its memory is full"),
        )
        .advice("Set maxmemory-policy noeviction.")
    } else if vital && persists == Some(false) {
        Finding::warning(NAME, format!("{detail}; a crash of it signs people out"))
            .advice("Set appendonly yes.")
    } else {
        Finding::ok(NAME, detail)
    }]
}

const NAME: &str = "session store";

/// What servers say to a wrong user or password, or to none, and what the client library makes of it.
const AUTH: [&str; 3] = ["AUTH", "WRONGPASS", "NOAUTH"];
