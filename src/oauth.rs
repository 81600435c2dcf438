//! The provider: Marketing Cloud's authorization-code flow and the tenant that comes out of it.

pub mod authorize;
pub mod breaker;
pub mod callback;
pub mod client_secrets;
pub mod endpoint;
pub mod error;
pub mod fence;
pub mod metered;
pub mod pkce;
pub mod provider;
pub mod reply;
pub mod signed_call;
pub mod tenant;
pub mod token;
pub mod transaction;
pub mod userinfo;

pub use authorize::authorize_url;
pub use callback::Callback;
pub use endpoint::ProviderClient;
pub use endpoint::TokenEndpoint;
pub use endpoint::TokenError;
pub use error::AuthorizeError;
pub use error::Consequence;
pub use error::TokenErrorCode;
pub use fence::Fence;
pub use fence::InstanceUrl;
pub use provider::Provider;
pub use reply::ReplyError;
pub use tenant::Subdomain;
pub use token::Granted;
pub use token::TokenSet;
pub use transaction::State;
pub use transaction::Transaction;
pub use userinfo::Identity;
