//! From a configuration to the state that all workers share: one site for each host of each tenant. Another
//! configuration makes another state, which goes on with what is in the [`Ledger`].

mod ledger;
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
use super::reload::Newcomer;
use super::reread::CertificateFiles;
use super::reread::Group;
use super::reread::KeyFiles;
use super::reread::RevocationFile;
use super::reread::UpstreamTlsFiles;
use crate::admin::Readiness;
use crate::admin::Sources;
use crate::admin::files::Files;
use crate::admin::reloads::Reloads;
use crate::config::Config;
use crate::config::NotBeforeFile;
use crate::config::SecretSource;
use crate::crypto::Keys;
use crate::gateway::Bounds;
use crate::gateway::House;
use crate::gateway::Route;
use crate::net::settings::Tls;
use crate::net::tls::Identity;
use crate::session::NotBefore;
use crate::session::Revocations;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::traces::Tracer;
use crate::time::Clock;
use crate::time::UnixTime;
use crate::upstream::ClientTls;
use crate::upstream::Upstreams;
use crate::upstream::settings::number;
pub(super) use ledger::Ledger;
use sites::Builder;
use sites::Common;

/// Gives the routes' upstreams their slots and reads the files of their TLS. Tenants whose routes lead to
/// the same tool share its connections, and so do configurations that follow on each other.
pub(super) fn upstreams(
    config: &mut Config,
    ports: &Ports,
    before: Option<&Upstreams>,
) -> Result<Upstreams, StartError> {
    let tenants = std::iter::once(&mut config.first).chain(&mut config.more);
    let tools = tenants.flat_map(|tenant| &mut tenant.routes);
    let list = number(tools.filter_map(Route::tool_mut).collect());
    let resolver = Arc::clone(&ports.resolver);
    Ok(Upstreams::after(
        before,
        &list,
        config.pool,
        config.timeouts,
        resolver,
    )?)
}

/// What every configuration of a process finds there.
pub(super) struct Ground {
    /// What follows traces, if they go anywhere.
    pub(super) tracer: Option<Tracer>,
    pub(super) ports: Ports,
    /// Where calls to the provider run.
    pub(super) control: Handle,
    /// What has to end before the process does.
    pub(super) tasks: TaskTracker,
    /// How many workers serve.
    pub(super) workers: usize,
    /// When the process started.
    pub(super) started: UnixTime,
    pub(super) readiness: Arc<Readiness>,
    pub(super) reloads: Arc<Reloads>,
    pub(super) files: Arc<Files>,
}

/// Puts the rooms together, and what watches the files behind them beside it. What `ledger` knows goes
/// on; nothing of it has changed before [`Built::steps`] are taken.
pub(super) fn house(
    mut config: Config,
    ground: &Ground,
    ledger: Option<Ledger>,
    identity: Option<Arc<Identity>>,
    upstreams: &Arc<Upstreams>,
) -> Result<Built, StartError> {
    let (first, more) = (config.first, std::mem::take(&mut config.more));
    let (ports, control) = (&ground.ports, &ground.control);
    let (clock, ring) = (&ports.clock, config.keys);
    let mut steps: Vec<Box<dyn FnOnce()>> = Vec::new();
    let mut ledger = match ledger {
        None => Ledger::begin(ring, config.rates, clock),
        Some(ledger) => ledger.turning(ring, &mut steps),
    };
    let common = Common {
        keys: Arc::clone(&ledger.keys),
        policy: config.session,
        framing: config.framing,
        shared: config.shared,
        prefix: config.endpoint_prefix,
        trusted: config.trusted_proxies,
        cross_site: config.cross_site,
        bounds: Bounds::from(config.limits),
        keep_fragment: config.keep_fragment,
        asked_path: config.asked_path,
        pages: Arc::new(config.pages),
        shares: config.shares,
        limiters: ledger.limiters(config.rates, clock),
        tracer: ground.tracer.clone(),
        ports,
        control,
        tasks: &ground.tasks,
    };
    let mut builder = Builder::new(common, ledger, steps, registry(ground, upstreams));
    let (first, mut others) = builder.tenant(first)?;
    for tenant in more {
        let (site, further) = builder.tenant(tenant)?;
        others.push(site);
        others.extend(further);
    }
    let Builder {
        common,
        mut ledger,
        mut steps,
        mut registry,
        mut groups,
        ready,
        stores,
        newcomers,
        sources: tenants,
    } = builder;
    let several = !others.is_empty();
    ledger.forget(others.len() + 1);
    let revocations = ledger.revocations();
    let hall = if several {
        nobodys(&mut ledger, &mut registry, common.prefix.as_str())
    } else {
        Arc::clone(&first.traffic)
    };
    let store = all(stores, control);
    registry.register_collector(Box::new(metrics::Store(store.clone())));
    let (file, list) = config.not_before.unzip();
    steps.push(refuse(&revocations, list.unwrap_or_default(), clock));
    let watched = Watched {
        keys: config.key_sources,
        not_before: file,
        certificate: config.tls.zip(identity.clone()),
        upstreams: upstreams.tls_of_files(),
    };
    groups.extend(watched.groups(&common.keys, &revocations, clock));
    let (readiness, ready) = (Arc::clone(&ground.readiness), all(ready, control));
    steps.push(Box::new(move || readiness.depend_on(ready)));
    let sources = Sources {
        clock: Arc::clone(clock),
        readiness: Arc::clone(&ground.readiness),
        workers: ground.workers,
        tenants,
        hall: several.then(|| Arc::clone(&hall)),
        upstreams: Arc::clone(upstreams),
        store: store.clone(),
        keys: Arc::clone(&common.keys),
        identity,
        files: Arc::clone(&ground.files),
        reloads: Arc::clone(&ground.reloads),
    };
    Ok(Built {
        house: House {
            first,
            more: others,
            hall,
            tracer: common.tracer,
        },
        ledger,
        steps,
        groups,
        revocations,
        sources,
        registry,
        store,
        newcomers,
    })
}

