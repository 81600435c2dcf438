//! `POST /Service.asmx`: as much of SOAP as a gateway can get wrong.

use http::Method;
use http::StatusCode;
use hyper::Request;

use crate::sandbox::body::Metered;
use crate::sandbox::grants::Grant;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::tenant::Tenant;

/// Answers a SOAP request: 200 with the caller's business unit, or a fault with status 500.
pub(super) async fn answer(tenant: &Tenant, request: Request<Metered>) -> Reply {
    if request.method() != Method::POST {
        return RestError::method_not_allowed().reply();
    }
    let body = request.into_body().read(MAX_ENVELOPE).await;
    let Some(envelope) = body.ok().and_then(|body| String::from_utf8(body).ok()) else {
        return fault("Client", "The envelope cannot be read");
    };
    let Some(token) = token(&envelope) else {
        return fault(SECURITY, "Login Failed");
    };
    let grants = tenant.grants();
    match grants.access(token, tenant.now()) {
        Some(grant) => success(grant, &envelope),
        None if grants.knows_access(token) => fault(SECURITY, "Token Expired"),
        None => fault(SECURITY, "Login Failed"),
    }
}

/// The text of the only `fueloauth` element, which must stand in the header.
fn token(envelope: &str) -> Option<&str> {
    let mut parts = envelope.split("<fueloauth");
    let before = parts.next()?;
    let element = parts.next().filter(|_| parts.next().is_none())?;
    let in_header =
        before.contains("Header>") && !before.contains("/Header>") && !before.contains(":Body>");
    let (attributes, rest) = element.split_once('>')?;
    let named = attributes.contains(r#"xmlns="http://exacttarget.com""#);
    let (token, _) = rest.split_once("</fueloauth>")?;
    (in_header && named).then(|| token.trim())
}

fn success(grant: &Grant, envelope: &str) -> Reply {
    let action = [
        "Create", "Update", "Delete", "Describe", "Execute", "Perform",
    ]
    .into_iter()
    .find(|action| envelope.contains(&format!("<{action}Request")))
    .unwrap_or("Retrieve");
    let body = format!(
        r#"<{action}ResponseMsg xmlns="http://exacttarget.com/wsdl/partnerAPI"><OverallStatus>OK</OverallStatus><RequestID>5f1c0a52-0000-4000-8000-000000000001</RequestID><Results><Client><ID>{mid}</ID></Client><Name>{name}</Name></Results></{action}ResponseMsg>"#,
        mid = grant.mid,
        name = reply::escape(&grant.person.name),
    );
    enveloped(StatusCode::OK, &body)
}

fn fault(code: &str, text: &str) -> Reply {
    let namespace = if code == SECURITY {
        r#" xmlns:q0="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd""#
    } else {
        ""
    };
    let body = format!(
        "<soap:Fault><faultcode{namespace}>{code}</faultcode><faultstring>{text}</faultstring><faultactor>/Service.asmx</faultactor></soap:Fault>"
    );
    enveloped(StatusCode::INTERNAL_SERVER_ERROR, &body)
}

fn enveloped(status: StatusCode, body: &str) -> Reply {
    let envelope = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{body}</soap:Body></soap:Envelope>"#
    );
    reply::with_type(status, "text/xml; charset=utf-8", envelope)
}

const SECURITY: &str = "q0:Security";

/// Longest envelope taken.
const MAX_ENVELOPE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_in_the_header_counts() {
        let element = r#"<fueloauth xmlns="http://exacttarget.com">abc</fueloauth>"#;
        for (envelope, found) in [
            (
                format!("<s:Envelope><s:Header>{element}</s:Header><s:Body/>"),
                Some("abc"),
            ),
            (format!("<Header>{element}{element}</Header><Body/>"), None),
            (
                format!("<s:Header></s:Header><s:Body>{element}</s:Body>"),
                None,
            ),
            (
                "<Header><fueloauth>abc</fueloauth></Header>".to_owned(),
                None,
            ),
            ("<Header></Header>".to_owned(), None),
        ] {
            assert_eq!(token(&envelope), found, "{envelope}");
        }
    }
}
