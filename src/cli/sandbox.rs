//! `sidegate sandbox`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Exit;
use super::Failure;
use super::Terminal;
use crate::crypto::OsEntropy;
use crate::lifecycle;
use crate::oauth::Subdomain;
use crate::sandbox::PartnerTenant;
use crate::sandbox::Sandbox;
use crate::sandbox::Settings;
use crate::time::SystemClock;

/// What can be said about the tenant on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// How long access tokens live, one second or more
    #[arg(long, value_name = "DURATION", default_value = "1079s", value_parser = humantime::parse_duration)]
    access_token_lifetime: Duration,
    /// How long a used refresh token works again
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    refresh_grace: Duration,
    /// Sign this person in without showing a page
    #[arg(long, value_name = "PERSON")]
    auto_sign_in: Option<String>,
    /// Another tenant that has installed the package, with one person: SUBDOMAIN=PERSON
    ///
    /// It is reached as SUBDOMAIN.localhost at the same port; its person comes back with `tssd`.
    #[arg(long, value_name = "SUBDOMAIN=PERSON", value_parser = partner)]
    partner_tenant: Vec<(String, String)>,
    /// A redirect URI of the web app, in place of all that lead to this machine
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Refuse sign-ins without PKCE
    #[arg(long)]
    require_pkce: bool,
}

fn partner(text: &str) -> Result<(String, String), String> {
    let (subdomain, person) = text
        .split_once('=')
        .filter(|(_, person)| !person.is_empty())
        .ok_or("must be SUBDOMAIN=PERSON")?;
    Subdomain::parse(subdomain).map_err(|error| format!("the subdomain {error}"))?;
    Ok((subdomain.to_owned(), person.to_owned()))
}

/// Runs the tenant until it is told to stop.
pub(super) fn run(options: &Options, terminal: Terminal) -> Result<(), Failure> {
    let mut settings = Settings::default();
    if let Some(web) = settings.clients.first_mut() {
        web.redirect_uris.clone_from(&options.redirect_uri);
    }
    let settings = Settings {
        listen: options.listen,
        access_token_lifetime: options.access_token_lifetime.max(Duration::from_secs(1)),
        refresh_grace: options.refresh_grace,
        auto_sign_in: options.auto_sign_in.clone(),
        require_pkce: options.require_pkce,
        partners: (options.partner_tenant.iter().zip(1..))
            .map(|((subdomain, person), number)| {
                PartnerTenant::with_person(subdomain, person, 9_000_000 + number * 10_000)
            })
            .collect(),
        ..settings
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Internal, error))?;
    runtime.block_on(async {
        let sandbox = Sandbox::start(settings, Arc::new(SystemClock), Arc::new(OsEntropy)).await;
        let sandbox = sandbox.map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot listen on {}: {error}", options.listen))
        })?;
        let internal = |error: std::io::Error| Failure::new(Exit::Internal, error);
        // Before anybody can know that it runs.
        let stopped = lifecycle::stop_signal().map_err(internal)?;
        let origin = sandbox.origin();
        terminal.say(&format!(
            "Simulated Marketing Cloud tenant at {origin}\n\
             \x20 web app     client_id sandbox-web-client, client_secret sandbox-web-secret-do-not-use\n\
             \x20 public app  client_id sandbox-public-client\n\
             Help, faults and counters: {origin}/\nPress Ctrl-C to stop.\n"
        ));
        stopped.await;
        sandbox.shutdown().await;
        Ok(())
    })
}
