//! The provider: Marketing Cloud's authorization-code flow and the tenant that comes out of it.

pub mod fence;
pub mod provider;
pub mod tenant;

pub use fence::Fence;
pub use fence::InstanceUrl;
pub use provider::Provider;
pub use tenant::Subdomain;
