//! The page on endpoints is made from this table, each line of which a real gateway is asked about; names in
//! the code that the table lacks fail it.

mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use sidegate::fault::Fault;

use super::blocks::bless;
use super::proof;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::tell;
use table::ADMIN;
use table::ANY;
use table::Ask;
use table::Case;
use table::Endpoint;
use table::FRAMED;
use table::PUBLIC;

/// With `BLESS=1` the page is written anew.
#[test]
fn the_page_on_endpoints_is_this_table() {
    let mut page = HEAD.to_owned();
    let mut part = |title: &str, prefix: &str, endpoints: &[Endpoint]| {
        page.extend(["\n## ", title, "\n"]);
        for endpoint in endpoints {
            let Endpoint {
                name,
                methods,
                about,
                cases,
            } = endpoint;
            let code = |case: &Case| {
                if case.code.is_empty() {
                    String::new()
                } else {
                    format!(" `{}`", case.code)
                }
            };
            write!(page, "\n### {prefix}{name}\n\nMethods: {methods}. {about}\n\n| status | when |\n|---|---|\n").expect("a string");
            for case in *cases {
                writeln!(page, "| {}{} | {} |", case.status, code(case), case.when)
                    .expect("a string");
            }
        }
    };
    part("The public listener", "/oauth2/", PUBLIC);
    part(
        "The public listener, with session.embedded",
        "/oauth2/",
        FRAMED,
    );
    part("The admin listener", "/", ADMIN);
    bless("deploy/docs/endpoints.md", &page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_endpoint_answers_as_the_page_says() {
    let gate = Gate::start().await;
    let mut asked = walk(&gate, "/oauth2/", gate.address(), PUBLIC).await;
    asked += walk(&gate, "/", gate.app().admin_address(), ADMIN).await;
    let unknown = gate.browser().fetch("/oauth2/framed").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "SG-1004"));
    let framed = Gate::with(Plan {
        session: "  embedded: true\n".to_owned(),
        ..Plan::default()
    })
    .await;
    asked += walk(&framed, "/oauth2/", framed.address(), FRAMED).await;
    tell(&format!("endpoints: {asked} answers are those of the page"));
    assert!(asked > 60, "{asked}");
}

/// Names of endpoints stand in one place of the code each.
#[test]
fn no_endpoint_is_missing_from_the_page() {
    let listed = |endpoints: &[Endpoint]| -> BTreeSet<String> {
        endpoints.iter().map(|e| e.name.to_owned()).collect()
    };
    let source = include_str!("../../../src/gateway/endpoints.rs");
    let public: Vec<_> = literals(source, "pub(super) fn exists")
        .into_iter()
        .collect();
    let mut expected = listed(PUBLIC);
    expected.extend(listed(FRAMED));
    assert_eq!(public.into_iter().collect::<BTreeSet<_>>(), expected);
    let source = include_str!("../../../src/admin.rs");
    let admin = literals(source, "    fn answer");
    let admin: BTreeSet<String> = admin
        .iter()
        .filter_map(|text| Some(text.strip_prefix('/')?.to_owned()))
        .collect();
    assert_eq!(admin, listed(ADMIN));
}

async fn walk(gate: &Gate, prefix: &str, address: SocketAddr, endpoints: &[Endpoint]) -> usize {
    let mut asked = 0;
    let mut wrong = Vec::new();
    for endpoint in endpoints {
        for case in endpoint.cases {
            let told = format!("{prefix}{} {}: {}", endpoint.name, case.status, case.when);
            if let Some(fault) = Fault::ALL.iter().find(|fault| fault.code() == case.code) {
                assert_eq!(fault.status().as_u16(), case.status, "{told}");
            } else {
                assert_eq!(case.code, "", "{told}: there is no such code");
            }
            let answer = match case.ask {
                Ask::Test(test) => {
                    assert!(proof::exists(test), "{told}: there is no test {test}");
                    continue;
                }
                Ask::Return => gate.browser().sign_in("/page", "ada").await,
                Ask::Nobody(method, target, fields, body) => {
                    let mut nobody = Browser::new(address);
                    let target = format!("{prefix}{target}");
                    send(&mut nobody, method, &target, fields, body).await
                }
                Ask::Ada(method, target, fields, body) => {
                    let mut ada = gate.signed_in("ada").await;
                    let target = format!("{prefix}{target}");
                    send(&mut ada, method, &target, fields, body).await
                }
            };
            if answer.status != case.status || !answer.text().contains(case.code) {
                let page = answer.text();
                let said = page.get(..300).unwrap_or(&page);
                wrong.push(format!("{told}: {} {said}", answer.status));
            }
            asked += 1;
        }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let target = format!("{prefix}{}", endpoint.name);
            let mut nobody = Browser::new(address);
            let answer = send(&mut nobody, method, &target, &SCRIPT, "").await;
            let mut methods = endpoint.methods.split(", ");
            let served = endpoint.methods == ANY || methods.any(|one| one == method);
            let allows = prefix == "/" || answer.header("allow") == endpoint.methods;
            if (answer.status != 405) != served || !(served || allows) {
                wrong.push(format!(
                    "{method} {target}: {} {:?}",
                    answer.status, answer.headers
                ));
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    asked
}

async fn send(
    browser: &mut Browser,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let body = Bytes::copy_from_slice(body.as_bytes());
    if browser.jar.is_empty() {
        let site = browser.site();
        return exchange(site, request(site, method, target, fields, body)).await;
    }
    browser.send(method, target, fields, body).await
}

/// The texts in quotes of the function that begins with `start`.
pub fn literals(source: &str, start: &str) -> BTreeSet<String> {
    let (_, rest) = source.split_once(start).expect("it is there");
    let indent = start.len() - start.trim_start().len();
    let end = format!("\n{}}}\n", " ".repeat(indent));
    let (body, _) = rest.split_once(&end).expect("an end");
    let lines = body
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(ToOwned::to_owned)
        .collect()
}

const HEAD: &str = "# Endpoints

What the gateway answers by itself; everything else is a route's. `endpoint_prefix` moves those below `/oauth2/`. Answers are `no-store`, and
failures are a page or `application/problem+json`, as the request asks: [failure codes](errors.md) says what to do about each.
Other methods than those named get 405 with `Allow`, other names 404 (`SG-1004`). The admin listener asks for no password: keep it private.
This page is made from a table in `tests/it/docs/endpoints/table.rs`; a test asks a
running gateway for each line, or looks up the test that does.
";
