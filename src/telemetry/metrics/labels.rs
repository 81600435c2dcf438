//! Every label value that is ours to choose.

use std::fmt::Write as _;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::encoding::LabelValueEncoder;

use crate::fault::Fault;

macro_rules! values {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$what])* $value,)+
        }

        impl $name {
            /// Every value, so that each is there before it first happens.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                encoder.write_str(self.as_str())
            }
        }
    };
}

values! {
    /// How a refresh ended.
    Refresh {
        /// New tokens.
        Renewed = "renewed",
        /// The provider ended the session.
        Ended = "ended",
        /// No answer of use; the session was kept.
        Unavailable = "unavailable",
        /// The business unit that was asked for was refused; nothing changed.
        Kept = "unit_refused",
        /// New tokens that do not fit the cookies.
        TooLarge = "too_large",
    }
}

values! {
    /// How a switch of business unit ended.
    Switch {
        /// The session is in the unit that was asked for.
        Done = "done",
        /// The person has no access to it.
        Denied = "denied",
        /// Another switch came after it.
        Overtaken = "overtaken",
        /// No answer of use; the session is in the unit that it was in.
        Unavailable = "unavailable",
        /// The session is over.
        Ended = "ended",
    }
}

values! {
    /// What became of a span.
    Export {
        /// The collector has it.
        Exported = "exported",
        /// Too many were waiting.
        QueueFull = "queue_full",
        /// The collector said that it will never take it.
        Refused = "refused",
        /// The collector did not take it in time.
        Failed = "failed",
    }
}

values! {
    /// Which rule of a route refused a person.
    Rule {
        /// The enterprise.
        Enterprise = "enterprise",
        /// The domain of the mail address.
        EmailDomain = "email_domain",
        /// A permission.
        Permission = "permission",
        /// The business unit.
        BusinessUnit = "business_unit",
    }
}

values! {
    /// What the provider was asked.
    Call {
        /// A code for tokens.
        Exchange = "exchange",
        /// A refresh token for new ones.
        Refresh = "refresh",
        /// Who it is.
        Userinfo = "userinfo",
    }
}

values! {
    /// What came of a call to the provider.
    Answer {
        /// What was asked for.
        Good = "ok",
        /// The code or refresh token was refused.
        InvalidGrant = "invalid_grant",
        /// The client id or secret was refused.
        InvalidClient = "invalid_client",
        /// Refused for another reason.
        Refused = "refused",
        /// No answer, a late one, or an error of the provider's own.
        Unavailable = "unavailable",
        /// An answer that cannot be used.
        Unusable = "unusable",
    }
}

values! {
    /// What a request's method does.
    Method {
        /// GET, HEAD, OPTIONS: safe (RFC 9110 §9.2.1).
        Read = "read",
        /// POST, PUT, PATCH, DELETE.
        Write = "write",
        /// Anything else.
        Other = "other",
    }
}

values! {
    /// The class of a status.
    Status {
        /// 1xx: a tunnel.
        Switched = "1xx",
        /// 2xx.
        Good = "2xx",
        /// 3xx.
        Elsewhere = "3xx",
        /// 4xx.
        Refused = "4xx",
        /// 5xx, and what is outside of HTTP's classes.
        Failed = "5xx",
    }
}

values! {
    /// What is open for longer.
    Held {
        /// A client's connection.
        Connection = "connection",
        /// A WebSocket.
        Websocket = "websocket",
        /// A long answer in the name of a session.
        Answer = "answer",
    }
}

values! {
    /// One of a web app's secrets.
    Secret {
        /// `client_secret`.
        First = "first",
        /// `next_client_secret`.
        Next = "next",
    }
}

values! {
    /// What a request of another site lacked, or how it gave itself away.
    Forgery {
        /// `Sec-Fetch-Site` names another site.
        Site = "site",
        /// `Origin` is another one.
        Origin = "origin",
        /// Nothing says where it comes from.
        Silent = "silent",
        /// A field that stands alone is there twice.
        Repeated = "repeated",
        /// A WebSocket handshake without our `Origin`.
        Websocket = "websocket",
        /// More than a link to an isolated route.
        Isolated = "isolated",
    }
}

values! {
    /// Where the fence held a token back.
    Post {
        /// The reply to a code.
        Exchange = "exchange",
        /// The reply to a refresh.
        Refresh = "refresh",
        /// The reply of userinfo.
        Userinfo = "userinfo",
        /// A request with a session.
        Forwarding = "forwarding",
    }
}

values! {
    /// Why the fence held a token back.
    Fenced {
        /// A host that is on no list.
        Outside = "outside",
        /// A host of another tenant than the person's.
        OtherTenant = "other_tenant",
        /// The person's tenant is not let in, or no longer.
        NotLetIn = "not_let_in",
    }
}

values! {
    /// What a connection to an upstream does.
    Line {
        /// Waits for a request.
        Idle = "idle",
        /// Serves one. One by HTTP/2, which many share, does as long as it is open.
        InUse = "in_use",
    }
}

values! {
    /// Where a request to an upstream is.
    Turn {
        /// Under way.
        Active = "active",
        /// Waits for one of the others to end.
        Waiting = "waiting",
    }
}

impl Method {
    /// The class of `method`.
    pub fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::GET | http::Method::HEAD | http::Method::OPTIONS => Self::Read,
            http::Method::POST | http::Method::PUT | http::Method::PATCH | http::Method::DELETE => {
                Self::Write
            }
            _ => Self::Other,
        }
    }
}

impl Status {
    /// The class of `status`.
    pub fn of(status: http::StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Switched,
            200..=299 => Self::Good,
            300..=399 => Self::Elsewhere,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl EncodeLabelValue for Fault {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.code())
    }
}

/// By the result of a refresh.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByRefresh {
    pub(super) result: Refresh,
}

/// By the result of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BySwitch {
    pub(super) result: Switch,
}

/// By rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByRule {
    pub(super) rule: Rule,
}

/// By what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(in crate::telemetry) struct ByExport {
    pub(in crate::telemetry) result: Export,
}

/// By what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByCall {
    pub(super) call: Call,
}

/// By what was asked and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByAnswer {
    pub(super) call: Call,
    pub(super) result: Answer,
}

/// By failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByFault {
    pub(super) code: Fault,
}

/// By secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySecret {
    /// Which.
    pub secret: Secret,
}

/// By what gave a forged request away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByForgery {
    pub(super) reason: Forgery,
}

/// By where and why the fence held a token back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByFence {
    pub(super) at: Post,
    pub(super) reason: Fenced,
}

/// By what is held open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByHeld {
    pub(super) kind: Held,
}
