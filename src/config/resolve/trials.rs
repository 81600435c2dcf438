//! The list `tests`: requests, and what their writer expects to become of them.

use super::Resolver;
use super::values;
use crate::config::Config;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawTest;
use crate::fault::Fault;
use crate::gateway::explain::BadQuestion;
use crate::gateway::explain::Decision;
use crate::gateway::explain::Explanation;
use crate::gateway::explain::Question;
use crate::gateway::explain::explain;

/// One entry of the list.
pub(super) struct Trial {
    path: KeyPath,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    signed_in: bool,
    route: Option<String>,
    decision: Option<&'static str>,
    code: Option<&'static str>,
    to: Option<String>,
}

impl Resolver<'_> {
    pub(super) fn trials(&mut self, raw: Option<Vec<Option<RawTest>>>) -> Vec<Trial> {
        let list = KeyPath::root().child("tests");
        let items = raw.unwrap_or_default().into_iter().enumerate();
        let items = items.filter_map(|(index, item)| Some((list.index(index), item?)));
        items
            .filter_map(|(path, raw)| self.trial(path, raw))
            .collect()
    }

    fn trial(&mut self, path: KeyPath, raw: RawTest) -> Option<Trial> {
        let hint = "such as GET /mc/rest/x";
        let request = self.required(&path.child("request"), raw.request, hint, request);
        let signed_in = self.optional(&path.child("signed_in"), raw.signed_in, values::boolean);
        let expect = path.child("expect");
        let decision = self.optional(&expect.child("decision"), raw.expect.decision, decision);
        let code = self.optional(&expect.child("code"), raw.expect.code, code);
        let (route, to) = (raw.expect.route, raw.expect.to);
        let nothing = decision.is_none() && code.is_none() && route.is_none() && to.is_none();
        if nothing && !self.findings.blames(&expect) {
            self.findings
                .missing(&expect, "route, decision, code or to");
        }
        let (method, url) = request?;
        Some(Trial {
            path,
            method,
            url,
            headers: raw.headers.into_iter().collect(),
            signed_in: signed_in.unwrap_or(false),
            route,
            decision,
            code,
            to,
        })
    }

    /// Asks a configuration without problems what would become of each request.
    pub(super) fn run(&mut self, trials: &[Trial], config: &Config) {
        if trials.is_empty() || !self.run_tests || !self.findings.is_clean() {
            return;
        }
        let sites = config.terms();
        for trial in trials {
            let fields = trial.headers.iter();
            let fields = fields.map(|(name, value)| (name.as_str(), value.as_str()));
            let (method, url) = (trial.method.as_str(), trial.url.as_str());
            match Question::new(method, url, fields, trial.signed_in, &sites) {
                Ok(question) => self.compare(trial, &explain(&sites, &question)),
                Err(error) => {
                    let key = match error {
                        BadQuestion::Field => "headers",
                        BadQuestion::Method | BadQuestion::Url => "request",
                    };
                    self.bad(&trial.path.child(key), error.to_string());
                }
            }
        }
    }

    fn compare(&mut self, trial: &Trial, told: &Explanation) {
        let (comes_to, code) = match told.decision {
            Decision::Refuse(fault) => {
                let (code, title) = (fault.code(), fault.title());
                (format!("comes to refuse ({code}: {title})"), Some(code))
            }
            other => (format!("comes to {}", other.as_str()), None),
        };
        let target = told.target.as_deref().unwrap_or_default();
        let goes_to = |to: &String| {
            let there = told.to.as_deref().unwrap_or_default();
            to == there || *to == format!("{there}{target}")
        };
        let is_claimed = |route: &String| told.route.as_ref() == Some(route);
        // Routes and addresses are not shown: no text here shows what is configured.
        for (key, holds, message) in [
            (
                "route",
                trial.route.as_ref().is_none_or(is_claimed),
                match told.route {
                    Some(_) => "another route takes the request",
                    None => "no route takes the request",
                },
            ),
            (
                "decision",
                trial
                    .decision
                    .is_none_or(|word| word == told.decision.as_str()),
                &comes_to,
            ),
            (
                "code",
                trial.code.is_none_or(|expected| code == Some(expected)),
                &comes_to,
            ),
            (
                "to",
                trial.to.as_ref().is_none_or(goes_to),
                match told.to {
                    Some(_) => "the request goes elsewhere",
                    None => "the request goes nowhere",
                },
            ),
        ] {
            if !holds {
                let path = trial.path.child("expect").child(key);
                self.findings
                    .problem(Code::FailedTest, &path, message)
                    .hint("`sidegate explain` says more");
            }
        }
    }
}

/// A method and a URL.
fn request(text: &str) -> Result<(String, String), &'static str> {
    let (method, url) = text
        .trim()
        .split_once(' ')
        .ok_or("must be a method and a URL or a path, such as GET /mc/rest/x")?;
    Ok((method.to_owned(), url.trim().to_owned()))
}

fn decision(text: &str) -> Result<&'static str, String> {
    let words = ["forward", "sign_in", "own", "refuse"];
    values::one_of(text, &words.map(|word| (word, word)))
}

fn code(text: &str) -> Result<&'static str, &'static str> {
    let mut codes = Fault::ALL.iter().map(|fault| fault.code());
    codes
        .find(|code| *code == text)
        .ok_or("is no code of a refusal, such as SG-1002")
}
