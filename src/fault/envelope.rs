//! What can be wrong with a SOAP request before it is forwarded.

use http::StatusCode;

/// Why an envelope gets no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvelopeFault {
    /// The media type is not that of an envelope.
    Media,
    /// The body is compressed.
    Coded,
    /// The envelope is not in UTF-8.
    Encoding,
    /// The envelope is not well-formed XML.
    Malformed,
    /// The envelope holds a document type.
    Doctype,
    /// The document is not an envelope of SOAP.
    Structure,
    /// The envelope goes beyond a limit.
    Limit,
}

impl EnvelopeFault {
    /// Code, status, title and advice.
    pub(super) fn entry(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        match self {
            Self::Media => (
                "SG-1030",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The request holds no SOAP envelope",
                "Send the envelope itself as text/xml (SOAP 1.1) or application/soap+xml (1.2); attachments cannot pass, since the token goes into the envelope.",
            ),
            Self::Coded => (
                "SG-1031",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The envelope is compressed",
                "Send it without Content-Encoding: the token goes into its header.",
            ),
            Self::Encoding => (
                "SG-1032",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The envelope is not in UTF-8",
                "Send it in UTF-8, and let Content-Type and XML declaration say so or say nothing.",
            ),
            Self::Malformed => (
                "SG-1033",
                StatusCode::BAD_REQUEST,
                "The envelope is not well-formed XML",
                "Let a library write the envelope; `note` says what was found.",
            ),
            Self::Doctype => (
                "SG-1034",
                StatusCode::BAD_REQUEST,
                "The envelope has a document type",
                "Leave <!DOCTYPE …> out: SOAP does not allow it.",
            ),
            Self::Structure => (
                "SG-1035",
                StatusCode::BAD_REQUEST,
                "The document is not a SOAP envelope",
                "Send one Envelope of SOAP 1.1 or 1.2 with at most one Header and then one Body; `note` says what was found.",
            ),
            Self::Limit => (
                "SG-1036",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The envelope goes beyond a limit",
                "Keep what comes before the body under 64 KiB, tags under 16 KiB and 64 attributes, and elements less than 128 deep.",
            ),
        }
    }
}
