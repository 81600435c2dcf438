//! Whether a gateway is the one of this configuration: it begins a sign-in, as for any browser, and what it
//! begins tells the package that it speaks for, and the session key that it seals with.

use http::HeaderMap;
use http::header;
use url::Url;

use super::NAME;
use crate::crypto::envelope::Binding;
use crate::crypto::envelope::Purpose;
use crate::doctor::finding::Cause;
use crate::doctor::finding::Finding;
use crate::doctor::subject::Subject;
use crate::oauth::Transaction;

/// Asks the gateway at the public URL, which is known to be one.
pub(super) async fn look(subject: &Subject) -> Finding {
    let here = subject.site.origin();
    let url = format!("{here}{}", subject.site.path("start"));
    let request = subject.http.get(&url).header(header::ACCEPT, "text/html");
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let detail = format!("{url} does not answer: {}", super::why(error));
            return Finding::failed(NAME, Cause::Surroundings, detail)
                .advice("Let the proxy in front pass on all of the gateway's own endpoints.");
        }
    };
    match Begun::of(answer.headers()) {
        // It may want fewer sign-ins from here, or show a page first: a gateway it is.
        None => Finding::ok(
            NAME,
            format!(
                "{here} leads to a gateway; it began no sign-in ({}), so whether it is this one was not seen",
                answer.status()
            ),
        ),
        Some(begun) => judge(subject, &begun),
    }
}

fn judge(subject: &Subject, begun: &Begun<'_>) -> Finding {
    let here = subject.site.origin();
    let provider = &subject.tenant().provider;
    let other = |what: &str| {
        Finding::failed(
            NAME,
            Cause::Configuration,
            format!("{here} leads to another gateway: {what}"),
        )
    };
    let (host, port) = (
        begun.location.host_str(),
        begun.location.port_or_known_default(),
    );
    let auth = (Some(provider.auth.host()), Some(provider.auth.port()));
    if (host, port) != auth {
        let theirs = host.unwrap_or("nowhere");
        return other(&format!("it sends people to {theirs} to sign in")).advice(
            "Compare subdomain and auth_base_url with those of the gateway that runs there.",
        );
    }
    if begun.parameter("client_id").as_deref() != Some(provider.client_id.as_str()) {
        return other("it speaks for another client id")
            .advice("Compare client_id with that of the gateway that runs there; it may not have been restarted.");
    }
    if begun.parameter("redirect_uri") != Some(subject.site.redirect_uri()) {
        return other("it sends people back to another redirect URI").advice(
            "Compare public_url and endpoint_prefix with those of the gateway that runs there.",
        );
    }
    if !begun.is_sealed_with_ours(subject) {
        return other("its session keys are others").advice(
            "Give all replicas the same session.keys, the tenant's name included, or look at which gateway runs there.",
        );
    }
    Finding::ok(NAME, format!("{here} leads to this gateway"))
}

/// A sign-in that was begun.
struct Begun<'a> {
    location: Url,
    headers: &'a HeaderMap,
}

impl<'a> Begun<'a> {
    fn of(headers: &'a HeaderMap) -> Option<Self> {
        let location = headers.get(header::LOCATION)?.to_str().ok()?;
        let location = Url::parse(location).ok()?;
        let begun = Self { location, headers };
        begun.parameter("client_id").is_some().then_some(begun)
    }

    fn parameter(&self, wanted: &str) -> Option<String> {
        let mut pairs = self.location.query_pairs();
        let pair = pairs.find(|(name, _)| name == wanted);
        pair.map(|(_, value)| value.into_owned())
    }

    /// Whether the cookie of the attempt opens with a key of ours: who cannot seal with it is another gateway.
    fn is_sealed_with_ours(&self, subject: &Subject) -> bool {
        let host = subject.site.origin().authority();
        let tenant = subject.realm();
        let prefix = subject.site.names().login_prefix();
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next()?.split_once('='));
        let ours = pairs.filter(|(name, _)| name.starts_with(prefix));
        ours.into_iter().any(|(name, sealed)| {
            let binding = Binding {
                purpose: Purpose::Login,
                cookie: name,
                host: &host,
                tenant: &tenant,
            };
            let opened = subject.loaded.config.keys.open(&binding, sealed.as_bytes());
            opened.is_ok_and(|opened| Transaction::from_bytes(&opened.plaintext).is_some())
        })
    }
}
