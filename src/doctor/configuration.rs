//! The configuration as `check` sees it.

use super::finding::Cause;
use super::finding::Finding;
use super::subject::Subject;
use crate::config::Problems;
use crate::config::rotation::Rotation;

pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let loaded = &subject.loaded;
    let rotation = Rotation::of(loaded, subject.clock.now());
    let count = loaded.warnings.len() + rotation.warnings.len();
    let tenants = loaded.config.tenants();
    let routes: usize = tenants.map(|tenant| tenant.routes.len()).sum();
    let whole = format!(
        "can be used: {routes} route{}",
        if routes == 1 { "" } else { "s" }
    );
    let mut found = vec![if count == 0 {
        Finding::ok(NAME, whole)
    } else {
        let plural = if count == 1 { "" } else { "s" };
        Finding::warning(NAME, format!("{whole}, {count} warning{plural}"))
            .advice("`sidegate check` lists them with their places.")
    }];
    // The one warning that becomes an outage by itself is worth a line of its own.
    for warning in rotation.warnings {
        let mut finding = Finding::warning(warning.key.to_string(), warning.message);
        finding.code = Some(warning.risk.as_str());
        finding.advice = warning.hint;
        found.push(finding);
    }
    found
}

pub(super) fn unusable(problems: &Problems) -> Finding {
    let mut finding = Finding::failed(NAME, Cause::Configuration, problems.to_string())
        .advice("Mend this first: nothing else was tried.");
    finding.code = problems
        .as_slice()
        .first()
        .map(|problem| problem.code.as_str());
    finding
}

const NAME: &str = "configuration";
