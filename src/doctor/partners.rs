//! Tenants whose people come with an `AppExchange` package: whether their tokens may go to their own hosts, and
//! whether the package is known there, as far as the configuration names them.

use futures_util::future::join_all;

use super::finding::Cause;
use super::finding::Finding;
use super::finding::Status;
use super::subject::Subject;
use super::token;
use crate::fault::Fault;
use crate::http::Origin;
use crate::http::Scheme;
use crate::oauth::Partner;
use crate::oauth::Provider;
use crate::oauth::Subdomain;
use crate::oauth::partner::Tenants;

/// Nothing where no other tenant's people are let in.
pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let provider = &subject.tenant().provider;
    let Some(partner) = &provider.partner else {
        return Vec::new();
    };
    match &partner.tenants {
        Tenants::Any => vec![any(provider, partner)],
        Tenants::Listed(list) => {
            let named = list.iter().take(MAX_TENANTS);
            let looks = named.map(|tenant| listed(subject, provider, partner, tenant));
            let mut found = join_all(looks).await;
            if list.len() > MAX_TENANTS {
                let detail = format!(
                    "{} of the list were not tried: {MAX_TENANTS} are enough",
                    list.len() - MAX_TENANTS
                );
                found.push(Finding::ok(NAME, detail));
            }
            found
        }
    }
}

fn any(provider: &Provider, partner: &Partner) -> Finding {
    let known = "the authorization servers and hosts of tenants that are let in by \"any\" are known when somebody of theirs signs in: not tried";
    // One that nobody has, of the kind that Marketing Cloud gives out.
    let nobody = Subdomain::parse(SOMEBODY).ok();
    match nobody.filter(|_| partner.auth.is_marketing_cloud()) {
        Some(tenant) if !is_fenced_in(provider, &tenant) => fenced_out(NAME.to_owned()),
        _ => Finding::ok(NAME, known),
    }
}

async fn listed(
    subject: &Subject,
    provider: &Provider,
    partner: &Partner,
    tenant: &Subdomain,
) -> Finding {
    let name = format!("partner tenant {tenant}");
    if partner.auth.is_marketing_cloud() && !is_fenced_in(provider, tenant) {
        return fenced_out(name);
    }
    let Some(auth) = partner.auth_of(tenant) else {
        // A list lets in what it names.
        return Finding::failed(name, Cause::Configuration, "is not let in")
            .fault(Fault::TenantNotAdmitted);
    };
    let mut found = token::at_partner(subject, &auth).await;
    found.name = name.into();
    if found.code == Some(Fault::ClientRefused.code()) {
        // Others' sign-ins work, and its own will as soon as somebody there has installed the package.
        found.status = Status::Warning;
        found.cause = None;
        found.detail = format!("{auth} does not accept the client");
        found.advice = Some(format!(
            "Let an administrator of {tenant} install the package."
        ));
    } else if found.status == Status::Ok {
        found.detail = format!("{auth} accepts the client; its API hosts show with a sign-in");
    }
    found
}

/// Whether tokens of people of `tenant` may go to the hosts that its sign-ins will name.
fn is_fenced_in(provider: &Provider, tenant: &Subdomain) -> bool {
    let Some(fence) = provider.fence.of(Some(tenant)) else {
        return false;
    };
    ["rest", "soap"].into_iter().any(|kind| {
        let host = format!("{tenant}.{kind}.marketingcloudapis.com");
        Origin::from_authority(Scheme::Https, &host).is_ok_and(|origin| fence.admits(&origin))
    })
}

fn fenced_out(name: String) -> Finding {
    let detail =
        "instance_hosts lets tokens go to no host of that tenant, so its people cannot sign in";
    Finding::failed(name, Cause::Configuration, detail)
        .advice("Add \"*.rest.marketingcloudapis.com\" and \"*.soap.marketingcloudapis.com\" to instance_hosts, or leave it out.")
        .fault(Fault::OutsideFence)
}

const NAME: &str = "partner tenants";

/// Tenants of a list that are tried.
const MAX_TENANTS: usize = 16;

/// Has the length and the beginning of all that are given out.
const SOMEBODY: &str = "mc00000000000000000000000000";
