//! What stands behind the gateway: the tenant's APIs and the routes' upstreams.

mod api;

use futures_util::future::join_all;

use super::finding::Cause;
use super::finding::Finding;
use super::reach::reach_by;
use super::subject::Subject;
use crate::fault::Fault;
use crate::gateway::route::Destination;
use crate::upstream::settings::Address;
use crate::upstream::settings::Upstream;

pub(super) use api::tenant;

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
