//! What a reply of the provider has to be before anything is taken from it.

use serde::Deserialize;

use super::fence::Fence;
use super::fence::FenceError;
use super::fence::InstanceUrl;
use crate::fault::Fault;

/// A reply that cannot be used. Never holds the reply's text, but for a refused host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Longer than any real one.
    #[error("the reply is too large")]
    TooLarge,
    /// Not what the RFC asks for.
    #[error("{0}")]
    Malformed(&'static str),
    /// An instance URL that tokens may not go to.
    #[error("the instance URL is outside the fence: {0}")]
    OutsideFence(RefusedHost),
    /// An instance URL of another tenant than that of the person.
    #[error("the instance URL is another tenant's: {0}")]
    OtherTenant(RefusedHost),
}

impl ReplyError {
    /// What the person is told.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::TooLarge | Self::Malformed(_) => Fault::BadProviderReply,
            Self::OutsideFence(_) => Fault::OutsideFence,
            Self::OtherTenant(_) => Fault::TenantsMixed,
        }
    }
}

/// A refused instance URL, cut and escaped for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedHost(String);

impl std::fmt::Display for RefusedHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a JSON object; the keys that `T` knows must not repeat.
///
/// The parser's own message is dropped, since it quotes the reply.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ReplyError> {
    // A derived struct would take an array, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ReplyError::Malformed("the reply is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        ReplyError::Malformed(match error.classify() {
            serde_json::error::Category::Data => "a member of the reply has the wrong type",
            _ => "the reply is not JSON",
        })
    })
}

/// Admits an instance URL, or refuses the whole reply.
pub(super) fn instance_url(text: &str, fence: &Fence) -> Result<InstanceUrl, ReplyError> {
    fence.admit(text).map_err(|error| {
        let shown = text.chars().take(SHOWN).flat_map(char::escape_default);
        let host = RefusedHost(shown.collect());
        match error {
            FenceError::OtherTenant => ReplyError::OtherTenant(host),
            _ => ReplyError::OutsideFence(host),
        }
    })
}

/// How much of a refused host is worth a log line: the longest name that DNS allows, about.
const SHOWN: usize = 260;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct One {
        #[serde(rename = "secret")]
        _secret: u8,
    }

    #[test]
    fn errors_do_not_quote_the_reply() {
        for body in [
            r#"{"secret":"hunter2"}"#,
            r#"{"secret":1,"secret":"hunter2"}"#,
            r#"{"hunter2"}"#,
            "[1]",
            "hunter2",
            "",
        ] {
            let error = object::<One>(body.as_bytes()).expect_err(body);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(error.fault(), Fault::BadProviderReply);
        }
    }

    #[test]
    fn a_refused_host_is_shown_cut_and_escaped() {
        let text = format!("https://evil.example/\r\n\u{1b}[2J{}", "x".repeat(9000));
        let error = instance_url(&text, &Fence::marketing_cloud()).expect_err("outside");
        let shown = error.to_string();
        assert!(shown.starts_with("the instance URL is outside the fence: https://evil.example/"));
        assert!(shown.len() < 400 && !shown.contains(char::is_control));
        assert_eq!(error.fault(), Fault::OutsideFence);
    }
}
