//! `sidegate doctor`: tries the real thing, step by step, and says what to do about what it finds.
//!
//! A step is a function from the [`Subject`] to what it found; to add one is to add a line to `STEPS`.

mod authorize;
mod clock;
mod configuration;
mod cookies;
mod finding;
mod hosts;
mod keys;
mod partners;
mod public_url;
mod reach;
mod store;
mod subject;
mod token;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::future::join_all;
use tokio::time::Instant;
use tokio::time::timeout;

pub use finding::Cause;
pub use finding::Finding;
pub use finding::Status;
pub use subject::Subject;
pub use subject::Unfit;

use crate::config::Problems;
use subject::Scope;

/// One look at something.
struct Step {
    name: &'static str,
    scope: Scope,
    look: fn(&Subject) -> BoxFuture<'_, Vec<Finding>>,
}

/// In the order in which one would look oneself: what does not need a network first.
const STEPS: [Step; 11] = [
    Step {
        name: "configuration",
        scope: Scope::Process,
        look: |subject| Box::pin(async { configuration::look(subject) }),
    },
    Step {
        name: "session keys",
        scope: Scope::Process,
        look: |subject| Box::pin(async { keys::look(subject) }),
    },
    Step {
        name: "cookie size",
        scope: Scope::Tenant,
        look: |subject| Box::pin(async { cookies::look(subject) }),
    },
    Step {
        name: "session store",
        scope: Scope::Process,
        look: |subject| Box::pin(store::look(subject)),
    },
    Step {
        name: "public URL",
        scope: Scope::Host,
        look: |subject| Box::pin(public_url::look(subject)),
    },
    Step {
        name: "clock",
        scope: Scope::Tenant,
        look: |subject| Box::pin(clock::look(subject)),
    },
    Step {
        name: "authorize endpoint",
        scope: Scope::Tenant,
        look: |subject| Box::pin(authorize::look(subject)),
    },
    Step {
        name: "token endpoint",
        scope: Scope::Tenant,
        look: |subject| Box::pin(token::look(subject)),
    },
    Step {
        name: "partner tenants",
        scope: Scope::Tenant,
        look: |subject| Box::pin(partners::look(subject)),
    },
    Step {
        name: "tenant's hosts",
        scope: Scope::Tenant,
        look: |subject| Box::pin(hosts::tenant(subject)),
    },
    Step {
        name: "upstreams",
        scope: Scope::Process,
        look: |subject| Box::pin(hosts::upstreams(subject)),
    },
];

/// What happens during an examination.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Begins(Place),
    /// Something was found.
    Found(&'a Finding),
}

/// How far an examination has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which step, from 1.
    pub step: usize,
    /// Of how many.
    pub of: usize,
    /// What it looks at.
    pub name: &'static str,
}

/// Goes through all steps, tells of them, and answers all that was found. Ends within [`WHOLE`].
pub async fn examine(subject: &Subject, tell: impl FnMut(Event<'_>)) -> Vec<Finding> {
    walk(&STEPS, subject, tell).await
}

async fn walk(steps: &[Step], subject: &Subject, mut tell: impl FnMut(Event<'_>)) -> Vec<Finding> {
    let end = Instant::now() + WHOLE;
    let mut all = Vec::new();
    for (step, number) in steps.iter().zip(1..) {
        tell(Event::Begins(Place {
            step: number,
            of: steps.len(),
            name: step.name,
        }));
        let left = end.saturating_duration_since(Instant::now());
        let patience = subject.patience.min(left);
        let each = subject.each(step.scope);
        // All tenants at once, so that many take no longer than one.
        let found = join_all(each.iter().map(async |subject| {
            let found = timeout(patience, (step.look)(subject)).await;
            let found = found.unwrap_or_else(|_| vec![late(step.name, patience)]);
            let name = subject.tenant().name.as_ref();
            match name.filter(|_| step.scope != Scope::Process) {
                Some(name) => found.into_iter().map(|it| it.of(name)).collect(),
                None => found,
            }
        }));
        let found: Vec<Finding> = found.await.into_iter().flatten().collect();
        for finding in &found {
            tell(Event::Found(finding));
        }
        all.extend(found);
    }
    all
}

fn late(name: &'static str, patience: Duration) -> Finding {
    let detail = if patience.is_zero() {
        "not tried, since the steps before took too long".to_owned()
    } else {
        format!("no result within {patience:.1?}")
    };
    Finding::failed(name, Cause::Surroundings, detail)
        .advice("Look at the network and at the host behind it; a firewall may drop packets.")
}

/// What is found where not even the configuration can be used.
pub fn unusable(problems: &Problems) -> Finding {
    configuration::unusable(problems)
}

/// How long a step may take.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// How long all steps may take together.
pub const WHOLE: Duration = Duration::from_secs(28);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::config::Environment;
    use crate::crypto::OsEntropy;
    use crate::time::SystemClock;
    use crate::upstream::SystemResolver;

    fn subject() -> Subject {
        let text = "public_url: https://tool.example.com\nmarketing_cloud: { subdomain: mc1, client_id: x, client_type: public }\n\
                    session: { keys: [{ env: KEY }] }\nroutes: [{ path: /, to: \"http://127.0.0.1:3000\" }]\n";
        let key = "9XKc0wq3gC1uVZ4T7m2hJ8yQn5sLr6bEoP_aD-iFtUw";
        let environment: Environment = [("KEY", key)].into_iter().collect();
        let loaded = Config::from_text("t.yaml", text, Path::new("."), &environment);
        Subject::new(
            loaded.expect("good"),
            Arc::new(SystemClock),
            Arc::new(OsEntropy),
            Arc::new(SystemResolver),
        )
        .expect("a subject")
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_steps_hang_there_is_an_end() {
        let hanging = || Step {
            name: "hanging",
            scope: Scope::Process,
            look: |_| Box::pin(std::future::pending()),
        };
        let steps: Vec<Step> = std::iter::repeat_with(hanging).take(20).collect();
        let begun = Instant::now();
        let found = walk(&steps, &subject(), |_| {}).await;
        assert_eq!(begun.elapsed(), WHOLE);
        let tried = |finding: &&Finding| finding.detail == "no result within 4.0s";
        assert_eq!((found.len(), found.iter().filter(tried).count()), (20, 7));
    }
}
