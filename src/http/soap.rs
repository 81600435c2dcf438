//! SOAP envelopes: the token is put into a request's header, a fault read out of an answer, a refusal
//! of ours written as a fault. No I/O: bytes go in, bytes come out.
//!
//! Marketing Cloud takes the token from inside the envelope, so that a proxy has to know where the
//! header is, exactly as the reader behind it does. Whatever two readers could see differently is
//! therefore refused: a document that is not well-formed with its namespaces (XML 1.0, Namespaces in XML
//! 1.0), document types, encodings other than UTF-8, a header in any place but its own.

mod chars;
mod element;
mod injector;
mod media;
mod refusal;
mod scan;
mod syntax;
mod verdict;

pub use injector::Injector;
pub use media::Version;
pub use media::admit;
pub(super) use refusal::fault;
pub use verdict::Verdict;
pub use verdict::verdict;

use crate::fault::EnvelopeFault;

/// Why an envelope goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It holds a document type.
    #[error("a document type, which SOAP does not allow")]
    Doctype,
    /// It is not in UTF-8, or does not say so.
    #[error("{0}")]
    Encoding(&'static str),
    /// It is XML that goes beyond a limit.
    #[error("{0}")]
    Limit(&'static str),
    /// It is not well-formed XML.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is XML, but no envelope of one header and one body.
    #[error("{0}")]
    Structure(&'static str),
}

impl EnvelopeError {
    /// What the client is told.
    pub fn fault(self) -> EnvelopeFault {
        match self {
            Self::Doctype => EnvelopeFault::Doctype,
            Self::Encoding(_) => EnvelopeFault::Encoding,
            Self::Limit(_) => EnvelopeFault::Limit,
            Self::Malformed(_) => EnvelopeFault::Malformed,
            Self::Structure(_) => EnvelopeFault::Structure,
        }
    }
}

/// The namespace of SOAP 1.1 envelopes.
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The namespace of SOAP 1.2 envelopes.
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// The namespace of Marketing Cloud's header blocks.
const EXACTTARGET: &str = "http://exacttarget.com";

/// Bytes of an envelope up to its body.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes of one tag or processing instruction.
const MAX_TAG: usize = 16 * 1024;

/// Elements in each other.
const MAX_DEPTH: usize = 128;

/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

#[cfg(test)]
mod tests;
