//! The least browser: one request a connection, a cookie jar, no redirect followed by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::traced;

/// A browser that knows one site.
#[derive(Clone, Debug)]
pub struct Browser {
    site: SocketAddr,
    /// Where its requests go: the site, or another gateway of the same site.
    pub through: SocketAddr,
    /// Cookies by name.
    pub jar: BTreeMap<String, String>,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// The `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<String> {
        self.headers
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().expect("text").to_owned())
            .collect()
    }

    /// The code of a problem document or page.
    pub fn code(&self) -> String {
        let text = self.text();
        let at = text
            .find("SG-")
            .unwrap_or_else(|| panic!("no code in {self:?}"));
        text[at..at + 7].to_owned()
    }
}

impl Browser {
    /// A browser for the site at `site`.
    pub fn new(site: SocketAddr) -> Self {
        Self {
            site,
            through: site,
            jar: BTreeMap::new(),
        }
    }

    /// The site that it knows.
    pub fn site(&self) -> SocketAddr {
        self.site
    }

    /// The same browser, whose next requests reach the replica at `door`.
    pub fn through(&self, door: SocketAddr) -> Self {
        Self {
            through: door,
            ..self.clone()
        }
    }

    /// A document navigation.
    pub async fn navigate(&mut self, path: &str) -> Answer {
        let fields = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        self.send(Method::GET, path, &fields, Bytes::new()).await
    }

    /// A `fetch` of a page's script.
    pub async fn fetch(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &SCRIPT, Bytes::new()).await
    }

    /// A `fetch` whose cookies are not kept, whatever they look like.
    pub async fn peek(&self, path: &str) -> Answer {
        let cookies = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let mut fields = SCRIPT.to_vec();
        fields.push(("cookie", &cookies));
        let request = request(self.site, Method::GET, path, &fields, Bytes::new());
        exchange(self.through, request).await
    }

    /// A `fetch` with a body.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &SCRIPT, body.into()).await
    }

    /// Any request, with the cookies that the browser has; keeps those that come back.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = request(self.site, method, path, fields, body);
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self
                .jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let cookie = HeaderValue::try_from(pairs.join("; ")).expect("a field");
            request.headers_mut().append("cookie", cookie);
        }
        let answer = exchange(self.through, request).await;
        for line in answer.set_cookies() {
            let (pair, attributes) = line.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            // A tool's own cookies pass as they are and are none of ours.
            if name.contains("sidegate") {
                traced::secret("cookie", value);
            }
            if attributes.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Starts a sign-in by navigating to `path`; answers where the provider sends the browser back to.
    pub async fn authorize(&mut self, path: &str, person: &str) -> String {
        let start = self.navigate(path).await;
        assert_eq!(start.status, 302, "{start:?}");
        self.consent(start.header("location"), person).await
    }

    /// The person's part at the provider, which `location` leads to; answers where it sends the
    /// browser back to.
    pub async fn consent(&self, location: &str, person: &str) -> String {
        let (provider, target) = split_url(location);
        let request = request(
            provider,
            Method::GET,
            &format!("{target}&login_hint={person}"),
            &[],
            Bytes::new(),
        );
        let back = exchange(provider, request).await;
        assert_eq!(back.status, 302, "{back:?}");
        let (site, callback) = split_url(back.header("location"));
        assert_eq!(site, self.site, "the callback is ours");
        callback
    }

    /// A whole sign-in; answers the callback's answer.
    pub async fn sign_in(&mut self, path: &str, person: &str) -> Answer {
        let callback = self.authorize(path, person).await;
        self.navigate(&callback).await
    }
}

/// What a same-origin script's requests carry.
pub const SCRIPT: [(&str, &str); 4] = [
    ("accept", "application/json"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-site", "same-origin"),
];

/// A request with a `Host` and `fields`.
pub fn request(
    site: SocketAddr,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path);
    if !fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        builder = builder.header("host", site.to_string());
    }
    fields
        .iter()
        .fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        })
        .body(Full::new(body))
        .expect("a request")
}

/// One request on a connection of its own.
pub async fn exchange(site: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(site).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("handshake");
    let driver = tokio::spawn(connection);
    let (head, body) = sender
        .send_request(request)
        .await
        .expect("an answer")
        .into_parts();
    #[expect(clippy::disallowed_methods, reason = "a test's own answers are small")]
    let body = body.collect().await.expect("a whole body").to_bytes();
    drop(sender);
    driver.abort();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

/// `http://address/target` in two.
pub fn split_url(url: &str) -> (SocketAddr, String) {
    let rest = url
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("not a URL: {url}"));
    let (authority, target) = rest.split_once('/').unwrap_or((rest, ""));
    (authority.parse().expect("an address"), format!("/{target}"))
}
