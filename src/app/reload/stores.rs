//! The stores of sites that another configuration adds. A site whose store does not answer would take the
//! whole gateway out of rotation, with all the sites that do well without it.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::app::StartError;

/// A site that was not there before, and whether it may have traffic.
pub(in crate::app) type Newcomer = (String, watch::Receiver<bool>);

/// Waits until all of them may have traffic; on an error one did not within [`ANSWERS`]. Blocks.
pub(super) fn wait_for(newcomers: Vec<Newcomer>, control: &Handle) -> Result<(), StartError> {
    let (answered, answers) = mpsc::channel();
    for (host, mut ready) in newcomers {
        let answered = answered.clone();
        control.spawn(async move {
            let waited = tokio::time::timeout(ANSWERS, ready.wait_for(|ready| *ready)).await;
            let outcome = match waited {
                Ok(Ok(_)) => Ok(()),
                _ => Err(StartError::Store {
                    host,
                    after: ANSWERS,
                }),
            };
            // Nobody waits any more, once one has failed.
            let _heard = answered.send(outcome);
        });
    }
    drop(answered);
    answers.iter().collect()
}

/// How long a store has to answer for the first time: a connection takes two seconds at most and is then
/// tried again, and where sessions do without the store, nobody waits longer than that for it.
const ANSWERS: Duration = Duration::from_secs(5);