/// Numbers of the whole process.
fn registry(ground: &Ground, upstreams: &Upstreams) -> Registry {
    let mut registry = crate::telemetry::metrics::registry(ground.started);
    if let Some(tracer) = &ground.tracer {
        tracer.register(&mut registry);
    }
    let reloads = Arc::clone(&ground.reloads);
    registry.register_collector(Box::new(metrics::Configuration(reloads)));
    registry.register_collector(Box::new(Arc::clone(upstreams.pools())));
    registry
}

/// What counts what is of none of several tenants.
fn nobodys(ledger: &mut Ledger, registry: &mut Registry, own: &str) -> Arc<Traffic> {
    let hall = ledger.hall(own);
    labelled(registry, NOBODY).register_collector(Box::new(Arc::clone(&hall)));
    hall
}

/// Puts an operator's list into force at all sites.
fn refuse(
    sites: &[Arc<Revocations>],
    list: NotBefore,
    clock: &Arc<dyn Clock>,
) -> Box<dyn FnOnce()> {
    let (sites, clock) = (sites.to_vec(), Arc::clone(clock));
    Box::new(move || {
        for site in sites {
            site.replace(list.clone(), clock.now());
        }
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
    // What has answered all along is not taken for silent until somebody looks.
    let (whole, answer) = watch::channel(each.iter().all(|one| *one.borrow()));
    control.spawn(async move {
        loop {
            let now = each.iter_mut().all(|one| *one.borrow_and_update());
            whole.send_if_modified(|was| std::mem::replace(was, now) != now);
            let changes = each.iter_mut().map(|one| Box::pin(one.changed()));
            tokio::select! {
                (next, ..) = select_all(changes) => if next.is_err() {
                    break;
                },
                // Another configuration is in force.
                () = whole.closed() => break,
            }
        }
    });
    Some(answer)
}

/// The name of nobody, which no tenant can have.
const NOBODY: &str = "-";

/// The files of all sites that may change while the gateway runs.
struct Watched {
    keys: Vec<SecretSource>,
    not_before: Option<NotBeforeFile>,
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
                certificate,
                key,
                clients,
            },
            identity,
        )) = self.certificate
        {
            groups.push(Box::new(CertificateFiles {
                certificate,
                key,
                authorities: clients.map(|clients| clients.authorities),
                identity,
            }));
        }
        for tls in self.upstreams {
            groups.push(Box::new(UpstreamTlsFiles::new(tls)));
        }
        if let Some(file) = self.not_before {
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
    /// What the next configuration goes on with.
    pub(super) ledger: Ledger,
    /// What puts into force what is shared with the configuration before; nothing of it can fail.
    pub(super) steps: Vec<Box<dyn FnOnce()>>,
    /// The files behind it.
    pub(super) groups: Vec<Box<dyn Group>>,
    /// The sessions that are refused, by site.
    pub(super) revocations: Vec<Arc<Revocations>>,
    /// What probes and the status page are told.
    pub(super) sources: Sources,
    /// What scrapes are told.
    pub(super) registry: Registry,
    /// Whether the session store answers.
    pub(super) store: Option<watch::Receiver<bool>>,
    /// Sites that have no connection to it yet.
    pub(super) newcomers: Vec<Newcomer>,
}
