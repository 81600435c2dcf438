//! From the configuration to the state that all workers share: one site for each host of each tenant.

mod sites;

use std::sync::Arc;

use futures_util::future::select_all;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::Ports;
use super::StartError;
use super::metrics;
use super::reread::CertificateFiles;
use super::reread::Group;
use super::reread::KeyFiles;
use super::reread::Rereader;
use super::reread::RevocationFile;
use super::reread::UpstreamTlsFiles;
use crate::admin::Readiness;
use crate::admin::Sources;
use crate::config::Config;
use crate::config::NotBeforeFile;
use crate::config::SecretSource;
use crate::crypto::Keys;
use crate::gateway::Bounds;
use crate::gateway::House;
use crate::gateway::Limiters;
use crate::gateway::Route;
use crate::net::settings::Tls;
use crate::net::tls::Identity;
use crate::session::NotBefore;
use crate::session::Revocations;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::traces::Exporter;
use crate::time::Clock;
use crate::upstream::ClientTls;
use crate::upstream::Upstreams;
use crate::upstream::settings::number;
use sites::Builder;
use sites::Common;

/// Gives the routes' upstreams their slots and reads the files of their TLS. Tenants whose routes lead to
/// the same tool share its connections.
pub(super) fn upstreams(config: &mut Config, ports: &Ports) -> Result<Upstreams, StartError> {
    let tenants = std::iter::once(&mut config.first).chain(&mut config.more);
    let tools = tenants.flat_map(|tenant| &mut tenant.routes);
    let list = number(tools.filter_map(Route::tool_mut).collect());
    let resolver = Arc::clone(&ports.resolver);
    Ok(Upstreams::new(
        &list,
        config.pool,
        config.timeouts,
        resolver,
    )?)
}

/// Puts the rooms together, and what watches the files behind them beside it.
pub(super) fn house(
    mut config: Config,
    ports: &Ports,
    control: &Handle,
    tasks: &TaskTracker,
    identity: Option<Arc<Identity>>,
    upstreams: &Arc<Upstreams>,
    workers: usize,
) -> Result<Built, StartError> {
    let (first, more) = (config.first, std::mem::take(&mut config.more));
    let revocations = Arc::<Revocations>::default();
    let mut registry = crate::telemetry::metrics::registry(ports.clock.now());
    let (tracer, exporter) = match config.traces {
        None => (None, None),
        Some(settings) => {
            let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
            let (tracer, exporter) =
                Exporter::start(settings, clock, entropy, control, &mut registry)?;
            (Some(tracer), Some(exporter))
        }
    };
    let mut builder = Builder {
        common: Common {
            keys: config.keys.into(),
            policy: config.session,
            framing: config.framing,
            shared: config.shared,
            prefix: config.endpoint_prefix,
            trusted: config.trusted_proxies,
            cross_site: config.cross_site,
            bounds: Bounds::from(config.limits),
            keep_fragment: config.keep_fragment,
            shares: config.shares,
            limiters: Arc::new(Limiters::new(config.rates, &ports.clock)),
            tracer,
            ports,
            control,
            tasks,
        },
        registry,
        groups: Vec::new(),
        revocations: Vec::new(),
        ready: Vec::new(),
        stores: Vec::new(),
        sources: Vec::new(),
    };
    let (first, mut others) = builder.tenant(first, &revocations)?;
    for tenant in more {
        let (site, further) = builder.tenant(tenant, &revocations)?;
        others.push(site);
        others.extend(further);
    }
    let Builder {
        common,
        mut registry,
        mut groups,
        revocations,
        ready,
        stores,
        sources: tenants,
    } = builder;
    let several = !others.is_empty();
    let hall = if others.is_empty() {
        Arc::clone(&first.traffic)
    } else {
        let own = common.prefix.as_str();
        let hall = Arc::new(Traffic::new(own, []));
        let registry = labelled(&mut registry, NOBODY);
        registry.register_collector(Box::new(Arc::clone(&hall)));
        hall
    };
    let store = all(stores, control);
    registry.register_collector(Box::new(metrics::Store(store.clone())));
    let watched = Watched {
        keys: config.key_sources,
        not_before: config.not_before,
        certificate: config.tls.zip(identity.clone()),
        upstreams: upstreams.tls_of_files(),
    };
    let clock = &ports.clock;
    groups.extend(watched.groups(&common.keys, &revocations, clock));
    let rereader = Rereader::new(groups, revocations, Arc::clone(clock));
    let readiness = all(ready, control).map_or_else(Readiness::default, Readiness::with_store);
    let sources = Sources {
        clock: Arc::clone(clock),
        readiness: Arc::new(readiness),
        workers,
        tenants,
        hall: several.then(|| Arc::clone(&hall)),
        upstreams: Arc::clone(upstreams),
        store: store.clone(),
        keys: Arc::clone(&common.keys),
        identity,
        files: rereader.board(),
    };
    Ok(Built {
        house: House {
            first: Arc::new(first),
            more: others.into_iter().map(Arc::new).collect(),
            hall,
            tracer: common.tracer,
        },
        rereader,
        sources,
        registry,
        store,
        exporter,
    })
}

