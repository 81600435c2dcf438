//! What stands behind the gateway: the tenant's APIs and the routes' upstreams.

use futures_util::future::join_all;

use super::finding::Cause;
use super::finding::Finding;
use super::reach::reach;
use super::reach::reach_by;
use super::subject::Subject;
use crate::fault::Fault;
use crate::gateway::route::Destination;
use crate::http::Origin;
use crate::http::Scheme;
use crate::upstream::settings::Address;
use crate::upstream::settings::Upstream;

/// The hosts of the tenant that an ordinary user of it is told, where the fence lets tokens go there.
pub(super) async fn tenant(subject: &Subject) -> Vec<Finding> {
    let tenant = subject.tenant();
    let provider = &tenant.provider;
    if provider.auth != provider.subdomain.auth_origin() {
        let detail = "not tried, since auth_base_url leads to another provider";
        return vec![Finding::ok(TENANT, detail)];
    }
    let hosts = ["rest", "soap"].into_iter().filter_map(|kind| {
        let host = format!("{}.{kind}.marketingcloudapis.com", provider.subdomain);
        let origin = Origin::from_authority(Scheme::Https, &host).ok()?;
        provider.fence.admits(&origin).then_some((kind, origin))
    });
    let found = join_all(hosts.map(async |(kind, origin)| {
        let api = if kind == "rest" {
            Destination::Rest
        } else {
            Destination::Soap
        };
        let needed = tenant.routes.iter().any(|it| it.to == api);
        connect(subject, &origin, needed).await
    }))
    .await;
    if found.is_empty() {
        return vec![Finding::ok(
            TENANT,
            "not tried, since instance_hosts names others",
        )];
    }
    found
}

/// Every address of every tool that a route leads to.
pub(super) async fn upstreams(subject: &Subject) -> Vec<Finding> {
    let mut known: Vec<&Upstream> = Vec::new();
    let tenants = subject.loaded.config.tenants();
    for route in tenants.flat_map(|tenant| &tenant.routes) {
        if let Destination::Tool(upstream) = &route.to
            && !known.contains(&upstream)
        {
            known.push(upstream);
        }
    }
    let addresses = known.into_iter().flat_map(|upstream| {
        let addresses = upstream.addresses.iter();
        addresses.map(move |address| (upstream, address))
    });
    join_all(addresses.map(|(upstream, address)| tool(subject, upstream, address))).await
}

async fn tool(subject: &Subject, upstream: &Upstream, address: &Address) -> Finding {
    let name = format!("upstream {address}");
    let unreachable = |detail: String, advice: &'static str| {
        Finding::failed(name.clone(), Cause::Surroundings, detail)
            .advice(advice)
            .fault(Fault::UpstreamUnreachable)
    };
    match address {
        Address::Unix(path) => match tokio::net::UnixStream::connect(path.as_ref()).await {
            Ok(_) => Finding::ok(name, "can be reached"),
            Err(error) => unreachable(
                error.to_string(),
                "Check that it runs and may be written to.",
            ),
        },
        Address::Tcp(origin) => match upstream.client_config(&subject.tls) {
            Ok(tls) => match reach_by(subject, origin, &tls).await {
                Ok(_) => Finding::ok(name, "can be reached"),
                Err(unreached) => unreachable(unreached.to_string(), unreached.advice()),
            },
            Err(error) => Finding::failed(name, Cause::Configuration, error.to_string())
                .advice("Check the files of upstream_tls."),
        },
    }
}

async fn connect(subject: &Subject, origin: &Origin, needed: bool) -> Finding {
    let name = format!("upstream {origin}");
    match reach(subject, origin).await {
        Ok(_) => Finding::ok(name, "can be reached"),
        Err(unreached) if needed => {
            Finding::failed(name, Cause::Surroundings, unreached.to_string())
                .advice(unreached.advice())
                .fault(Fault::UpstreamUnreachable)
        }
        Err(unreached) => Finding::warning(name, unreached.to_string()).advice(unreached.advice()),
    }
}

const TENANT: &str = "tenant's hosts";
