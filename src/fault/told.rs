//! What a person is told about a fault, in the person's language.

use super::Fault;
use super::german;
use crate::language::Language;

/// What happened, why, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why that stops the request, as a sentence.
    pub reason: &'static str,
    /// What the person does next; empty where only the operator can do something.
    pub advice: &'static str,
    /// What whoever runs the tool does about it; may be empty.
    pub operator: &'static str,
}

impl Fault {
    /// What is said about it in `language`.
    pub fn told(self, language: Language) -> Told {
        let (title, advice, marker) = match language {
            Language::En => (self.title(), self.advice(), "Whoever runs this tool: "),
            Language::De => {
                let (title, advice) = german::text(self);
                (title, advice, "Wer dieses Tool betreibt: ")
            }
        };
        let (advice, operator) = advice.split_once(marker).unwrap_or((advice, ""));
        Told {
            title,
            reason: Cause::of(self).sentence(language),
            advice: advice.trim_end(),
            operator,
        }
    }
}

/// Where it lies that a request gets no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Request,
    Address,
    Guard,
    Limit,
    Session,
    Attempt,
    Refused,
    Setup,
    Provider,
    Loop,
    Rule,
    Unit,
    Frame,
    Upkeep,
    Service,
    Gateway,
}

impl Cause {
    fn of(fault: Fault) -> Self {
        match fault {
            Fault::MalformedRequest
            | Fault::AmbiguousTarget
            | Fault::BadUpgrade
            | Fault::UnexpectedBody
            | Fault::RequestTimeout
            | Fault::BodyTooSlow
            | Fault::UnitMalformed
            | Fault::Envelope(_) => Self::Request,
            Fault::UnknownHost | Fault::NoRoute | Fault::MethodNotAllowed => Self::Address,
            Fault::CrossSite
            | Fault::Isolated
            | Fault::JourneyUnsigned
            | Fault::SignedCallsOnly => Self::Guard,
            Fault::BodyTooLarge
            | Fault::HeadTooLarge
            | Fault::TargetTooLong
            | Fault::TooManyAtOnce
            | Fault::RateLimited
            | Fault::TooManyFromAddress
            | Fault::ApiThrottled => Self::Limit,
            Fault::SignInRequired | Fault::FormNotSent => Self::Session,
            Fault::ForeignCallback | Fault::MalformedCallback | Fault::CodeRefused => Self::Attempt,
            Fault::AccessDenied
            | Fault::UserNotLicensed
            | Fault::ForeignTenant
            | Fault::TenantNotAdmitted => Self::Refused,
            Fault::UnauthorizedClient
            | Fault::InvalidScope
            | Fault::AuthorizeRefused
            | Fault::ClientRefused
            | Fault::OutsideFence
            | Fault::SessionTooLarge
            | Fault::LegacySignIn
            | Fault::PathUnnamed
            | Fault::RedirectMismatch
            | Fault::LegacyEndpoint
            | Fault::UpstreamNotPublic
            | Fault::NoInstanceUrl => Self::Setup,
            Fault::ProviderError
            | Fault::BadProviderReply
            | Fault::ProviderUnavailable
            | Fault::TenantsMixed
            | Fault::ProviderThrottled
            | Fault::ProviderBlocked
            | Fault::ProviderGone => Self::Provider,
            Fault::SessionLost
            | Fault::SessionRefused
            | Fault::SessionCut
            | Fault::SessionEnded
            | Fault::InsecureFront
            | Fault::ClocksDiffer
            | Fault::SessionDoubled => Self::Loop,
            Fault::OtherUnit
            | Fault::OtherEnterprise
            | Fault::OtherEmailDomain
            | Fault::PermissionMissing => Self::Rule,
            Fault::UnitDenied | Fault::UnitOvertaken | Fault::UnitFixed => Self::Unit,
            Fault::FrameCookies | Fault::HandoverRefused => Self::Frame,
            Fault::RefreshUnavailable | Fault::StoreUnavailable => Self::Upkeep,
            Fault::UpstreamUnreachable
            | Fault::UpstreamTimeout
            | Fault::UpstreamBroken
            | Fault::UpstreamDown
            | Fault::UpstreamFull => Self::Service,
            Fault::Internal | Fault::Overloaded | Fault::TooManyConnections => Self::Gateway,
        }
    }

