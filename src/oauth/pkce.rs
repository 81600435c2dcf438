//! Proof Key for Code Exchange (RFC 7636), with the `S256` method only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::Entropy;
use crate::crypto::secret::CodeVerifier;

/// A fresh verifier: 32 random bytes as 43 characters ([RFC 7636 §4.1]).
///
/// [RFC 7636 §4.1]: https://www.rfc-editor.org/rfc/rfc7636#section-4.1
#[expect(
    clippy::expect_used,
    reason = "base64url is within the unreserved characters"
)]
pub fn verifier(entropy: &dyn Entropy) -> CodeVerifier {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(entropy.bytes());
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    CodeVerifier::parse(&text).expect("43 unreserved characters")
}

/// The `S256` challenge of a verifier ([RFC 7636 §4.2]).
///
/// [RFC 7636 §4.2]: https://www.rfc-editor.org/rfc/rfc7636#section-4.2
pub fn challenge(verifier: &CodeVerifier) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::crypto::OsEntropy;

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_matches_the_vector_of_the_rfc() {
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
            .expect("the RFC's own");
        assert_eq!(
            challenge(&verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn verifiers_are_long_and_never_repeat() {
        let seen: HashSet<String> = (0..50)
            .map(|_| verifier(&OsEntropy).expose().to_owned())
            .collect();
        assert_eq!(seen.len(), 50);
        assert!(seen.iter().all(|text| text.len() == 43));
    }
}
