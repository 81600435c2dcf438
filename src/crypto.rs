//! Key ring, sealed envelopes, secret types and entropy.

pub mod entropy;
pub mod keyring;
pub mod secret;

pub use entropy::Entropy;
pub use entropy::OsEntropy;
pub use keyring::KeyRing;
pub use keyring::MasterKey;