/// The part of the registry whose numbers are a tenant's.
fn labelled<'a>(registry: &'a mut Registry, tenant: &str) -> &'a mut Registry {
    registry.sub_registry_with_label(("tenant".into(), tenant.to_owned().into()))
}

/// Whether all of these are so; `None` of none.
fn all(mut each: Vec<watch::Receiver<bool>>, control: &Handle) -> Option<watch::Receiver<bool>> {
    if each.len() < 2 {
        return each.pop();
    }
    let (whole, answer) = watch::channel(false);
    control.spawn(async move {
        loop {
            let now = each.iter_mut().all(|one| *one.borrow_and_update());
            whole.send_if_modified(|was| std::mem::replace(was, now) != now);
            let changes = each.iter_mut().map(|one| Box::pin(one.changed()));
            let (Ok(()), ..) = select_all(changes).await else {
                break;
            };
        }
    });
    Some(answer)
}

/// The name of nobody, which no tenant can have.
const NOBODY: &str = "-";

/// The files of all sites that may change while the gateway runs.
struct Watched {
    keys: Vec<SecretSource>,
    not_before: Option<(NotBeforeFile, NotBefore)>,
    certificate: Option<(Tls, Arc<Identity>)>,
    upstreams: Vec<Arc<ClientTls>>,
}

impl Watched {
    fn groups(
        self,
        keys: &Arc<Keys>,
        revocations: &[Arc<Revocations>],
        clock: &Arc<dyn Clock>,
    ) -> Vec<Box<dyn Group>> {
        let mut groups: Vec<Box<dyn Group>> = vec![Box::new(KeyFiles {
            sources: self.keys,
            keys: Arc::clone(keys),
        })];
        if let Some((
            Tls::Files {
                certificate, key, ..
            },
            identity,
        )) = self.certificate
        {
            groups.push(Box::new(CertificateFiles {
                certificate,
                key,
                identity,
            }));
        }
        for tls in self.upstreams {
            groups.push(Box::new(UpstreamTlsFiles::new(tls)));
        }
        if let Some((file, list)) = self.not_before {
            for site in revocations {
                site.replace(list.clone(), clock.now());
            }
            groups.push(Box::new(RevocationFile {
                file,
                revocations: revocations.to_vec(),
                clock: Arc::clone(clock),
            }));
        }
        groups
    }
}

/// What came of a configuration.
pub(super) struct Built {
    /// The sites, for all workers.
    pub(super) house: House,
    /// Watches files.
    pub(super) rereader: Rereader,
    /// What probes and the status page are told.
    pub(super) sources: Sources,
    /// What scrapes are told.
    pub(super) registry: Registry,
    /// Whether the session store answers.
    pub(super) store: Option<watch::Receiver<bool>>,
    /// Sends the spans of followed traces.
    pub(super) exporter: Option<Exporter>,
}
