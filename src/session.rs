//! The session: what is kept for a signed-in person, sealed in cookies, renewed without races.

pub mod policy;

pub use policy::Policy;
