//! The session: what is kept for a signed-in person, sealed in cookies or in a shared store, renewed
//! without races.

pub mod changes;
pub mod cookie;
pub mod freshness;
pub mod id;
pub mod line;
pub mod live;
pub mod model;
pub mod opened;
pub mod person;
pub mod policy;
pub mod refresh;
pub mod revocation;
pub mod shared;
pub mod ticket;

pub use changes::Changes;
pub use cookie::CookieStore;
pub use cookie::Presented;
pub use freshness::Freshness;
pub use line::Line;
pub use live::Live;
pub use model::Session;
pub use opened::OpenedSessions;
pub use policy::Policy;
pub use refresh::Outcome;
pub use refresh::Refresher;
pub use revocation::NotBefore;
pub use revocation::Revocations;
pub use ticket::Ticket;
