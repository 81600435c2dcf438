//! The connection to the store, kept up by a task of its own, so that a request never waits for one
//! to be made: it is there, or the answer is that it is not.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::Arg;
use redis::AsyncConnectionConfig;
use redis::Client;
use redis::Cmd;
use redis::FromRedisValue;
use redis::Pipeline;
use redis::RedisFuture;
use redis::TlsMode;
use redis::Value;
use redis::aio::ConnectionLike;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClientBuilder;
use redis::sentinel::SentinelServerType;
use secrecy::ExposeSecret as _;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::StoreError;
use super::settings::RedisSettings;
use super::settings::RedisUrl;
use super::settings::Topology;
use crate::crypto::Entropy;

/// A connection that comes back by itself.
pub struct Link {
    settings: RedisSettings,
    entropy: Arc<dyn Entropy>,
    current: ArcSwapOption<Current>,
    /// Counts the connections.
    generation: AtomicU64,
    up: watch::Sender<bool>,
}

/// One connection and what is known of it. What an older one had to complain of does not touch it.
struct Current {
    connection: Connection,
    /// An answer was late: is the server still there?
    doubt: Notify,
    /// It is of no use any more, even if it answers: a master that became a replica does.
    broken: Notify,
    /// Commands that were refused, each told once.
    refused: Mutex<HashSet<String>>,
}

impl Current {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            doubt: Notify::new(),
            broken: Notify::new(),
            refused: Mutex::default(),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let outcome = match timeout(DEADLINE, command.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(StoreError::from),
            Err(_) => Err(StoreError::Slow),
        };
        match &outcome {
            Err(StoreError::Slow) => self.doubt.notify_one(),
            Err(StoreError::Broken(_)) => self.broken.notify_one(),
            Err(StoreError::Refused(code)) => self.tell_refusal(command, code),
            _ => {}
        }
        outcome
    }

    fn tell_refusal(&self, command: &Cmd, code: &str) {
        let Some(Arg::Simple(name)) = command.args_iter().next() else {
            return;
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.insert(name.clone()) {
            tracing::warn!(
                event = "session_store.refused",
                command = name,
                code,
                "The session store refuses a command: see what its user may do, and its memory."
            );
        }
    }
}

impl Link {
    /// A link that is down until [`Link::keep_up`] runs.
    pub fn new(settings: RedisSettings, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            settings,
            entropy,
            current: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            up: watch::Sender::new(false),
        }
    }

    /// A link that is up and that nobody keeps up.
    pub(super) async fn connected(
        settings: RedisSettings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let this = Self::new(settings, entropy);
        let connection = this.connect().await?;
        this.current.store(Some(Arc::new(Current::new(connection))));
        Ok(this)
    }

    /// Whether the store answers.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Tells when that changes.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// A number that changes with each connection.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Asks the store one thing.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        match self.current.load_full() {
            Some(current) => current.ask(command).await,
            None => Err(StoreError::Down),
        }
    }

    /// The value of a name, up to the length of the longest envelope: of what is longer the rest does not
    /// matter, since it does not open.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut range = redis::cmd("GETRANGE");
        range.arg(name).arg(0).arg(MAX_VALUE);
        let value: Vec<u8> = self.ask(&range).await?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Connects, watches, connects again, for as long as the runtime lives.
    pub async fn keep_up(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        let mut complained = false;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    let current = Arc::new(Current::new(connection));
                    self.current.store(Some(Arc::clone(&current)));
                    self.generation.fetch_add(1, Ordering::Release);
                    self.up.send_replace(true);
                    tracing::info!(event = "session_store.connected", nodes = ?self.settings.nodes, "The session store answers.");
                    let error = current.watch().await;
                    self.current.store(None);
                    self.up.send_replace(false);
                    tracing::error!(event = "session_store.lost", %error, "The session store does not answer.");
                    (pause, complained) = (FIRST_PAUSE, true);
                }
                Err(error) if !complained => {
                    complained = true;
                    tracing::error!(event = "session_store.unreachable", %error, nodes = ?self.settings.nodes,
                        "The session store cannot be used; it is tried again and again.");
                }
                Err(error) => {
                    tracing::debug!(event = "session_store.unreachable", %error, "Still no session store.");
                }
            }
            // Spread, so that all replicas do not come back in one instant.
            let [jitter] = self.entropy.bytes::<1>();
            tokio::time::sleep(pause + pause * u32::from(jitter) / 512).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<Connection, StoreError> {
        timeout(CONNECT, self.settings.connect())
            .await
            .unwrap_or(Err(StoreError::Slow))
    }
}

