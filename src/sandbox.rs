//! A simulated Marketing Cloud tenant on loopback, and the example tool that stands behind the
//! gateway in `sidegate demo`. Integration tests drive both.
//!
//! It answers the way the documentation and recorded replies of the real thing do: opaque tokens
//! of 512 characters in four segments, 1079 seconds of life, refresh tokens that work once, two
//! dialects of errors, status 596. Where the documentation is silent, the stricter reading is
//! taken, so that what works here works there. It keeps everything in memory and its secrets are
//! no secrets: it is no authorization server for anything real.

mod admin;
mod assets;
mod authorize;
mod body;
mod cloud;
mod control;
mod fault;
mod grants;
mod help;
mod journey;
mod mint;
mod oauth_error;
mod people;
mod probe;
mod record;
mod reply;
mod rest;
mod rest_error;
mod rows;
mod server;
mod service;
mod settings;
mod sign_in;
mod soap;
mod tenant;
mod token;
mod token_fields;
pub mod tool;
mod userinfo;
pub mod witness;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use crate::crypto::Entropy;
use crate::http::Origin;
use crate::time::Clock;

pub use self::control::Control;
pub use self::control::Stats;
pub use self::fault::ArmedFault;
pub use self::fault::Fault;
pub use self::fault::Place;
pub use self::people::BusinessUnit;
pub use self::people::Person;
pub use self::record::Recorded;
pub use self::settings::Client;
pub use self::settings::ClientKind;
pub use self::settings::InstanceUrlStyle;
pub use self::settings::PartnerTenant;
pub use self::settings::Settings;
pub use self::tool::Tool;

use self::server::Listener;
use self::server::Server;
use self::service::Service;
use self::tenant::Tenant;

/// A running tenant. It stops when dropped.
pub struct Sandbox {
    server: Server,
    tenant: Arc<Tenant>,
}

impl Sandbox {
    /// Binds `settings.listen` and serves until stopped.
    pub async fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> io::Result<Self> {
        let listener = Listener::bind(settings.listen).await?;
        let origin = match &settings.public_origin {
            Some(origin) => origin.clone(),
            None => listener.origin()?,
        };
        let tenant = Arc::new(Tenant::new(settings, origin, clock, entropy));
        let server = listener.serve(Arc::new(Service::new(Arc::clone(&tenant))));
        Ok(Self { server, tenant })
    }

    /// Where it is reached: the authentication, REST and SOAP hosts are one here.
    pub fn origin(&self) -> Origin {
        self.tenant.origin().clone()
    }

    /// A handle for faults, counters and records; it outlives the sandbox without keeping it up.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.tenant))
    }

    /// The same for another tenant: see [`Settings::partners`].
    pub fn control_of(&self, subdomain: &str) -> Option<Control> {
        let mut partners = self.tenant.partners.iter();
        let (_, partner) = partners.find(|(name, _)| name == subdomain)?;
        Some(Control::new(Arc::clone(partner)))
    }

    /// Stops at once, cutting open connections, and waits until every task has ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
