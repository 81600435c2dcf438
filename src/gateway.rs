//! The pipeline: route, cross-site check, session, freshness, sanitize, authorize, forward, reply.

mod account;
mod admission;
mod arrivals;
mod body;
mod bounds;
mod browser_cookies;
mod business_unit;
mod callback;
mod claim;
mod cors;
mod cross_site;
mod embedded;
mod endpoints;
pub mod explain;
mod fairness;
pub(crate) mod frames;
mod front;
mod identify;
mod journey;
mod lookup;
mod loop_breaker;
mod options;
mod outgoing;
mod pipeline;
mod proxy;
mod rates;
mod record;
mod replay;
pub mod route;
mod router;
pub mod rules;
mod session_helper;
mod sign_in;
mod site;
mod stages;
mod streams;
mod tunnel;
mod unreadable;
mod used_states;
mod worker;

use std::sync::Arc;

use http::HeaderName;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::Span;

pub use arrivals::Arrivals;
pub use body::AnswerBody;
pub use bounds::Bounds;
pub use cross_site::CrossSite;
pub use fairness::Fairness;
pub use fairness::Shares;
pub use front::Front;
pub use front::House;
pub use rates::Limiters;
pub use rates::Rate;
pub use rates::Rates;
pub use route::Route;
pub use router::Router;
pub use rules::Rule;
pub use site::Site;
pub use streams::Standing;
pub use unreadable::turned_away;
pub use unreadable::unreadable;
pub use used_states::UsedStates;

use crate::crypto::Entropy;
use crate::http::pages::Pages;
use crate::net::settings::TrustedProxies;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::signed_call::SigningSecrets;
use crate::session::CookieStore;
use crate::session::Refresher;
use crate::session::Revocations;
use crate::session::shared::Records;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Traffic;
use crate::time::Clock;

/// What all workers share of one site. Nothing in it changes while requests run.
pub struct Gateway {
    /// What operators call the tenant, where there are several.
    pub name: Option<Arc<str>>,
    /// Says the name in log lines; a request of the only tenant has none.
    pub span: Span,
    /// The public side.
    pub site: Site,
    /// Which path goes where.
    pub router: Router,
    /// Who may speak for others.
    pub trusted: TrustedProxies,
    /// What is let in from other origins.
    pub cross_site: CrossSite,
    /// How large a request may be.
    pub bounds: Bounds,
    /// What people see.
    pub pages: Arc<Pages>,
    /// Whether `#fragment` survives a sign-in, by way of a page of ours.
    pub keep_fragment: bool,
    /// The field in which a proxy that asks about requests names their paths, and which no client can set.
    pub asked_path: Option<HeaderName>,
    /// The package at Marketing Cloud.
    pub provider: Arc<Provider>,
    /// What signs the calls of Journey Builder's servers.
    pub signing_secrets: Option<Arc<SigningSecrets>>,
    /// The token endpoints, by tenant.
    pub directory: Arc<Directory>,
    /// Seals and opens sessions.
    pub store: Arc<CookieStore>,
    /// Where sessions are kept, if not in cookies.
    pub records: Option<Arc<Records>>,
    /// Renews sessions.
    pub refresher: Arc<Refresher>,
    /// Sessions that nobody has used yet.
    pub arrivals: Arrivals,
    /// What runs on in the name of sessions, on all cores.
    pub standing: Standing,
    /// Sessions that were ended before their time.
    pub revocations: Arc<Revocations>,
    /// Callbacks that were here already.
    pub used_states: UsedStates,
    /// Who has how much under way at the tenants' APIs.
    pub fairness: Arc<Fairness>,
    /// How often one address may sign in.
    pub limiters: Arc<Limiters>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For states, verifiers and ids.
    pub entropy: Arc<dyn Entropy>,
    /// Where calls to the provider run.
    pub control: Handle,
    /// What has to end before the process does.
    pub tasks: TaskTracker,
    /// Counts what happens now and then.
    pub events: Events,
    /// Gives each worker something to count requests with.
    pub traffic: Arc<Traffic>,
}
