//! What has been noticed so far: where keys stand, problems, warnings.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::place::KeyPath;
use super::place::Location;
use super::place::Places;
use super::problem::Code;
use super::problem::Problem;
use super::problem::Problems;
use super::problem::Risk;
use super::problem::Warning;
use super::yaml::Refused;

/// The one collector that all steps write to, so that nothing ends at its first problem.
pub(super) struct Findings {
    pub(super) places: Places,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// The keys of `problems`.
    blamed: BTreeSet<KeyPath>,
}

impl Findings {
    pub(super) fn new(file: &Arc<str>) -> Self {
        Self {
            places: Places::new(file),
            problems: Vec::new(),
            warnings: Vec::new(),
            blamed: BTreeSet::new(),
        }
    }

    /// A problem at a location that the caller knows.
    pub(super) fn problem_at(
        &mut self,
        code: Code,
        location: Location,
        key: &KeyPath,
        message: impl Into<String>,
    ) -> Hint<'_> {
        self.blamed.insert(key.clone());
        self.problems.push(Problem {
            code,
            location,
            key: key.clone(),
            message: message.into(),
            hint: None,
        });
        Hint(self.problems.last_mut().map(|problem| &mut problem.hint))
    }

    /// A problem with the value of `key`.
    pub(super) fn problem(
        &mut self,
        code: Code,
        key: &KeyPath,
        message: impl Into<String>,
    ) -> Hint<'_> {
        let location = self.places.value(key);
        self.problem_at(code, location, key, message)
    }

    /// `key` has to be given, unless it was and is a problem already.
    pub(super) fn missing(&mut self, key: &KeyPath, hint: &str) {
        if !self.blames(key) {
            let location = self.places.around(key);
            self.problem_at(Code::MissingKey, location, key, "is missing")
                .hint(hint);
        }
    }

    /// The value of `key` works but is risky.
    pub(super) fn warn(
        &mut self,
        risk: Risk,
        key: &KeyPath,
        message: impl Into<String>,
    ) -> Hint<'_> {
        self.warnings.push(Warning {
            risk,
            location: self.places.value(key),
            key: key.clone(),
            message: message.into(),
            hint: None,
        });
        Hint(self.warnings.last_mut().map(|warning| &mut warning.hint))
    }

    /// Whether there is no problem so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether there is a problem with `key`, with something in it or with a section around it.
    pub(super) fn blames(&self, key: &KeyPath) -> bool {
        let around = key.with_parents().any(|path| self.blamed.contains(&path));
        around || key.below(&self.blamed).next().is_some()
    }

    /// The file is not one that can be read to its end.
    pub(super) fn refused(&mut self, file: &Arc<str>, refused: Refused) {
        let location = Location::File {
            name: Arc::clone(file),
            position: Some(refused.at),
        };
        let problem = self.problem_at(Code::Syntax, location, &KeyPath::root(), refused.message);
        if let Some(hint) = refused.hint {
            problem.hint(hint);
        }
    }

    /// Takes over what was found in a file of its own, of which `key` is the name.
    pub(super) fn problems_in(&mut self, key: &KeyPath, problems: &Problems) {
        self.blamed.insert(key.clone());
        self.problems.extend_from_slice(problems.as_slice());
    }

    /// All that was found, where nothing can come of it.
    pub(super) fn into_problems(self) -> Problems {
        Problems::new(self.problems, self.warnings)
    }

    /// `value` with its warnings, if there was no problem.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Vec<Warning>), Problems> {
        self.warnings.sort_by(|a, b| a.location.cmp(&b.location));
        match value {
            Some(value) if self.problems.is_empty() => Ok((value, self.warnings)),
            _ => Err(self.into_problems()),
        }
    }
}

/// The place for a hint on what was just noticed.
pub(super) struct Hint<'a>(Option<&'a mut Option<String>>);

impl Hint<'_> {
    pub(super) fn hint(self, hint: impl Into<String>) {
        if let Some(place) = self.0 {
            *place = Some(hint.into());
        }
    }
}