    fn sentence(self, language: Language) -> &'static str {
        let (en, de) = match self {
            Self::Request => (
                "What was sent cannot be passed on safely, so it was not passed on.",
                "Was gesendet wurde, lässt sich nicht sicher weitergeben und wurde deshalb nicht weitergegeben.",
            ),
            Self::Address => (
                "The gateway in front of this tool does not know where this should go.",
                "Das Gateway vor diesem Tool weiß nicht, wohin das gehen soll.",
            ),
            Self::Guard => (
                "The request does not show that it was meant, so it was not carried out.",
                "Die Anfrage belegt nicht, dass sie gewollt ist, und wurde deshalb nicht ausgeführt.",
            ),
            Self::Limit => (
                "A limit protects this tool, and it was reached.",
                "Eine Grenze schützt dieses Tool, und sie wurde erreicht.",
            ),
            Self::Session => (
                "This page is only for people who are signed in, and you are not at the moment.",
                "Diese Seite ist nur für angemeldete Personen, und Sie sind im Moment nicht angemeldet.",
            ),
            Self::Attempt => (
                "A sign-in is good once, for ten minutes, in the browser that started it.",
                "Eine Anmeldung gilt einmal, zehn Minuten lang und in dem Browser, der sie begonnen hat.",
            ),
            Self::Refused => (
                "Marketing Cloud knows you, but you may not use this tool.",
                "Marketing Cloud kennt Sie, aber Sie dürfen dieses Tool nicht verwenden.",
            ),
            Self::Setup => (
                "This tool and its package in Marketing Cloud are not set up for each other; trying again does not help.",
                "Dieses Tool und sein Paket in Marketing Cloud sind nicht aufeinander eingestellt; ein neuer Versuch hilft nicht.",
            ),
            Self::Provider => (
                "The cause lies with Marketing Cloud; nothing of yours is lost.",
                "Die Ursache liegt bei Marketing Cloud; von Ihnen ist nichts verloren.",
            ),
            Self::Loop => (
                "You signed in several times, and each time the session did not last. Instead of sending you round again, this page stops.",
                "Sie haben sich mehrmals angemeldet, und die Sitzung hielt jedes Mal nicht. Statt Sie noch einmal im Kreis zu schicken, hält diese Seite an.",
            ),
            Self::Rule => (
                "You are signed in, but a rule of this tool leaves you out.",
                "Sie sind angemeldet, aber eine Regel dieses Tools schließt Sie aus.",
            ),
            Self::Unit => (
                "The switch of business unit did not work; your session goes on.",
                "Der Wechsel der Business Unit hat nicht funktioniert; Ihre Sitzung läuft weiter.",
            ),
            Self::Frame => (
                "Within a page of Marketing Cloud, browsers keep this tool's cookies apart.",
                "Innerhalb einer Seite von Marketing Cloud halten Browser die Cookies dieses Tools getrennt.",
            ),
            Self::Upkeep => (
                "You are still signed in; what keeps sessions fresh does not answer.",
                "Sie sind weiterhin angemeldet; was Sitzungen aktuell hält, antwortet nicht.",
            ),
            Self::Service => (
                "The gateway works; what stands behind it did not answer as it should.",
                "Das Gateway arbeitet; was dahinter steht, hat nicht geantwortet, wie es sollte.",
            ),
            Self::Gateway => (
                "The gateway in front of this tool could not serve the request.",
                "Das Gateway vor diesem Tool konnte die Anfrage nicht bedienen.",
            ),
        };
        match language {
            Language::En => en,
            Language::De => de,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn both_languages_say_the_same_things() {
        // Names of keys and header fields stand for the same in both languages.
        let keys =
            |text: &'static str| -> HashSet<&str> { text.split('`').skip(1).step_by(2).collect() };
        for fault in Fault::ALL {
            let (en, de) = (fault.told(Language::En), fault.told(Language::De));
            for (one, other) in [
                (en.title, de.title),
                (en.reason, de.reason),
                (en.advice, de.advice),
                (en.operator, de.operator),
            ] {
                assert_eq!(
                    one.is_empty(),
                    other.is_empty(),
                    "{fault:?}: {one} / {other}"
                );
                assert_eq!(keys(one), keys(other), "{fault:?}");
                let words = one
                    .split('`')
                    .step_by(2)
                    .any(|text| text.contains(char::is_alphabetic));
                assert!(!words || one != other, "{fault:?}: {one}");
            }
            assert!(!en.title.is_empty() && en.reason.ends_with('.') && de.reason.ends_with('.'));
            for text in [de.advice, de.operator] {
                assert!(text.is_empty() || text.ends_with('.'), "{fault:?}: {text}");
                let loose = ["\"", "  ", " du ", " dein"];
                assert!(
                    !loose.iter().any(|bad| text.contains(bad)),
                    "{fault:?}: {text}"
                );
            }
        }
    }

    #[test]
    fn who_runs_the_tool_is_addressed_apart() {
        let told = Fault::BodyTooLarge.told(Language::En);
        assert_eq!(told.advice, "Send less at once.");
        assert!(told.operator.starts_with("`limits.body_size`"));
        assert_eq!(Fault::InvalidScope.told(Language::De).advice, "");
        assert_eq!(Fault::CodeRefused.told(Language::De).operator, "");
    }
}
