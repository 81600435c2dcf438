//! The SOAP host: `/Service.asmx` and its WSDL, as much of them as a gateway can get wrong.

mod calls;
mod objects;
mod xml;

use http::Method;
use http::StatusCode;
use http::header;
use hyper::Request;

use crate::sandbox::body::Metered;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::tenant;
use crate::sandbox::tenant::Tenant;

pub(super) use objects::Objects;
use xml::Element;

/// Whether a request is for the SOAP host.
pub(super) fn claims(path: &str) -> bool {
    path == "/Service.asmx" || path == "/etframework.wsdl"
}

/// Answers a SOAP request, or tells what can be asked.
pub(super) async fn answer(tenant: &Tenant, request: Request<Metered>) -> Reply {
    let wsdl = request.uri().path() == "/etframework.wsdl"
        || request
            .uri()
            .query()
            .is_some_and(|query| query.eq_ignore_ascii_case("wsdl"));
    if [Method::GET, Method::HEAD].contains(request.method()) && wsdl {
        let service = format!("{}/Service.asmx", tenant.origin());
        let text = WSDL.replace("SERVICE", &service);
        return reply::with_type(StatusCode::OK, "text/xml; charset=utf-8", text);
    }
    if request.method() != Method::POST || wsdl {
        return RestError::method_not_allowed().reply();
    }
    let plain = |kind: &str| {
        let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
        let known = ["text/xml", "application/soap+xml"];
        known
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind.trim()))
    };
    let kind = request.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.to_str().is_ok_and(plain)) {
        let message = "Unsupported Media Type";
        return RestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 0, message).reply();
    }
    let body = request.into_body().read(MAX_ENVELOPE).await;
    let document = body.ok().and_then(|body| String::from_utf8(body).ok());
    let Some(envelope) = document.as_deref().and_then(Element::parse) else {
        return SoapFault::Client("The envelope cannot be read").reply(SOAP_11);
    };
    let version = match envelope.namespace.as_str() {
        SOAP_12 => SOAP_12,
        _ => SOAP_11,
    };
    match call(tenant, &envelope, version) {
        Ok(body) => enveloped(StatusCode::OK, version, &body),
        Err(fault) => fault.reply(version),
    }
}

fn call(tenant: &Tenant, envelope: &Element, version: &str) -> Result<String, SoapFault> {
    let token = token(envelope, version).ok_or(SoapFault::LoginFailed)?;
    let grant = {
        let grants = tenant.grants();
        let grant = grants.access(token, tenant.now()).cloned();
        grant.ok_or_else(|| {
            tenant::count(&tenant.counters.dead_tokens);
            if grants.knows_access(token) {
                SoapFault::TokenExpired
            } else {
                SoapFault::LoginFailed
            }
        })?
    };
    let body = envelope
        .children
        .iter()
        .find(|part| part.is(version, "Body"))
        .and_then(|body| body.children.first())
        .ok_or(SoapFault::Client("The envelope has no body"))?;
    let mut content = tenant.content();
    calls::answer(body, &grant, &mut content.objects)
        .ok_or(SoapFault::Client("The operation is unknown"))
}

/// The text of the only `fueloauth` block of the header, which Marketing Cloud finds in any namespace.
fn token<'a>(envelope: &'a Element, version: &str) -> Option<&'a str> {
    let mut headers = envelope
        .children
        .iter()
        .filter(|part| part.is(version, "Header"));
    let header = headers.next().filter(|_| headers.next().is_none())?;
    let mut blocks = header
        .children
        .iter()
        .filter(|block| ["fueloauth", "oAuth"].contains(&&*block.name));
    let block = blocks.next().filter(|_| blocks.next().is_none())?;
    (block.name == "fueloauth" && block.children.is_empty()).then(|| block.text.trim())
}

/// What goes wrong, as Marketing Cloud spells it: always with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SoapFault {
    Client(&'static str),
    LoginFailed,
    Server(&'static str),
    TokenExpired,
}

impl SoapFault {
    /// In SOAP 1.1.
    pub(super) fn answer(self) -> Reply {
        self.reply(SOAP_11)
    }

    fn reply(self, version: &str) -> Reply {
        let (code, text) = match self {
            Self::Client(text) => ("soap:Client", text),
            Self::Server(text) => ("soap:Server", text),
            Self::LoginFailed => ("q0:Security", "Login Failed"),
            Self::TokenExpired => ("q0:Security", "Token Expired"),
        };
        let body = if version == SOAP_12 {
            let outer = match self {
                Self::Server(_) => "soap:Receiver",
                _ => "soap:Sender",
            };
            format!(
                "<soap:Fault><soap:Code><soap:Value>{outer}</soap:Value><soap:Subcode><soap:Value {SECURITY}>{code}</soap:Value></soap:Subcode></soap:Code><soap:Reason><soap:Text xml:lang=\"en\">{text}</soap:Text></soap:Reason></soap:Fault>"
            )
        } else {
            format!(
                "<soap:Fault><faultcode {SECURITY}>{code}</faultcode><faultstring>{text}</faultstring><faultactor>/Service.asmx</faultactor></soap:Fault>"
            )
        };
        enveloped(StatusCode::INTERNAL_SERVER_ERROR, version, &body)
    }
}

fn enveloped(status: StatusCode, version: &str, body: &str) -> Reply {
    let envelope = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{version}"><soap:Body>{body}</soap:Body></soap:Envelope>"#
    );
    let kind = if version == SOAP_12 {
        "application/soap+xml; charset=utf-8"
    } else {
        "text/xml; charset=utf-8"
    };
    reply::with_type(status, kind, envelope)
}

const WSDL: &str = include_str!("soap/partner.wsdl");

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const PARTNER: &str = "http://exacttarget.com/wsdl/partnerAPI";
const SECURITY: &str = "xmlns:q0=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"";

/// Longest envelope taken.
const MAX_ENVELOPE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_in_the_header_counts() {
        let element = r#"<fueloauth xmlns="http://exacttarget.com">abc</fueloauth>"#;
        let old = r#"<f:oAuth xmlns:f="http://exacttarget.com"/>"#;
        for (inner, found) in [
            (
                format!("<s:Header>{element}</s:Header><s:Body/>"),
                Some("abc"),
            ),
            (
                format!("<s:Header>{element}{element}</s:Header><s:Body/>"),
                None,
            ),
            (
                format!("<s:Header>{element}{old}</s:Header><s:Body/>"),
                None,
            ),
            (
                format!("<s:Header/><s:Header>{element}</s:Header><s:Body/>"),
                None,
            ),
            (
                format!("<s:Header></s:Header><s:Body>{element}</s:Body>"),
                None,
            ),
            (
                format!("<s:Header><a>{element}</a></s:Header><s:Body/>"),
                None,
            ),
            (
                "<s:Header><fueloauth>abc</fueloauth></s:Header>".to_owned(),
                Some("abc"),
            ),
            (
                format!("<s:Header>{element}<fueloauth>abc</fueloauth></s:Header>"),
                None,
            ),
            ("<s:Header></s:Header>".to_owned(), None),
        ] {
            let document = format!("<s:Envelope xmlns:s=\"{SOAP_11}\">{inner}</s:Envelope>");
            let envelope = Element::parse(&document).expect("an envelope");
            assert_eq!(token(&envelope, SOAP_11), found, "{document}");
        }
    }
}
