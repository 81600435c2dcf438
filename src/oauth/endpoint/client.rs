//! The provider over HTTPS.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use http::header::AUTHORIZATION;
use reqwest::redirect;
use reqwest::retry;
use serde::Serialize;

use super::CALL_DEADLINE;
use super::Outage;
use super::TokenEndpoint;
use super::TokenError;
use super::response;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::ClientSecret;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;
use crate::crypto::tls;
use crate::http::Origin;
use crate::http::Scheme;
use crate::http::origin::is_below_localhost;
use crate::oauth::client_secrets::SecretPair;
use crate::oauth::error::TokenErrorCode;
use crate::oauth::fence::Fence;
use crate::oauth::provider::BusinessUnit;
use crate::oauth::provider::Client;
use crate::oauth::provider::Provider;
use crate::oauth::provider::Scope;
use crate::oauth::tenant::Subdomain;
use crate::oauth::token::Granted;
use crate::oauth::userinfo::Identity;
use crate::time::Clock;
use crate::time::UnixTime;

/// The [`TokenEndpoint`] of one configured package, at one tenant.
pub struct ProviderClient {
    http: reqwest::Client,
    provider: Arc<Provider>,
    /// Where this tenant's tokens may go.
    fence: Fence,
    /// Unless a request says otherwise.
    business_unit: Option<BusinessUnit>,
    redirect_uri: String,
    clock: Arc<dyn Clock>,
    auth: Origin,
    token_url: String,
    userinfo_url: String,
    /// The secrets that the last exchange found, and since when they are known here.
    known: Mutex<(Weak<SecretPair>, UnixTime)>,
}

impl ProviderClient {
    /// A client of `provider`. `redirect_uri` is the one of the authorization request, as plain text.
    pub fn new(
        provider: Arc<Provider>,
        redirect_uri: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        Self::of_tenant(None, provider, redirect_uri, clock)
    }

    /// A client of the same package at another tenant, with connections of its own.
    pub fn of_tenant(
        tenant: Option<&Subdomain>,
        provider: Arc<Provider>,
        redirect_uri: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let fence = provider.fence.of(tenant).ok_or(ClientError::NotAdmitted)?;
        let fence = fence.into_owned();
        let auth = provider.auth_of(tenant).ok_or(ClientError::NotAdmitted)?;
        let loopback = auth.is_loopback();
        if auth.scheme() == Scheme::Http && !loopback {
            return Err(ClientError::PlainText);
        }
        let mut builder = reqwest::Client::builder();
        if is_below_localhost(auth.host()) {
            builder = builder.resolve_to_addrs(auth.host(), &LOCAL);
        }
        let http = builder
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls::client_config()))
            .https_only(!loopback)
            // A 307 would send code and secret again, elsewhere (RFC 9700 §4.12).
            .redirect(redirect::Policy::none())
            // A refresh token is sent once: a second time may end the whole family.
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_DEADLINE)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent(concat!("sidegate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            http,
            redirect_uri,
            token_url: format!("{auth}/v2/token"),
            userinfo_url: format!("{auth}/v2/userinfo"),
            auth,
            fence,
            // A number of the package's own account is none of another tenant's.
            business_unit: provider.business_unit.filter(|_| tenant.is_none()),
            known: Mutex::new((secrets(&provider), clock.now())),
            provider,
            clock,
        })
    }

    /// Whether package or secret may have been changed so lately that not all of the provider's servers
    /// know: after a start and after a change of the secrets.
    fn is_new(&self) -> bool {
        let (now, current) = (self.clock.now(), secrets(&self.provider));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !Weak::ptr_eq(&known.0, &current) {
            *known = (current, now);
        }
        now.since(known.1) < PROPAGATION
    }

    /// Asks with the secret that worked last and, where the provider does not know it, once with
    /// the other: in the 180-day rotation the staged secret takes over at a moment that nobody tells.
    async fn token(
        &self,
        grant: Grant<'_>,
        unit: Option<BusinessUnit>,
    ) -> Result<Granted, TokenError> {
        let Client::Web(secrets) = &self.provider.client else {
            return self.ask(grant, unit, None).await;
        };
        let pair = secrets.pair();
        let (mut tried, other) = pair.in_order();
        let mut outcome = self.ask(grant, unit, Some(tried.1)).await;
        if let Some(other) = other
            && matches!(
                outcome,
                Err(TokenError::Refused(TokenErrorCode::InvalidClient))
            )
        {
            tried = other;
            outcome = self.ask(grant, unit, Some(tried.1)).await;
        }
        let accepted = match &outcome {
            Ok(_) => true,
            Err(TokenError::Refused(code)) => *code == TokenErrorCode::InvalidGrant,
            Err(TokenError::Unavailable { .. } | TokenError::BadReply(_)) => false,
        };
        if accepted {
            secrets.accepted(&pair, tried.0, self.clock.now());
        }
        outcome
    }

    async fn ask(
        &self,
        grant: Grant<'_>,
        unit: Option<BusinessUnit>,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, TokenError> {
        let request = TokenRequest {
            grant,
            client_id: self.provider.client_id.as_str(),
            client_secret: secret.map(ClientSecret::expose),
            account_id: unit.or(self.business_unit),
        };
        // Tokens count from here: rather renewed a moment early than used a moment late.
        let asked = self.clock.now();
        let request = self.http.post(&self.token_url).json(&request);
        let body = self.send(request, response::MAX_TOKEN_REPLY).await?;
        Ok(Granted::parse(&body, &self.fence, asked)?)
    }

    async fn who(&self, token: &AccessToken) -> Result<Identity, TokenError> {
        let request = self.http.get(&self.userinfo_url);
        let request = request.header(AUTHORIZATION, token.bearer());
        let body = self.send(request, response::MAX_USERINFO_REPLY).await?;
        let mut identity = Identity::parse(&body, &self.fence)?;
        identity.permissions = self.provider.permissions.of(&body);
        Ok(identity)
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        limit: usize,
    ) -> Result<response::Body, TokenError> {
        let request = request.header(ACCEPT, "application/json");
        let reply = request.send().await.map_err(response::outage)?;
        response::read(reply, limit, self.clock.now()).await
    }
}

