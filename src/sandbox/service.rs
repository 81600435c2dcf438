//! Which endpoint answers a request.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use hyper::Request;
use hyper::body::Incoming;

use crate::sandbox::admin;
use crate::sandbox::authorize;
use crate::sandbox::body::Metered;
use crate::sandbox::cloud;
use crate::sandbox::fault::Place;
use crate::sandbox::help;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::server::Cut;
use crate::sandbox::server::Handler;
use crate::sandbox::soap;
use crate::sandbox::tenant;
use crate::sandbox::tenant::Tenant;
use crate::sandbox::token;
use crate::sandbox::userinfo;

/// The tenant's HTTP face.
pub(super) struct Service(Arc<Tenant>);

impl Service {
    pub(super) const fn new(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }
}

impl Handler for Service {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Reply, Cut> {
        let tenant = self.0.at_host(request.headers());
        if request.uri().path().starts_with("/sandbox/") {
            return Ok(admin::answer(tenant, request, peer).await);
        }
        let id = tenant.log.start(&request);
        let request = request.map(|body| Metered::new(body, Arc::clone(&tenant.log), id));
        let path = request.uri().path();
        match path {
            "/" if request.method() == Method::GET => Ok(help::page(tenant)),
            "/favicon.ico" => Ok(RestError::not_found().reply()),
            path if path.starts_with("/cloud/") => Ok(cloud::answer(tenant, request).await),
            "/v2/authorize" => Ok(authorize::start(tenant, &request)),
            "/v2/authorize/decision" => Ok(authorize::decide(tenant, request).await),
            "/v2/token" => {
                tenant::count(&tenant.counters.token);
                let work = |request| async move { Ok(token::answer(tenant, request).await) };
                tenant.faults.around(Place::Token, request, work).await
            }
            "/v2/userinfo" => {
                tenant::count(&tenant.counters.userinfo);
                let work = |request| async move { Ok(userinfo::answer(tenant, &request)) };
                tenant.faults.around(Place::Userinfo, request, work).await
            }
            path if soap::claims(path) => {
                tenant::count(&tenant.counters.soap);
                let work = |request| async move { Ok(soap::answer(tenant, request).await) };
                tenant.faults.around(Place::Soap, request, work).await
            }
            _ => {
                tenant::count(&tenant.counters.rest);
                let work = |request| rest::answer(tenant, request);
                tenant.faults.around(Place::Rest, request, work).await
            }
        }
    }
}
