//! SOAP: the person's token in the header of their envelopes, and what happens when it is refused.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;
use tokio::sync::mpsc;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::browser::SCRIPT;
use crate::support::gate::free_port;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_goes_into_the_envelope_and_nowhere_else() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    for (kind, namespace) in [("text/xml", SOAP_11), ("application/soap+xml", SOAP_12)] {
        let fields = [
            ("content-type", kind),
            ("soapaction", "\"Retrieve\""),
            ("authorization", "Bearer smuggled"),
            ("accept-encoding", "gzip"),
        ];
        let own = "<x:fueloauth xmlns:x=\"http://exacttarget.com\">smuggled</x:fueloauth>";
        let envelope = retrieve(
            namespace,
            &format!("<s:Header>{own}</s:Header>"),
            "BusinessUnit",
        );
        let answer = post(&mut browser, &fields, envelope).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.header("content-type").starts_with(kind),
            "{answer:?}"
        );
        for part in [
            "<OverallStatus>OK<",
            "<Name>Aurora Goods Europe<",
            "<Name>Aurora Goods Asia Pacific<",
        ] {
            assert!(answer.text().contains(part), "{answer:?}");
        }
        let seen = gate
            .control()
            .last_request("/Service.asmx")
            .expect("it came");
        assert_eq!(seen.header("soapaction"), Some("\"Retrieve\""));
        for name in [
            "authorization",
            "cookie",
            "origin",
            "accept-encoding",
            "transfer-encoding",
        ] {
            assert_eq!(seen.header(name), None, "{name}");
        }
        let length = seen.header("content-length").expect("a length");
        assert_eq!(length, seen.body_bytes.to_string());
    }
    // The identity of others is theirs.
    let mut jonas = gate.signed_in("jonas").await;
    let answer = post(&mut jonas, XML, retrieve(SOAP_11, "", "BusinessUnit")).await;
    assert_eq!(answer.text().matches("<Name>").count(), 1, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wsdl_is_read_without_a_token_and_by_people_who_are_signed_in() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    for path in [
        "/mc/soap/Service.asmx?wsdl",
        "/mc/soap/Service.asmx?WSDL",
        "/mc/soap/etframework.wsdl",
    ] {
        let answer = browser.fetch(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(
            answer
                .text()
                .contains("targetNamespace=\"http://exacttarget.com/wsdl/partnerAPI\"")
        );
        let target = path.strip_prefix("/mc/soap").expect("below");
        let seen = gate.control().last_request(target).expect("it came");
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(gate.browser().fetch(path).await.status, 401);
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = browser.send(method, PATH, &SCRIPT, Bytes::new()).await;
        assert_eq!((answer.status, answer.code().as_str()), (405, "SG-1005"));
        assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_renewed_and_the_envelope_sent_once_more() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    for (round, fault) in [(1, Fault::TokenExpired), (2, Fault::LoginFailed)] {
        gate.advance(60);
        let before = browser.jar["sidegate"].clone();
        gate.control().set_fault(Place::Soap, fault, Some(1));
        let answer = post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.text().contains("VIP &lt;Gold&gt; &amp; Silver"),
            "{answer:?}"
        );
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.soap_calls), (round, 2 * round));
        assert_ne!(
            browser.jar["sidegate"], before,
            "the browser gets the new pair"
        );
    }
    // With the new token in it: the sandbox checked that, and had no dead one before it.
    assert_eq!(gate.control().stats().dead_tokens, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_dies_before_its_time_is_replaced_in_the_envelope() {
    let gate = Gate::with(Plan {
        routes: ROUTES.to_owned(),
        // The gateway believes that tokens live for longer than they do.
        edit: Some(Arc::new(|reply| reply["expires_in"] = 7200.into())),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    for (round, namespace) in [(1, SOAP_11), (2, SOAP_12)] {
        gate.advance(2000);
        let answer = post(&mut browser, XML, retrieve(namespace, "", "List")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let stats = gate.control().stats();
        assert_eq!((stats.dead_tokens, stats.refreshes), (round, round));
        assert_eq!(stats.soap_calls, 2 * round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_refusal_and_other_faults_are_passed_on() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Soap, Fault::TokenExpired, None);
    for calls in [2, 3, 4] {
        let answer = post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await;
        assert_eq!(answer.status, 500);
        assert!(
            answer
                .text()
                .contains("<faultstring>Token Expired</faultstring>"),
            "{answer:?}"
        );
        let stats = gate.control().stats();
        assert_eq!(
            (stats.refreshes, stats.soap_calls),
            (1, calls),
            "a young token is not renewed again"
        );
    }
    gate.advance(60);
    for fault in [
        Fault::InternalError,
        Fault::TooManyRequests { retry_after: None },
    ] {
        gate.control().set_fault(Place::Soap, fault, Some(1));
        let answer = post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await;
        assert_eq!(answer.status, 500);
        assert!(answer.text().contains("soap:Server"), "{answer:?}");
    }
    let stats = gate.control().stats();
    assert_eq!(
        (stats.refreshes, stats.soap_calls),
        (1, 6),
        "asked once each"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_envelope_is_not_sent_again_but_the_session_is_renewed() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Soap, Fault::TokenExpired, Some(1));
    let padding = "<!-- -->".repeat(20_000);
    let envelope =
        retrieve(SOAP_11, "", "List").replace("</s:Body>", &format!("{padding}</s:Body>"));
    let answer = post(&mut browser, XML, envelope.clone()).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.soap_calls), (1, 1));
    assert_eq!(post(&mut browser, XML, envelope).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_is_none_of_the_tokens_passes_byte_for_byte_and_as_it_comes() {
    let (gate, puppet) = before(|_, mut line| async move {
        while line.request().await.is_some() {
            line.say("HTTP/1.1 500 Oops\r\ncontent-type: text/xml\r\ncontent-length: 40\r\n\r\n<oops>Token Expired")
                .await;
            // The rest only comes once the beginning was passed on.
            if line.wire.exactly(1).await.is_none() {
                return;
            }
        }
    })
    .await;
    let browser = gate.signed_in("ada").await;
    let mut wire = crate::support::Wire::connect(gate.address()).await;
    wire.send(raw(
        &gate,
        &browser,
        "text/xml",
        &retrieve(SOAP_11, "", "List"),
        "",
    ))
    .await;
    let head = wire.head().await.expect("an answer");
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(head.contains("content-length: 40\r\n"), "{head}");
    assert_eq!(
        wire.exactly(19).await.expect("the beginning"),
        b"<oops>Token Expired"
    );
    assert_eq!(
        (puppet.seen().len(), gate.control().stats().refreshes),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_faults_in_the_clients_own_version() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    let good = || retrieve(SOAP_11, "", "List");
    for (fields, envelope, status, code) in [
        (
            &[("content-type", "text/xml; charset=latin-1")][..],
            good(),
            415,
            "SG-1032",
        ),
        (
            &[("content-type", "text/xml"), ("content-encoding", "gzip")],
            good(),
            415,
            "SG-1031",
        ),
        (XML, "<a".to_owned(), 400, "SG-1033"),
        (XML, String::new(), 400, "SG-1033"),
        (XML, good().replace("List", "&undeclared;"), 400, "SG-1033"),
        (XML, format!("<!DOCTYPE x>{}", good()), 400, "SG-1034"),
        (XML, "<a/>".to_owned(), 400, "SG-1035"),
        (
            XML,
            retrieve(SOAP_11, "<s:Header/><s:Header/>", "List"),
            400,
            "SG-1035",
        ),
        (
            XML,
            retrieve(
                SOAP_11,
                &format!("<s:Header><a>{}</a></s:Header>", "x".repeat(70_000)),
                "List",
            ),
            413,
            "SG-1036",
        ),
        (
            &[("content-type", "application/soap+xml")],
            "<a/>".to_owned(),
            400,
            "SG-1035",
        ),
    ] {
        let answer = post(&mut browser, fields, envelope).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{answer:?}"
        );
        let twelve = fields[0].1.contains("soap+xml");
        let (kind, namespace, inner) = if twelve {
            (
                "application/soap+xml; charset=utf-8",
                SOAP_12,
                "<soap:Value>soap:Sender</soap:Value>",
            )
        } else {
            (
                "text/xml; charset=utf-8",
                SOAP_11,
                "<faultcode>soap:Client</faultcode>",
            )
        };
        assert_eq!(answer.header("content-type"), kind);
        let text = answer.text();
        let read = roxmltree::Document::parse(&text).expect("a document");
        assert_eq!(read.root_element().tag_name().namespace(), Some(namespace));
        let id = read
            .descendants()
            .find(|node| node.has_tag_name(("urn:sidegate:refusal", "request_id")))
            .and_then(|node| node.text());
        assert_eq!(id, Some(answer.header("x-request-id")), "{text}");
        assert!(text.contains(inner), "{text}");
    }
    // What is no SOAP client gets a problem document.
    for kind in [
        "application/json",
        "multipart/related; type=\"application/xop+xml\"",
        "application/xml",
    ] {
        let answer = post(&mut browser, &[("content-type", kind)], good()).await;
        assert_eq!((answer.status, answer.code().as_str()), (415, "SG-1030"));
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(
        gate.control().stats().soap_calls,
        0,
        "nothing of all that was sent"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envelopes_need_somebody_who_is_signed_in_and_a_page_of_this_site() {
    let gate = gate().await;
    let mut browser = gate.signed_in("ada").await;
    let good = || retrieve(SOAP_11, "", "List");
    let answer = post(&mut gate.browser(), XML, good()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
    assert!(answer.text().contains("<login_url>"), "{answer:?}");
    assert!(
        answer.text().contains("<faultcode>soap:Client<"),
        "{answer:?}"
    );
    // Other sites cannot send envelopes in a person's name.
    let fields = [
        ("content-type", "text/xml"),
        ("sec-fetch-site", "cross-site"),
    ];
    let answer = browser
        .send(Method::POST, PATH, &fields, good().into())
        .await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "SG-1006"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_cannot_be_reached_is_a_fault_of_the_server() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let gate = Gate::with(Plan {
        sandbox: Settings {
            soap_instance_url: Some(nobody.clone()),
            ..Settings::default()
        },
        instance_hosts: Some(format!("\"SANDBOX\", \"{nobody}\"")),
        routes: ROUTES.to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    let answer = post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "SG-4001"));
    assert!(answer.text().contains("soap:Server"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_has_a_share_of_soap_too() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let arrived = arrived.clone();
        async move {
            line.request().await;
            arrived.send(()).expect("somebody waits");
            line.wire.rest().await;
        }
    })
    .await;
    let gate = behind(&puppet, "limits: { per_user: 1, per_tenant: 2 }\n").await;
    let mut browser = gate.signed_in("ada").await;
    let first = tokio::spawn({
        let mut browser = browser.clone();
        async move { post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await }
    });
    arrivals.recv().await.expect("a request");
    let answer = post(&mut browser, XML, retrieve(SOAP_11, "", "List")).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "SG-1020"));
    assert_eq!(answer.header("retry-after"), "1");
    assert!(
        answer.text().contains("<faultcode>soap:Client<"),
        "{answer:?}"
    );
    first.abort();
}

async fn gate() -> Gate {
    Gate::with(Plan {
        routes: ROUTES.to_owned(),
        ..Plan::default()
    })
    .await
}

/// A gateway whose tenant's SOAP host is a puppet.
pub async fn before<F, W>(play: F) -> (Gate, Puppet)
where
    F: Fn(usize, crate::support::puppet::Line) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let puppet = Puppet::playing(play).await;
    (behind(&puppet, "").await, puppet)
}

async fn behind(puppet: &Puppet, top: &str) -> Gate {
    Gate::with(Plan {
        sandbox: Settings {
            soap_instance_url: Some(puppet.origin()),
            ..Settings::default()
        },
        instance_hosts: Some(format!("\"SANDBOX\", \"{}\"", puppet.origin())),
        routes: ROUTES.to_owned(),
        top: top.to_owned(),
        ..Plan::default()
    })
    .await
}

async fn post(browser: &mut Browser, fields: &[(&str, &str)], envelope: String) -> Answer {
    let fields = [&[("sec-fetch-site", "same-origin")], fields].concat();
    browser
        .send(Method::POST, PATH, &fields, envelope.into())
        .await
}

/// A whole request, with further `fields`; `body` may be anything.
pub fn raw(gate: &Gate, browser: &Browser, kind: &str, body: &str, fields: &str) -> String {
    let framing = if fields.contains("chunked") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\n{fields}{framing}\r\n{body}",
        gate.address(),
        browser.jar["sidegate"],
    )
}

/// Asks for all objects of a type.
pub fn retrieve(namespace: &str, header: &str, kind: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\">{header}<s:Body><RetrieveRequestMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><RetrieveRequest><ObjectType>{kind}</ObjectType></RetrieveRequest></RetrieveRequestMsg></s:Body></s:Envelope>"
    )
}

pub const ROUTES: &str = "\n  - { path: /mc/soap/, to: soap }\n  - { path: /, to: TOOL }\n";

const PATH: &str = "/mc/soap/Service.asmx";

const XML: &[(&str, &str)] = &[("content-type", "text/xml; charset=utf-8")];

pub const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