impl TokenEndpoint for ProviderClient {
    fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>> {
        Box::pin(in_time(async move {
            let grant = Grant::AuthorizationCode {
                code: code.expose(),
                redirect_uri: &self.redirect_uri,
                code_verifier: verifier.as_ref().map(CodeVerifier::expose),
                scope: self.provider.scope.as_ref().map(Scope::as_str),
            };
            let outcome = self.token(grant, None).await;
            // Refused for the client's sake, the code was not looked at (RFC 6749 §3.2.1).
            let refused = matches!(
                outcome,
                Err(TokenError::Refused(
                    TokenErrorCode::InvalidClient | TokenErrorCode::UnauthorizedClient
                ))
            );
            if !refused || !self.is_new() {
                return outcome;
            }
            tracing::info!(
                event = "sign_in.again",
                "The provider does not know this client; it may not know it yet."
            );
            tokio::time::sleep(PAUSE).await;
            self.token(grant, None).await
        }))
    }

    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        let grant = Grant::RefreshToken {
            refresh_token: token.expose(),
        };
        Box::pin(in_time(self.token(grant, unit)))
    }

    fn userinfo<'a>(
        &'a self,
        token: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Identity, TokenError>> {
        Box::pin(in_time(self.who(token)))
    }
}

impl std::fmt::Debug for ProviderClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProviderClient({})", self.auth)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Secrets would go over the network in the clear.
    #[error("the provider's address must be https; plain http is for loopback only")]
    PlainText,
    /// People of this tenant are not let in.
    #[error("the tenant is not one whose people are let in")]
    NotAdmitted,
    /// The HTTP client refuses its settings.
    #[error("the HTTP client cannot be built")]
    Http(#[from] reqwest::Error),
}

/// Where names below `localhost` lead; the URL says the port.
const LOCAL: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];
fn secrets(provider: &Provider) -> Weak<SecretPair> {
    match &provider.client {
        Client::Web(secrets) => Arc::downgrade(&secrets.pair()),
        Client::Public => Weak::new(),
    }
}

/// How long a change in Setup takes to be known everywhere.
const PROPAGATION: Duration = Duration::from_mins(5);

/// Until the one further try.
const PAUSE: Duration = Duration::from_secs(1);

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Shorter than what load balancers keep, so that a request rarely meets a closed connection.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

const IDLE_CONNECTIONS: usize = 8;

#[derive(Serialize)]
struct TokenRequest<'a> {
    #[serde(flatten)]
    grant: Grant<'a>,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<BusinessUnit>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(tag = "grant_type", rename_all = "snake_case")]
enum Grant<'a> {
    AuthorizationCode {
        code: &'a str,
        redirect_uri: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code_verifier: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'a str>,
    },
    /// Without a scope, which means that of the refresh token (RFC 6749 §6): a wider one in the
    /// configuration of today would be `invalid_scope` for every session of yesterday.
    RefreshToken { refresh_token: &'a str },
}

async fn in_time<T>(work: impl Future<Output = Result<T, TokenError>>) -> Result<T, TokenError> {
    let outcome = tokio::time::timeout(CALL_DEADLINE, work).await;
    outcome.unwrap_or(Err(TokenError::Unavailable {
        retry_after: None,
        why: Outage::Timeout,
    }))
}
