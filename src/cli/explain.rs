//! `sidegate explain`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::Exit;
use super::Failure;
use super::Terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::fault::CommandFault;
use crate::fault::Fault;
use crate::gateway::explain::BadQuestion;
use crate::gateway::explain::Decision;
use crate::gateway::explain::Explanation;
use crate::gateway::explain::Question;
use crate::gateway::explain::explain;

/// The request that is asked about.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// The request's method
    method: String,
    /// Its URL, or a path of the first site
    url: String,
    /// A field of its head, such as 'Accept: text/html'; may be given several times
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Somebody is signed in
    #[arg(long)]
    signed_in: bool,
}

/// Prints what would become of a request.
pub(super) fn run(
    path: &Path,
    asked: &Asked,
    json: bool,
    terminal: Terminal,
) -> Result<(), Failure> {
    let loaded = Config::load_untested(path, &Environment::of_process())
        .map_err(|problems| Failure::new(Exit::Configuration, problems))?;
    let sites = loaded.config.terms();
    let usage = |error: BadQuestion| Failure::of(CommandFault::Question, error);
    let fields: Option<Vec<_>> = (asked.headers.iter())
        .map(|field| field.split_once(':'))
        .collect();
    let fields = fields.ok_or(BadQuestion::Field).map_err(usage)?;
    let question = Question::new(&asked.method, &asked.url, fields, asked.signed_in, &sites);
    let told = explain(&sites, &question.map_err(usage)?);
    terminal.say(&if json { as_json(&told) } else { as_text(&told) });
    Ok(())
}

fn as_text(told: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{name:<12}{value}");
    };
    match told.decision {
        Decision::Refuse(fault) => {
            let (code, title) = (fault.code(), fault.title());
            let status = fault.status().as_u16();
            line(
                "decision",
                &format!("refuse with {status} ({code}: {title})"),
            );
            line("advice", fault.advice());
        }
        decision => line("decision", decision.as_str()),
    }
    let cross_site = told
        .cross_site
        .map(|passed| if passed { "passes" } else { "refuses" });
    for (name, value) in [
        ("tenant", told.tenant.as_deref()),
        ("site", told.site.as_deref()),
        ("route", told.route.as_deref()),
        ("access", told.access),
        ("cross-site", cross_site),
        ("to", told.to.as_deref()),
        ("target", told.target.as_deref()),
    ] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    for condition in &told.conditions {
        line("depends", condition);
    }
    for name in &told.removed {
        line("removed", name);
    }
    for (name, value) in &told.added {
        line("added", &format!("{name}: {value}"));
    }
    for name in &told.kept {
        line("kept", name);
    }
    text
}

fn as_json(told: &Explanation) -> String {
    let fault = match told.decision {
        Decision::Refuse(fault) => Some(fault),
        Decision::Forward | Decision::SignIn | Decision::Own => None,
    };
    let added = told.added.iter();
    let added: Vec<_> = added
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let document = json!({
        "decision": told.decision.as_str(),
        "code": fault.map(Fault::code),
        "status": fault.map(|fault| fault.status().as_u16()),
        "title": fault.map(Fault::title),
        "tenant": told.tenant,
        "site": told.site,
        "route": told.route,
        "access": told.access,
        "cross_site": told.cross_site,
        "conditions": told.conditions,
        "headers": { "removed": told.removed, "added": added, "kept": told.kept },
        "to": told.to,
        "target": told.target,
    });
    format!("{document:#}\n")
}
