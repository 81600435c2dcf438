//! What stands behind the gateway: the tenant's APIs and the routes' upstreams.

use futures_util::future::join_all;

use super::finding::Cause;
use super::finding::Finding;
use super::reach::reach;
use super::subject::Subject;
use crate::fault::Fault;
use crate::gateway::route::Destination;
use crate::http::Origin;
use crate::http::Scheme;

/// The hosts of the tenant that an ordinary user of it is told, where the fence lets tokens go there.
pub(super) async fn tenant(subject: &Subject) -> Vec<Finding> {
    let config = &subject.loaded.config;
    let provider = &config.provider;
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
        let needed = kind == "rest" && config.routes.iter().any(|it| it.to == Destination::Rest);
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

/// Every tool that a route leads to.
pub(super) async fn upstreams(subject: &Subject) -> Vec<Finding> {
    let mut origins: Vec<&Origin> = Vec::new();
    for route in &subject.loaded.config.routes {
        if let Destination::Tool(origin) = &route.to
            && !origins.contains(&origin)
        {
            origins.push(origin);
        }
    }
    join_all(
        origins
            .into_iter()
            .map(|origin| connect(subject, origin, true)),
    )
    .await
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
