//! Codes and tokens that look like Marketing Cloud's: dotted, JWT-like, and opaque.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use crate::crypto::Entropy;
use crate::sandbox::people::ENTERPRISE_ID;
use crate::sandbox::settings::Client;
use crate::sandbox::witness;

/// An access token of `length` characters in four segments (a JWT has three: strict parsers fail).
pub(super) fn access_token(entropy: &dyn Entropy, client: &Client, length: usize) -> String {
    let token = token(entropy, client, "access_token", length);
    witness::saw("access token", &token);
    token
}

/// A refresh token of `length` characters in four segments.
pub(super) fn refresh_token(entropy: &dyn Entropy, client: &Client, length: usize) -> String {
    let token = token(entropy, client, "refresh_token", length);
    witness::saw("refresh token", &token);
    token
}

/// An authorization code in three segments, well under 512 characters.
pub(super) fn code(entropy: &dyn Entropy) -> String {
    let payload = json!({ "auth_code": opaque(entropy, 24), "eid": ENTERPRISE_ID });
    let code = dotted(entropy, &payload);
    witness::saw("code", &code);
    code
}

/// `length` unpredictable characters that need no escaping anywhere.
pub(super) fn opaque(entropy: &dyn Entropy, length: usize) -> String {
    let mut bytes = vec![0; length.div_ceil(4) * 3];
    entropy.fill(&mut bytes);
    let mut text = URL_SAFE_NO_PAD.encode(&bytes);
    text.truncate(length);
    text
}

fn token(entropy: &dyn Entropy, client: &Client, key: &str, length: usize) -> String {
    let payload = json!({
        key: opaque(entropy, 24),
        "client_id": client.id,
        "eid": ENTERPRISE_ID,
        "stack_key": "S7",
        "platform_version": 2,
        "client_type": client.kind.token_name(),
    });
    let text = dotted(entropy, &payload);
    match length.checked_sub(text.len() + 1) {
        Some(padding) if padding > 0 => format!("{text}.{}", opaque(entropy, padding)),
        // No room for the segments: what is left of a token is that nobody can guess it.
        _ => opaque(entropy, length.max(MIN_LENGTH)),
    }
}

fn dotted(entropy: &dyn Entropy, payload: &Value) -> String {
    let header = json!({ "alg": "HS256", "kid": "4", "ver": "1", "typ": "JWT" });
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string()),
        opaque(entropy, 43),
    )
}

/// A shorter token could come up twice.
const MIN_LENGTH: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsEntropy;

    #[test]
    fn tokens_have_the_recorded_shape() {
        let token = access_token(&OsEntropy, &Client::web(), 512);
        assert_eq!((token.len(), token.split('.').count()), (512, 4));
        assert_ne!(token, access_token(&OsEntropy, &Client::web(), 512));
    }

    #[test]
    fn any_length_can_be_asked_for() {
        for (asked, got) in [(0, 22), (64, 64), (700, 700), (4096, 4096)] {
            assert_eq!(
                refresh_token(&OsEntropy, &Client::public(), asked).len(),
                got
            );
        }
    }

    #[test]
    fn codes_are_dotted_and_short() {
        let code = code(&OsEntropy);
        assert!(code.len() <= 512 && code.split('.').count() == 3, "{code}");
    }
}
