//! What somebody should look at now, with the one thing to do about it.

use serde::Serialize;

use super::report::Report;
use super::report::Tenant;
use super::status::CERTIFICATE_SOON;
use crate::config::rotation;
use crate::fault::Fault;

/// Something that is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Attention {
    pub(super) what: String,
    pub(super) advice: &'static str,
}

/// All of it, the worst first.
pub(super) fn of(report: &Report) -> Vec<Attention> {
    let mut all = Vec::new();
    let mut tell = |what: String, advice| all.push(Attention { what, advice });
    if report.reasons.contains(&"draining") {
        let advice = "Nothing to do: requests in hand are finished, then this process ends.";
        tell("This process is stopping".to_owned(), advice);
    }
    if report.store == Some("down") {
        let what = "The session store does not answer".to_owned();
        tell(what, Fault::StoreUnavailable.advice());
    }
    for tenant in &report.tenants {
        let of = of_tenant(tenant);
        if tenant.provider.breaker == "open" {
            let what = format!("Calls to Marketing Cloud are held back after a failure{of}");
            let advice = "Sessions live on while their tokens do. See the provider's calls below and status.salesforce.com; `sidegate doctor` tries each step.";
            tell(what, advice);
        }
        if tenant.provider.client_secret == Some("next") {
            let what = format!("Marketing Cloud accepts only next_client_secret{of}");
            tell(what, "Move it to client_secret.");
        }
        failing(tenant, &mut tell);
    }
    for upstream in &report.upstreams {
        let state = match upstream.state {
            "up" => continue,
            "down" => "fails its health checks",
            "ejected" => "cannot be reached and is left out",
            _ => "could not be reached by some workers, which leave it out",
        };
        let what = format!("{} {state}", upstream.address);
        tell(
            what,
            "Check that it runs and listens there; the log says why it is left out.",
        );
    }
    if let Some(refused) = &report.configuration.refused {
        let first = refused.problems.first().map_or("", String::as_str);
        let what = format!("The changed configuration is no good: {first}");
        tell(
            what,
            "What was in force stays. Correct the file; it is taken over as soon as it is good.",
        );
    }
    if !report.configuration.waiting.is_empty() {
        let keys = report.configuration.waiting.join(", ");
        let what = format!("The configuration waits for a restart with {keys}");
        tell(what, "All else of it is in force. Restart when it suits.");
    }
    for group in &report.files {
        if group.refused.is_some() {
            let what = format!("A changed file is no good: {}", group.what);
            let advice = "What was in force stays. The log's event files.refused says what is wrong with it.";
            tell(what, advice);
        }
        let ending = group.files.iter().filter_map(|file| {
            let left = file.days_left.filter(|&left| left <= SECRET_SOON)?;
            Some((&file.name, left))
        });
        for (name, left) in ending {
            let what =
                format!("If the secret in {name} is as old as the file, it ends in {left} days");
            tell(what, rotation::STAGE);
        }
    }
    if let Some(certificate) = &report.certificate
        && certificate.days_left < CERTIFICATE_SOON.as_secs() / DAY
    {
        let what = format!("The certificate ends in {} days", certificate.days_left);
        tell(
            what,
            "Renew it; a new file is taken over without a restart.",
        );
    }
    all
}

/// One in twenty over the last five minutes is no accident.
fn failing(tenant: &Tenant, tell: &mut impl FnMut(String, &'static str)) {
    let late = tenant.history.iter().rev().take(RECENT);
    let (failed, requests) = late.fold((0, 0), |(failed, requests), point| {
        (failed + point.failed, requests + point.requests)
    });
    if failed > 0 && failed * 20 >= requests {
        let of = of_tenant(tenant);
        let what = format!("{failed} of the last {requests} requests failed{of}");
        tell(what, "The recent problems below say why.");
    }
}

fn of_tenant(tenant: &Tenant) -> String {
    let name = tenant.name.as_deref();
    name.map_or_else(String::new, |name| format!(" (tenant {name})"))
}

const DAY: u64 = 24 * 60 * 60;

/// Days that are left when it is time to rotate.
const SECRET_SOON: u64 = (rotation::LIFETIME.as_secs() - rotation::SOON.as_secs()) / DAY;

/// Steps of five minutes.
const RECENT: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::report::Certificate;
    use crate::admin::report::Configuration;
    use crate::admin::report::RefusedConfiguration;
    use crate::admin::report::Upstream;

    fn quiet() -> Report {
        Report {
            version: "0",
            now: String::new(),
            started: String::new(),
            uptime_seconds: 0,
            ready: true,
            reasons: Vec::new(),
            workers: 2,
            connections: 0,
            streams: 0,
            attention: Vec::new(),
            tenants: Vec::new(),
            upstreams: Vec::new(),
            store: None,
            certificate: None,
            keys: Vec::new(),
            files: Vec::new(),
            problems: Vec::new(),
            configuration: Configuration::default(),
        }
    }

    #[test]
    fn what_is_well_is_not_told() {
        let mut report = quiet();
        assert_eq!(of(&report).len(), 0);
        report.store = Some("up");
        report.certificate = Some(Certificate {
            valid_until: String::new(),
            days_left: 14,
        });
        assert_eq!(of(&report).len(), 0);
    }

    #[test]
    fn each_trouble_has_its_advice() {
        let mut report = quiet();
        report.reasons = vec!["draining"];
        report.store = Some("down");
        report.certificate = Some(Certificate {
            valid_until: String::new(),
            days_left: 13,
        });
        report.configuration.waiting = vec!["listen", "workers"];
        report.configuration.refused = Some(RefusedConfiguration {
            at: String::new(),
            problems: vec!["sidegate.yaml:1:1: error[SG-6002]: x".to_owned()],
        });
        report.upstreams = ["up", "down", "ejected", "partly_ejected"]
            .map(|state| Upstream {
                address: state.to_owned(),
                state,
                ejected_by: 0,
            })
            .into();
        let told = of(&report);
        let whats: Vec<&str> = told.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "This process is stopping",
                "The session store does not answer",
                "down fails its health checks",
                "ejected cannot be reached and is left out",
                "partly_ejected could not be reached by some workers, which leave it out",
                "The changed configuration is no good: sidegate.yaml:1:1: error[SG-6002]: x",
                "The configuration waits for a restart with listen, workers",
                "The certificate ends in 13 days",
            ]
        );
        assert!(told.iter().all(|one| one.advice.ends_with('.')));
    }
}