impl Current {
    /// Returns when the connection is no good any more.
    async fn watch(&self) -> StoreError {
        let mut late = false;
        loop {
            let doubted = tokio::select! {
                () = self.broken.notified() => {
                    return StoreError::Broken("it cannot serve".to_owned());
                }
                () = self.doubt.notified() => true,
                () = tokio::time::sleep(HEARTBEAT) => false,
            };
            match self.ask::<Value>(&heartbeat()).await {
                Ok(_) => late = false,
                // One slow answer is not an outage.
                Err(StoreError::Slow) if !doubted && !late => late = true,
                Err(error) => return error,
            }
        }
    }
}

/// What every replica has to be allowed to ask. PING would be answered to anybody.
fn heartbeat() -> Cmd {
    let mut get = redis::cmd("GET");
    get.arg("sidegate:heartbeat");
    get
}

impl RedisSettings {
    async fn connect(&self) -> Result<Connection, StoreError> {
        let encrypted = self.nodes.iter().any(RedisUrl::is_encrypted);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(DEADLINE));
        let connections = self.nodes.iter().map(|node| node.connection(self));
        let mut connection = match &self.topology {
            Topology::Single => {
                let mut connections = connections;
                let none = || StoreError::Settings("no URL".to_owned());
                let info = connections.next().ok_or_else(none)?;
                let client = if encrypted {
                    Client::build_with_tls(info, self.tls.certificates())?
                } else {
                    Client::open(info)?
                };
                Connection::Single(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
            Topology::Cluster => {
                let mut builder = ClusterClientBuilder::new(connections)
                    .connection_timeout(CONNECT)
                    .response_timeout(DEADLINE)
                    .overall_response_timeout(Some(DEADLINE))
                    .retries(CLUSTER_RETRIES);
                if encrypted {
                    builder = builder.certs(self.tls.certificates());
                }
                Connection::Cluster(builder.build()?.get_async_connection().await?)
            }
            Topology::Sentinel { master } => {
                let client = self.master(master).await?;
                Connection::Single(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
        };
        // A connection to a server that is still loading its data, or that does not let us in, is none.
        heartbeat().query_async::<Value>(&mut connection).await?;
        Ok(connection)
    }

    /// The server that the sentinels call the master now. The URLs lead to the sentinels, with a user of
    /// their own if they ask for one; the configured user is the server's.
    async fn master(&self, name: &str) -> Result<Client, StoreError> {
        let sentinels: Vec<_> = self
            .nodes
            .iter()
            .map(|node| node.info().addr().clone())
            .collect();
        let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?;
        if let Some(first) = self.nodes.first().map(|node| node.info().redis_settings()) {
            builder = builder.set_client_to_redis_db(first.db());
            if let Some(username) = first.username() {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = first.password() {
                builder = builder.set_client_to_sentinel_password(password);
            }
        }
        if let Some(username) = &self.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password.expose_secret());
        }
        if self.nodes.iter().any(RedisUrl::is_encrypted) {
            builder = builder
                .set_client_to_sentinel_certificates(self.tls.certificates())
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.tls.certificates());
        }
        Ok(builder.build()?.async_get_client().await?)
    }
}

/// One server or a cluster of them.
#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The last byte read of a value: one more than an envelope has.
const MAX_VALUE: usize = crate::crypto::envelope::MAX_TEXT;

/// How long one question may take. Ours is the smaller part of it: a machine that is busy with something
/// else must not look like a store that is away.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long a connection may take to come about, sentinels and TLS included.
const CONNECT: Duration = Duration::from_secs(2);

/// How often an idle connection is asked whether it lives.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Between the first two attempts; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Between any two attempts: sessions are back within a second of the store.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Redirections that a moving slot may cost.
const CLUSTER_RETRIES: u32 = 3;
