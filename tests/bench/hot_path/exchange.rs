//! A whole request in memory, on one thread: the client's bytes go into the gateway's own connection code,
//! the tool's answer comes out of it, and no system call is made on the way. What is left out is the
//! kernel's part and the scheduler's. What client and tool do here is in the figures, and little.

mod client;
mod gate;
mod tool;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use criterion::Criterion;
use http::Method;
use http::Request;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::http::CookieNames;
use tokio::time::Instant;

use super::sample;
use client::Client;
use gate::Gate;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    for case in CASES {
        let bench = Bench::ready(case);
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|count| bench.requests(count));
        });
    }
    group.finish();
}

/// `count` requests of the case called `name`, to be counted by a tool.
pub(crate) fn counted(name: &str, count: u64) {
    let case = CASES.iter().find(|case| case.name == name);
    let bench = Bench::ready(case.expect("a case of this name"));
    bench.requests(WARM);
    counting(&bench, count);
}

/// What such a tool has to look at, and at nothing else.
#[inline(never)]
fn counting(bench: &Bench, count: u64) {
    bench.requests(count);
}

/// What a client asks for, and what has to come of it.
struct Case {
    name: &'static str,
    path: &'static str,
    who: Who,
    http2: bool,
    status: u16,
    /// Bytes of the answer's body, where it is the tool's.
    from_tool: Option<usize>,
}

/// Who asks.
enum Who {
    /// Somebody signed in, with one and the same cookie.
    Known,
    /// Many who are signed in, one after the other, too many to remember.
    Many,
    /// Nobody, by way of a link.
    Nobody,
}

const CASES: &[Case] = &[
    Case {
        name: "forwarded",
        path: "/small",
        who: Who::Known,
        http2: false,
        status: 200,
        from_tool: Some(tool::SMALL),
    },
    Case {
        name: "forwarded, session opened anew",
        path: "/small",
        who: Who::Many,
        http2: false,
        status: 200,
        from_tool: Some(tool::SMALL),
    },
    Case {
        name: "forwarded, 100 KB answer",
        path: "/large",
        who: Who::Known,
        http2: false,
        status: 200,
        from_tool: Some(tool::LARGE),
    },
    Case {
        name: "forwarded, HTTP/2",
        path: "/small",
        who: Who::Known,
        http2: true,
        status: 200,
        from_tool: Some(tool::SMALL),
    },
    Case {
        name: "answered by itself, /oauth2/auth",
        path: "/oauth2/auth",
        who: Who::Known,
        http2: false,
        status: 202,
        from_tool: None,
    },
    Case {
        name: "sent to sign in",
        path: "/small",
        who: Who::Nobody,
        http2: false,
        status: 302,
        from_tool: None,
    },
    Case {
        name: "refused, ambiguous target",
        path: "/small/..%2flarge",
        who: Who::Known,
        http2: false,
        status: 400,
        from_tool: None,
    },
];

/// A case whose answers were seen to be right.
struct Bench {
    gate: Gate,
    client: Cell<Option<Client>>,
}

impl Bench {
    fn ready(case: &Case) -> Self {
        let key = MasterKey::generate(&OsEntropy);
        let gate = Gate::open(&key.to_text(), case.http2);
        let store = sample::store(key, CookieNames::new(true), sample::HOST);
        let session = sample::session(TOKEN);
        let cookies = || sample::cookie_line(&store, &session);
        let requests: Rc<[_]> = match case.who {
            Who::Nobody => [sample::navigation(case.path)].into(),
            Who::Known => [case.request(&cookies())].into(),
            Who::Many => (0..MANY).map(|_| case.request(&cookies())).collect(),
        };
        let client = gate.client(&requests, case.http2);
        let bench = Self {
            gate,
            client: Cell::new(Some(client)),
        };
        // The first connects to the tool, the second finds that done.
        for _ in 0..2 {
            bench.check(case);
        }
        bench
    }

    fn check(&self, case: &Case) {
        let (name, tool) = (case.name, &self.gate.tool);
        tool.listen();
        self.requests(1);
        let client = self.client.take().expect("at rest");
        let (status, size) = client.last();
        assert_eq!(status, case.status, "{name}");
        let heard = tool.heard();
        if let Some(expected) = case.from_tool {
            assert_eq!(size, expected, "{name}");
            let bearer = format!("\r\nauthorization: Bearer {}\r\n", "t".repeat(TOKEN));
            assert!(heard.contains(&bearer), "{name}: {heard}");
            assert!(!heard.contains("sidegate="), "{name}: {heard}");
        } else {
            assert_eq!(heard, "", "{name}");
        }
        self.client.set(Some(client));
    }

    /// How long so many requests take, one after the other.
    fn requests(&self, count: u64) -> Duration {
        let mut client = self.client.take().expect("at rest");
        // In a task, as connections are: the root of a runtime is woken otherwise.
        let (client, span) = self.gate.run(async move {
            let begun = Instant::now();
            for _ in 0..count {
                client.exchange().await;
            }
            (client, begun.elapsed())
        });
        self.client.set(Some(client));
        span
    }
}

impl Case {
    fn request(&self, cookies: &str) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.path.parse().expect("a path");
        *request.headers_mut() = sample::browser_request(cookies);
        request
    }
}

/// Characters of an access token.
const TOKEN: usize = 700;

/// Sessions that are presented in turn: more than a worker remembers.
const MANY: usize = 1024;

/// Requests before those that are counted: every buffer has its size then.
const WARM: u64 = 1_000;
