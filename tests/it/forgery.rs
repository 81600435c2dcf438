//! A cookie that is not exactly ours is like none: nobody learns why it was refused.

use bytes::Bytes;
use http::Method;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::browser::request;
use crate::support::line::Line;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_altered_byte_makes_the_cookie_worth_nothing() {
    let gate = Gate::start().await;
    let sealed = gate.signed_in("ada").await.jar["sidegate"].clone();
    let mut watch = Watch::start(&gate).await;
    for at in 0..sealed.len() {
        let other = if sealed.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let altered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
        watch.expect_nothing(&altered, at % 64 == 0).await;
    }
    // The bits of the last character that mean nothing must not be free either.
    let (body, last) = sealed.split_at(sealed.len() - 1);
    for other in ALPHABET.chars().filter(|other| !last.contains(*other)) {
        watch.expect_nothing(&format!("{body}{other}"), false).await;
    }
    assert_eq!(
        watch.status_of(&sealed).await,
        200,
        "the original still works"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_cut_or_stretched_is_worth_nothing() {
    let gate = Gate::start().await;
    let sealed = gate.signed_in("ada").await.jar["sidegate"].clone();
    let mut watch = Watch::start(&gate).await;
    for length in (0..sealed.len()).step_by(3).chain([sealed.len() - 1]) {
        watch
            .expect_nothing(&sealed[..length], length % 64 == 0)
            .await;
    }
    for altered in [
        format!("{sealed}A"),
        format!("{sealed}AAAA"),
        format!("{sealed}="),
        format!("A{sealed}"),
        format!("\"{sealed}\""),
        format!("{sealed},{sealed}"),
        sealed.replace('_', "/").replace('-', "+"),
        sealed.to_lowercase(),
        "x".repeat(8_000),
        "%00".to_owned(),
    ] {
        watch.expect_nothing(&altered, true).await;
    }
    assert_eq!(
        watch.status_of(&sealed).await,
        200,
        "the original still works"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_another_key_host_or_package_is_worth_nothing() {
    let gate = Gate::start().await;
    let key = Some(gate.key.clone());
    let other_host = Gate::with(Plan {
        key: key.clone(),
        ..Plan::default()
    })
    .await;
    let other_package = Gate::with(Plan {
        key,
        client: crate::support::gate::PUBLIC.to_owned(),
        public_url: Some(gate.origin()),
        ..Plan::default()
    })
    .await;
    let mut watch = Watch::start(&gate).await;
    let foreign = other_host.signed_in("ada").await.jar["sidegate"].clone();
    watch.expect_nothing(&foreign, true).await;
    let ours = gate.signed_in("ada").await.jar["sidegate"].clone();
    let host = gate.address().to_string();
    let cookie = format!("sidegate={ours}");
    let fields = [("host", host.as_str()), ("cookie", cookie.as_str())];
    let refused = other_package
        .browser()
        .send(Method::GET, "/echo/x", &fields, Bytes::new())
        .await;
    assert_eq!(refused.code(), "SG-2001");

    let mut gate = gate;
    gate.restart(&MasterKey::generate(&OsEntropy).to_text())
        .await;
    let mut watch = Watch::start(&gate).await;
    watch.expect_nothing(&ours, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_cookie_is_no_session() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    browser.navigate("/").await;
    let login = browser.jar.into_values().next().expect("a login cookie");
    Watch::start(&gate).await.expect_nothing(&login, true).await;
}

/// Compares answers with those to a client without cookies.
struct Watch<'a> {
    gate: &'a Gate,
    line: Line,
    script: String,
    person: String,
}

impl<'a> Watch<'a> {
    async fn start(gate: &'a Gate) -> Self {
        let line = Line::open(gate.address()).await;
        let mut this = Self {
            gate,
            line,
            script: String::new(),
            person: String::new(),
        };
        this.script = comparable(&this.ask(None, &SCRIPT).await);
        this.person = comparable(&this.ask(None, &PERSON).await);
        this
    }

    /// Sends a session cookie that has to be like none, but for its removal.
    async fn expect_nothing(&mut self, value: &str, also_as_person: bool) {
        let answer = self.ask(Some(value), &SCRIPT).await;
        assert_eq!(comparable(&answer), self.script, "{value}");
        // On plain http its name may lie at the paths above `/echo/x` too.
        let removals = ["/", "/echo", "/echo/", "/echo/x"]
            .map(|path| REMOVAL.replace("Path=/;", &format!("Path={path};")));
        assert_eq!(answer.set_cookies(), removals, "{value}");
        if also_as_person {
            let answer = self.ask(Some(value), &PERSON).await;
            assert_eq!(comparable(&answer), self.person, "{value}");
            assert!(
                answer.set_cookies().contains(&REMOVAL.to_owned()),
                "{value}"
            );
        }
    }

    async fn status_of(&mut self, value: &str) -> u16 {
        self.ask(Some(value), &SCRIPT).await.status
    }

    async fn ask(&mut self, value: Option<&str>, fields: &[(&str, &str)]) -> Answer {
        let cookie = value.map(|value| format!("sidegate={value}"));
        let mut fields = fields.to_vec();
        fields.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        let request = request(
            self.gate.address(),
            Method::GET,
            "/echo/x",
            &fields,
            Bytes::new(),
        );
        self.line.ask(request).await
    }
}

/// Status, header section and body without what differs between any two answers.
fn comparable(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    let id = answer.header("x-request-id").to_owned();
    for name in ["date", "x-request-id", "set-cookie"] {
        headers.remove(name);
    }
    let location = answer.header("location").to_owned();
    if !location.is_empty() {
        let names: Vec<_> = location
            .split('&')
            .map(|pair| pair.split('=').next())
            .collect();
        headers.insert("location", format!("{names:?}").parse().expect("a value"));
    }
    format!(
        "{} {headers:?} {}",
        answer.status,
        answer.text().replace(&id, "id")
    )
}

const PERSON: [(&str, &str); 1] = [("accept", "text/html")];

const REMOVAL: &str = "sidegate=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0";

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
