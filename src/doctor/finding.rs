//! What a step found. No text here ever holds a secret.

use std::borrow::Cow;

use serde::Serialize;

use crate::config::TenantName;
use crate::fault::Fault;

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: Cow<'static, str>,
    /// How it is.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub advice: Option<String>,
    /// The code that people would see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Whom to turn to.
    #[serde(skip)]
    pub cause: Option<Cause>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but not well or not for long.
    Warning,
    /// It does not work.
    Failed,
}

/// Why something does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What is configured, here or at Marketing Cloud.
    Configuration,
    /// Something that is needed is not there.
    Surroundings,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(name: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Ok,
            detail: detail.into(),
            advice: None,
            code: None,
            cause: None,
        }
    }

    /// Works, but.
    pub(super) fn warning(name: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            status: Status::Warning,
            ..Self::ok(name, detail)
        }
    }

    /// Does not work.
    pub(super) fn failed(
        name: impl Into<Cow<'static, str>>,
        cause: Cause,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Failed,
            cause: Some(cause),
            ..Self::ok(name, detail)
        }
    }

    /// As a finding about one of several tenants.
    #[must_use]
    pub(super) fn of(mut self, tenant: &TenantName) -> Self {
        self.name = format!("{tenant}: {}", self.name).into();
        self
    }

    /// With what to do.
    #[must_use]
    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With the code that people see, and its advice unless there is a better one.
    #[must_use]
    pub(super) fn fault(mut self, fault: Fault) -> Self {
        self.code = Some(fault.code());
        self.advice.get_or_insert_with(|| fault.advice().to_owned());
        self
    }
}
