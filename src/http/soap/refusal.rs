//! A refusal of ours, as the fault that SOAP clients know how to read.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::SOAP_11;
use super::SOAP_12;
use super::media::Version;
use crate::http::reply;
use crate::http::reply::Reply;

/// A fault whose reason is `reason` and whose detail holds `fields`. `by_client` says who has to do
/// something about it.
pub(in crate::http) fn fault(
    version: Version,
    by_client: bool,
    reason: &str,
    fields: &[(&str, &str)],
) -> Reply {
    let reason = escape(reason);
    let mut detail = "<refusal xmlns=\"urn:sidegate:refusal\">".to_owned();
    for (name, value) in fields {
        // Writing to a string cannot fail.
        write!(detail, "<{name}>{}</{name}>", escape(*value)).ok();
    }
    detail.push_str("</refusal>");
    let (document, content_type) = match version {
        Version::Soap11 => {
            let code = if by_client { "Client" } else { "Server" };
            (
                format!(
                    "{DECLARATION}<soap:Envelope xmlns:soap=\"{SOAP_11}\"><soap:Body><soap:Fault>\
                     <faultcode>soap:{code}</faultcode><faultstring>{reason}</faultstring>\
                     <detail>{detail}</detail></soap:Fault></soap:Body></soap:Envelope>"
                ),
                "text/xml; charset=utf-8",
            )
        }
        Version::Soap12 => {
            let code = if by_client { "Sender" } else { "Receiver" };
            (
                format!(
                    "{DECLARATION}<soap:Envelope xmlns:soap=\"{SOAP_12}\"><soap:Body><soap:Fault>\
                     <soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code><soap:Reason>\
                     <soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason>\
                     <soap:Detail>{detail}</soap:Detail></soap:Fault></soap:Body></soap:Envelope>"
                ),
                "application/soap+xml; charset=utf-8",
            )
        }
    };
    reply::text(document, content_type)
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
