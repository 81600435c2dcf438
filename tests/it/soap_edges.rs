//! SOAP where it meets something else: other spellings of the token, HTTP/2, sizes, faults in pieces.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::StreamBody;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use tokio::net::TcpStream;

use crate::soap::ROUTES;
use crate::soap::SOAP_11;
use crate::soap::before;
use crate::soap::raw;
use crate::soap::retrieve;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;

async fn gate(top: &str) -> Gate {
    Gate::with(Plan {
        routes: ROUTES.to_owned(),
        top: top.to_owned(),
        ..Plan::default()
    })
    .await
}

/// Many clients write the token's element without its namespace, and the tenant reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_own_token_is_not_read_in_whatever_namespace() {
    let gate = gate("").await;
    let browser = gate.signed_in("ada").await;
    for own in [
        "<fueloauth>smuggled</fueloauth>",
        "<s:fueloauth>smuggled</s:fueloauth>",
        "<f:oAuth xmlns:f=\"urn:f\"><f:oAuthToken>smuggled</f:oAuthToken></f:oAuth>",
        "<fueloauth xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><![CDATA[smuggled]]></fueloauth>",
    ] {
        let header = format!("<s:Header>{own}</s:Header>");
        let envelope = retrieve(SOAP_11, &header, "BusinessUnit");
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(raw(&gate, &browser, "text/xml", &envelope, ""))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{own}: {}", answer.text());
        assert!(answer.text().contains("<OverallStatus>OK<"), "{own}");
    }
    assert_eq!(gate.control().stats().refreshes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envelopes_come_by_http2_too_with_a_length_or_without() {
    let gate = gate("h2c: true\n").await;
    let browser = gate.signed_in("ada").await;
    let stream = TcpStream::connect(gate.address()).await.expect("connects");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("handshake");
    tokio::spawn(connection);
    let envelope = retrieve(SOAP_11, "", "BusinessUnit");
    let parts = |envelope: &str| -> Vec<Bytes> {
        let parts = envelope.as_bytes().chunks(50);
        parts.map(Bytes::copy_from_slice).collect()
    };
    for length in [true, false] {
        let request = Request::post(format!("http://{}/mc/soap/Service.asmx", gate.address()))
            .header("content-type", "text/xml; charset=utf-8")
            .header("cookie", format!("sidegate={}", browser.jar["sidegate"]))
            .header("sec-fetch-site", "same-origin");
        let body = if length {
            Full::new(Bytes::from(envelope.clone())).boxed()
        } else {
            let frames = parts(&envelope)
                .into_iter()
                .map(|part| Ok(http_body::Frame::data(part)));
            StreamBody::new(futures_util::stream::iter(frames)).boxed()
        };
        let answer = sender
            .send_request(request.body(body).expect("a request"))
            .await;
        assert_eq!(answer.expect("an answer").status(), 200, "{length}");
        let seen = gate
            .control()
            .last_request("/Service.asmx")
            .expect("it came");
        // A small one is read whole, so that its length is known.
        assert_eq!(seen.header("transfer-encoding"), None);
        let told = seen.header("content-length").expect("a length");
        assert_eq!(told, seen.body_bytes.to_string());
    }
    assert_eq!(gate.control().stats().soap_calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_over_the_limit_is_refused_as_a_fault() {
    let routes = ROUTES.replace("to: soap", "to: soap, body_size: 4 KiB");
    assert!(routes.contains("body_size"));
    let gate = Gate::with(Plan {
        routes,
        ..Plan::default()
    })
    .await;
    let browser = gate.signed_in("ada").await;
    let small = retrieve(SOAP_11, "", "List");
    let large = small.replace("</s:Body>", &format!("{}</s:Body>", "x".repeat(8_192)));
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for (body, fields, status) in [
        (&small, "", 200),
        (&large, "", 413),
        (&chunked, "Transfer-Encoding: chunked\r\n", 413),
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(raw(&gate, &browser, "text/xml", body, fields))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{fields}: {}", answer.text());
        if status == 413 {
            let text = answer.text();
            assert!(
                text.contains("SG-1007") && text.contains("<faultcode>soap:Client<"),
                "{text}"
            );
        }
    }
    assert_eq!(
        gate.control().stats().soap_calls,
        1,
        "nothing of them was sent"
    );
}

/// A rule says the same to a SOAP client as to any other program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_another_unit_says_so_in_the_fault() {
    let gate = Gate::with(Plan {
        routes: ROUTES.replace("to: soap", "to: soap, business_unit: 7281699"),
        ..Plan::default()
    })
    .await;
    let browser = gate.signed_in("ada").await;
    let envelope = retrieve(SOAP_11, "", "List");
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(raw(&gate, &browser, "text/xml", &envelope, ""))
        .await;
    let answer = wire.message().await.expect("an answer");
    let text = answer.text();
    assert_eq!(answer.status(), 403, "{text}");
    for part in [
        "SG-2031",
        "<rule>business_unit</rule>",
        "<business_unit>7281699</business_unit>",
        "<current_business_unit>7281698</current_business_unit>",
        "<switch_url>/oauth2/business_unit</switch_url>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(gate.control().stats().soap_calls, 0);
}

/// However the tenant cuts, frames and surrounds it, it is the same fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_known_in_every_shape_of_the_answer() {
    let fault = format!(
        "\u{feff}<?xml version=\"1.0\"?>\r\n<e:Envelope xmlns:e=\"{SOAP_11}\"><e:Header><a:Action xmlns:a=\"urn:a\">fault</a:Action></e:Header><e:Body><e:Fault><faultcode xmlns:q0=\"urn:q\">q0:Security</faultcode><faultstring xml:lang=\"en\">\n Token Expired </faultstring><detail>{}</detail></e:Fault></e:Body></e:Envelope>",
        "<d/>".repeat(5_000)
    );
    let sections = fault.replace("Token Expired", "<![CDATA[Token]]> Expired");
    for (fault, chunk) in [(&fault, 7), (&fault, 40_000), (&sections, 900)] {
        let text = fault.clone();
        let (gate, puppet) = before(move |number, mut line| {
            let text = text.clone();
            async move {
                let mut refuses = number == 0;
                while line.request().await.is_some() {
                    if std::mem::take(&mut refuses) {
                        line.say("HTTP/1.1 500 E\r\ncontent-type: text/xml\r\ntransfer-encoding: chunked\r\n\r\n").await;
                        let mut body = Vec::new();
                        for part in text.as_bytes().chunks(chunk) {
                            body.extend(format!("{:x}\r\n", part.len()).bytes());
                            body.extend(part);
                            body.extend(b"\r\n");
                        }
                        body.extend(b"0\r\n\r\n");
                        line.say(body).await;
                    } else {
                        line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    }
                }
            }
        })
        .await;
        let browser = gate.signed_in("ada").await;
        gate.advance(60);
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(raw(
            &gate,
            &browser,
            "text/xml",
            &retrieve(SOAP_11, "", "List"),
            "",
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(gate.control().stats().refreshes, 1, "{chunk}");
        assert_eq!(puppet.seen().len(), 2, "{chunk}: sent once more");
        let tokens: Vec<String> = puppet
            .seen()
            .iter()
            .map(|seen| token(&seen.text()))
            .collect();
        assert_ne!(tokens[0], tokens[1], "with the new token");
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

/// A provider that is away costs nobody the tenant's own answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_new_tokens_the_fault_itself_is_passed_on() {
    let gate = gate("").await;
    let browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Soap, Fault::TokenExpired, None);
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(raw(
        &gate,
        &browser,
        "text/xml",
        &retrieve(SOAP_11, "", "List"),
        "",
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 500);
    let whole = answer.text();
    assert!(
        whole.contains("Token Expired") && whole.ends_with("Envelope>"),
        "{whole}"
    );
    assert_eq!(gate.control().stats().soap_calls, 1);
}

fn token(envelope: &str) -> String {
    let (_, rest) = envelope
        .split_once("<fueloauth xmlns=\"http://exacttarget.com\">")
        .expect("a token");
    let (token, _) = rest.split_once('<').expect("its end");
    token.to_owned()
}
