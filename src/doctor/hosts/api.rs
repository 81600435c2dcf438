//! The hosts of the tenant's APIs, as far as they are known before anybody signs in. They are asked without a
//! token, which is refused: an answer it is.

use futures_util::future::join_all;

use crate::doctor::finding::Cause;
use crate::doctor::finding::Finding;
use crate::doctor::reach::reach;
use crate::doctor::subject::Subject;
use crate::doctor::subject::why;
use crate::fault::Fault;
use crate::gateway::route::Destination;
use crate::http::Origin;
use crate::http::Scheme;
use crate::oauth::Fence;
use crate::oauth::Subdomain;

/// The hosts that an ordinary user of the tenant is told, where the fence lets tokens go there, and those that
/// the fence names one by one.
pub(in crate::doctor) async fn tenant(subject: &Subject) -> Vec<Finding> {
    let provider = &subject.tenant().provider;
    let usual = provider.auth == provider.subdomain.auth_origin();
    let mut hosts: Vec<Host> = Vec::new();
    if usual {
        hosts.extend(Host::of(&provider.subdomain, &provider.fence));
    }
    for origin in provider.fence.named() {
        if hosts.len() < MAX_HOSTS && hosts.iter().all(|known| known.origin != origin) {
            hosts.push(Host { api: None, origin });
        }
    }
    // `127.0.0.1:9100` stands for both schemes.
    let doubled = |host: &Host| {
        let plain = |other: &Host| {
            other.origin.scheme() == Scheme::Http
                && other.origin.authority() == host.origin.authority()
        };
        host.origin.scheme() == Scheme::Https && hosts.iter().any(plain)
    };
    let wanted: Vec<&Host> = hosts.iter().filter(|host| !doubled(host)).collect();
    if wanted.is_empty() {
        let detail = if usual {
            "not tried: instance_hosts lets tokens go to none of the tenant's own, and names no other"
        } else {
            "not tried: instance_hosts names none, so which they are shows with the first sign-in"
        };
        return vec![if usual {
            Finding::warning(NAME, detail)
                .advice("Add the hosts that sign-ins will be told, or leave instance_hosts out.")
        } else {
            Finding::ok(NAME, detail)
        }];
    }
    join_all(wanted.into_iter().map(|host| look(subject, host))).await
}

/// A host of an API.
struct Host {
    /// Which API, if that is known.
    api: Option<Destination>,
    origin: Origin,
}

impl Host {
    /// Those of a tenant at Marketing Cloud.
    fn of(subdomain: &Subdomain, fence: &Fence) -> impl Iterator<Item = Self> {
        let apis = [("rest", Destination::Rest), ("soap", Destination::Soap)];
        apis.into_iter().filter_map(move |(kind, api)| {
            let host = format!("{subdomain}.{kind}.marketingcloudapis.com");
            let origin = Origin::from_authority(Scheme::Https, &host).ok()?;
            let api = Some(api);
            fence.admits(&origin).then_some(Self { api, origin })
        })
    }

    fn name(&self) -> String {
        let kind = match self.api {
            Some(Destination::Rest) => "REST",
            Some(Destination::Soap) => "SOAP",
            _ => "API",
        };
        format!("{kind} host {}", self.origin)
    }

    /// Needs no right, only a token (REST), and none at all (SOAP).
    fn question(&self) -> &'static str {
        match self.api {
            Some(Destination::Soap) => "/Service.asmx",
            _ => "/platform/v1/tokenContext",
        }
    }
}

async fn look(subject: &Subject, host: &Host) -> Finding {
    let routes = &subject.tenant().routes;
    let leads = |api: &Destination| routes.iter().any(|route| route.to == *api);
    // Whichever a host without a kind is for, a route to either may need it.
    let needed = match &host.api {
        Some(api) => leads(api),
        None => leads(&Destination::Rest) || leads(&Destination::Soap),
    };
    let failed = |detail: String, advice: &str, fault: Fault| {
        if needed {
            Finding::failed(host.name(), Cause::Surroundings, detail)
                .advice(advice)
                .fault(fault)
        } else {
            let detail = format!("{detail}; no route leads there");
            Finding::warning(host.name(), detail).advice(advice)
        }
    };
    if let Err(unreached) = reach(subject, &host.origin).await {
        let fault = Fault::UpstreamUnreachable;
        return failed(unreached.to_string(), unreached.advice(), fault);
    }
    let url = format!("{}{}", host.origin, host.question());
    let status = match subject.http.get(url).send().await {
        Ok(answer) => answer.status(),
        Err(error) => {
            let detail = format!("does not answer: {}", why(error));
            return failed(detail, TRY_AGAIN, Fault::UpstreamBroken);
        }
    };
    if status.as_u16() == GONE {
        let detail = "answers 596: there is no such service".to_owned();
        let advice = "Compare marketing_cloud.subdomain with the package's base URIs in Setup.";
        return failed(detail, advice, Fault::ProviderGone);
    }
    if status.is_server_error() {
        return failed(
            format!("answers {status}"),
            TRY_AGAIN,
            Fault::UpstreamBroken,
        );
    }
    Finding::ok(
        host.name(),
        format!("answers ({} without a token)", status.as_u16()),
    )
}

const NAME: &str = "tenant's hosts";

const TRY_AGAIN: &str =
    "Look at Marketing Cloud's status page (status.salesforce.com), and try again.";

/// Outside of HTTP's classes: the answer of Marketing Cloud's front to a name that nothing stands behind.
const GONE: u16 = 596;

/// Hosts that are tried.
const MAX_HOSTS: usize = 16;
