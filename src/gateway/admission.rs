//! Holding rules against sessions, and what a person is told whom one refuses.

use std::sync::Arc;

use http::HeaderValue;
use http::Uri;
use http::request::Parts;

use super::account;
use super::pipeline::Current;
use super::pipeline::Stop;
use super::route::Access;
use super::router::Served;
use super::rules::Rule;
use super::sign_in;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::Offer;
use crate::http::Target;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::oauth::provider::BusinessUnit;
use crate::session::Session;
use crate::telemetry::metrics::labels::Rule as Kind;

impl Worker {
    /// Holds the rule of a route against the session.
    pub(super) async fn admit(
        &self,
        rule: &Rule,
        current: &Current,
        parts: &Parts,
    ) -> Result<(), Stop> {
        let session = &current.live.session;
        let Some(kind) = rule.refuses(&session.person) else {
            return Ok(());
        };
        self.gateway.events.access_refused(kind);
        let refusal = self.refused_by(rule, kind, session, parts);
        let lines = self.session_lines(current, parts).await;
        Err(Stop::Refused(refusal, lines))
    }

    fn refused_by(&self, rule: &Rule, kind: Kind, session: &Session, parts: &Parts) -> Refusal {
        let fault = match kind {
            Kind::Enterprise => Fault::OtherEnterprise,
            Kind::EmailDomain => Fault::OtherEmailDomain,
            Kind::Permission => Fault::PermissionMissing,
            Kind::BusinessUnit => Fault::OtherUnit,
        };
        let mut offer = self.offer(session);
        offer.rule = Some(kind.as_str());
        if kind == Kind::BusinessUnit {
            offer.wanted = rule.target.map(BusinessUnit::mid);
            offer.back = match Audience::of(&parts.method, &parts.headers) {
                Audience::Person if parts.method.is_safe() => {
                    sign_in::requested_path(parts).as_str().to_owned()
                }
                _ => "/".to_owned(),
            };
            // Where several would do, those that the person has been in: the list itself is nobody's business.
            let recent = session.person.recent.iter();
            let known = recent.filter(|unit| rule.admits_unit(unit.id));
            offer.units = known.map(account::label).collect();
            if let Some(target) = offer.wanted
                && offer.units.is_empty()
            {
                offer.units.push((target, target.to_string()));
            }
        }
        Refusal {
            offer: Some(Box::new(offer)),
            ..fault.into()
        }
    }

    /// What a refused person can do about it.
    pub(super) fn offer(&self, session: &Session) -> Offer {
        let site = &self.gateway.site;
        Offer {
            now: session.person.business_unit,
            switch: site.path("business_unit"),
            account: site.path(""),
            sign_out: site.path("sign_out"),
            ..Offer::default()
        }
    }

    /// The rules that hold for a request which a proxy in front asks about: that of the route which its
    /// field names. The field has to come once, since a client's own beside it would choose another route.
    /// Where no field is configured, whoever names a path could be the client: then all rules hold.
    pub(super) fn rules_asked_for(&self, parts: &Parts) -> Result<Vec<Arc<Rule>>, Fault> {
        let router = &self.gateway.router;
        if !router.is_selective() {
            return Ok(Vec::new());
        }
        let Some(field) = &self.gateway.asked_path else {
            // For a route of Journey Builder's no session will do, and this may be one.
            return if router.takes_signed_calls() {
                Err(Fault::PathUnnamed)
            } else {
                Ok(router.rules().cloned().collect())
            };
        };
        let mut named = parts.headers.get_all(field).iter();
        let (Some(path), None) = (named.next(), named.next()) else {
            return Err(Fault::PathUnnamed);
        };
        Ok(self.rule_at(path)?.into_iter().collect())
    }

    fn rule_at(&self, value: &HeaderValue) -> Result<Option<Arc<Rule>>, Fault> {
        let uri = Uri::try_from(value.as_bytes()).map_err(|_| Fault::AmbiguousTarget)?;
        let target = Target::parse(&uri).map_err(|_| Fault::AmbiguousTarget)?;
        match self.gateway.router.find(&target, &self.gateway.site) {
            // The proxy passes the body on itself: nobody would look for the signature.
            Ok(Served::Route(_, route)) if matches!(route.access, Access::JourneyBuilder(_)) => {
                Err(Fault::SignedCallsOnly)
            }
            Ok(Served::Route(_, route)) => Ok(route.rule.clone()),
            // A page of the proxy's own.
            Ok(Served::Own(_)) | Err(Fault::NoRoute) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}
