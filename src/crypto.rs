//! Key ring, sealed envelopes, secret types and entropy.

pub mod entropy;
pub mod envelope;
pub mod keyring;
pub mod keys;
pub mod secret;
pub mod tls;

pub use entropy::Entropy;
pub use entropy::OsEntropy;
pub use envelope::Binding;
pub use envelope::HEAD_TEXT as ENVELOPE_HEAD_TEXT;
pub use envelope::OpenError;
pub use envelope::Opened;
pub use envelope::Purpose;
pub use keyring::KeyId;
pub use keyring::KeyRing;
pub use keyring::MasterKey;
pub use keys::Keys;
