//! An upstream whose every byte a test decides, and that remembers what it was asked.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::wire::Message;
use super::wire::Wire;

/// A running puppet; dropped, it accepts no more.
pub struct Puppet {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// A connection to the puppet.
pub struct Line {
    pub wire: Wire,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Line {
    /// The next whole request, which is remembered.
    pub async fn request(&mut self) -> Option<Message> {
        let request = self.wire.message().await?;
        self.seen.lock().expect("sound").push(request.clone());
        Some(request)
    }

    /// Says something.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes).await;
    }
}

impl Puppet {
    /// Lets `play` have every connection, with its number from 0.
    pub async fn playing<F, W>(play: F) -> Self
    where
        F: Fn(usize, Line) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        Self::on(listener, play)
    }

    /// The same behind a listener that is there.
    pub fn on<F, W>(listener: TcpListener, play: F) -> Self
    where
        F: Fn(usize, Line) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("bound");
        let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let (log, counter) = (Arc::clone(&seen), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let line = Line {
                    wire: Wire::over(stream),
                    seen: Arc::clone(&log),
                };
                tokio::spawn(play(number, line));
            }
        });
        Self {
            address,
            seen,
            connections,
            task,
        }
    }

    /// Answers every request with `answer`, and keeps the connection.
    pub async fn saying(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::playing(move |_, mut line| {
            let answer = answer.clone();
            async move {
                while line.request().await.is_some() {
                    line.say(&answer).await;
                }
            }
        })
        .await
    }

    /// The configuration's `routes` with this upstream behind `/`, and further `options`.
    pub fn route(&self, options: &str) -> String {
        format!("\n  - {{ path: /, to: \"{}\"{options} }}\n", self.origin())
    }

    /// Where it is reached.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The whole requests so far.
    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().expect("sound").clone()
    }

    /// The connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.task.abort();
    }
}
