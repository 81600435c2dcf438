//! A gateway on this thread, whose one tool is here as well.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use http::Request;
use sidegate::app::Inline;
use sidegate::app::Ports;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::Entropy;
use sidegate::net::guard::TICK;
use sidegate::telemetry::sink::Sink;
use sidegate::time::SystemClock;
use sidegate::upstream::InProcess;
use sidegate::upstream::Resolve;
use sidegate::upstream::Resolving;
use sidegate::upstream::settings::Address;
use tokio::runtime::LocalOptions;
use tokio::runtime::LocalRuntime;
use tokio::time::MissedTickBehavior;

use super::client::Client;
use super::tool::Tool;
use crate::sample;

pub(super) struct Gate {
    runtime: LocalRuntime,
    inline: Rc<Inline>,
    pub(super) tool: Arc<Tool>,
}

impl Gate {
    /// Opens with everything on that is on by default; `http2` is spoken besides where wanted.
    pub(super) fn open(key: &str, http2: bool) -> Self {
        let tool = Arc::<Tool>::default();
        let ports = Ports {
            // The steady clock asks the kernel's vDSO itself, which valgrind does not have.
            clock: Arc::new(SystemClock),
            entropy: Arc::new(Numbers::default()),
            resolver: Arc::new(Near(Arc::clone(&tool))),
            records: Sink::to(std::io::sink()),
        };
        // Sockets would need a driver; without one, nothing here can have any.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build_local(LocalOptions::default())
            .expect("a runtime");
        let started = runtime.block_on(async { Inline::start(config(key, http2), &ports) });
        let inline = Rc::new(started.expect("the gateway starts"));
        let ticking = Rc::clone(&inline);
        runtime.spawn_local(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                ticking.tick();
            }
        });
        Self {
            runtime,
            inline,
            tool,
        }
    }

    /// A client that is connected, to send `requests` in turn.
    pub(super) fn client(&self, requests: &Rc<[Request<()>]>, http2: bool) -> Client {
        let (near, far) = tokio::io::duplex(ROOM);
        let (inline, requests) = (Rc::clone(&self.inline), Rc::clone(requests));
        self.run(async move {
            inline.serve(far, SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)));
            if http2 {
                Client::http2(near, &requests).await
            } else {
                Client::http1(near, &requests)
            }
        })
    }

    /// Does `work` in a task of its own.
    pub(super) fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> T {
        let task = self.runtime.spawn_local(work);
        self.runtime.block_on(task).expect("no panic")
    }
}

fn config(key: &str, http2: bool) -> Config {
    let text = format!(
        "public_url: https://{}\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nh2c: {http2}\n\
         marketing_cloud:\n  subdomain: bench\n  client_id: bench\n  client_type: public\n\
         session:\n  keys: [{{ env: KEY }}]\n\
         routes:\n  - {{ path: /, to: \"http://127.0.0.1:3000\", token: bearer }}\n",
        sample::HOST
    );
    let environment: Environment = [("KEY", key)].into_iter().collect();
    let loaded = Config::from_text("bench.yaml", &text, Path::new("."), &environment);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .config
}

/// Finds the tool in this process.
struct Near(Arc<Tool>);

impl Resolve for Near {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn in_process(&self, _: &Address) -> Option<InProcess> {
        let tool = Arc::clone(&self.0);
        Some(Box::new(move || {
            let (near, far) = tokio::io::duplex(ROOM);
            tokio::task::spawn(Arc::clone(&tool).serve(far));
            near
        }))
    }
}

/// Numbers that are never the same twice, and no system call: what they cost is not the gateway's.
#[derive(Default)]
struct Numbers(AtomicU64);

impl Entropy for Numbers {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            // SplitMix64.
            let mut number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
            number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (number ^ (number >> 31)).to_le_bytes();
            part.copy_from_slice(bytes.get(..part.len()).unwrap_or_default());
        }
    }
}

/// Bytes that wait between two sides, as in a socket's buffers.
const ROOM: usize = 256 * 1024;
