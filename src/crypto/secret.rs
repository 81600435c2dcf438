//! Secrets as types: no `Display`, no `Serialize`, no `Clone`; a `Debug` that shows nothing;
//! memory overwritten when dropped. Each leaves through one named method.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// An OAuth access token, opaque to us. At most [`MAX_TOKEN_LENGTH`] visible ASCII characters,
/// so that it can stand in a header field.
pub struct AccessToken(SecretString);

impl AccessToken {
    /// Takes a token out of a token reply or a sealed session.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        token68ish(text).map(Self)
    }

    /// The `Authorization` value (RFC 6750 §2.1), marked so that `http` never prints it.
    pub fn bearer(&self) -> HeaderValue {
        sensitive("Bearer ", self.0.expose_secret())
    }

    /// The bare token as a header value, for `X-Forwarded-Access-Token`.
    pub fn header_value(&self) -> HeaderValue {
        sensitive("", self.0.expose_secret())
    }

    /// The token's text, to be sealed or sent to the provider.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// An OAuth refresh token, opaque to us, with the same bounds as [`AccessToken`].
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// Takes a token out of a token reply or a sealed session.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        token68ish(text).map(Self)
    }

    /// The token's text, to be sealed, hashed or sent to the provider.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The secret of a web-app package.
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Any text that is not empty and holds no control character.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        if text.is_empty() || text.len() > MAX_TOKEN_LENGTH || text.chars().any(char::is_control) {
            return Err(BadSecret);
        }
        Ok(Self(text.into()))
    }

    /// The secret's text, for the token request.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The authorization code of one callback, sent exactly as it arrived.
pub struct AuthorizationCode(SecretString);

impl AuthorizationCode {
    /// A code as the callback's query gave it, percent-decoded.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        token68ish(text).map(Self)
    }

    /// The code's text, for the token request.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A PKCE code verifier (RFC 7636 §4.1): 43 to 128 unreserved characters.
pub struct CodeVerifier(SecretString);

impl CodeVerifier {
    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if !(43..=128).contains(&text.len()) || !text.bytes().all(unreserved) {
            return Err(BadSecret);
        }
        Ok(Self(text.into()))
    }

    /// The verifier's text, for the challenge and the token request.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The text is empty, too long, or holds characters that the secret's use does not allow.
/// Says nothing about the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("empty, too long, or characters that are not allowed")]
pub struct BadSecret;

/// Longest token or code taken, in characters; Marketing Cloud documents 512.
pub const MAX_TOKEN_LENGTH: usize = 4096;

fn token68ish(text: &str) -> Result<SecretString, BadSecret> {
    let visible = |b: u8| (0x21..=0x7e).contains(&b);
    if text.is_empty() || text.len() > MAX_TOKEN_LENGTH || !text.bytes().all(visible) {
        return Err(BadSecret);
    }
    Ok(text.into())
}

/// A header value in one buffer that is overwritten when the last clone of it is dropped. What a
/// connection has written into its own buffer, to be sent or encrypted, is out of our hands.
fn sensitive(scheme: &str, token: &str) -> HeaderValue {
    // A buffer that grows would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(scheme.len() + token.len()));
    bytes.extend_from_slice(scheme.as_bytes());
    bytes.extend_from_slice(token.as_bytes());
    over(bytes)
}

#[expect(clippy::expect_used, reason = "`token68ish` admits visible ASCII only")]
fn over(owner: impl AsRef<[u8]> + Send + 'static) -> HeaderValue {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(owner))
        .expect("visible ASCII is a header value");
    value.set_sensitive(true);
    value
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
redacted!(
    AccessToken,
    RefreshToken,
    ClientSecret,
    AuthorizationCode,
    CodeVerifier
);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Tells when it is dropped, and its buffer with it.
    struct Watched(
        Zeroizing<Vec<u8>>,
        #[expect(dead_code, reason = "counts")] Arc<()>,
    );

    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn a_header_value_owns_its_only_buffer_until_the_last_clone_goes() {
        let alive = Arc::new(());
        let bytes = Zeroizing::new(b"Bearer hunter2".to_vec());
        let address = bytes.as_ptr();
        let value = over(Watched(bytes, Arc::clone(&alive)));
        let clone = value.clone();
        assert_eq!(
            (value.as_bytes().as_ptr(), clone.as_bytes().as_ptr()),
            (address, address)
        );
        assert!(value.is_sensitive() && clone.is_sensitive());
        drop(value);
        assert_eq!(Arc::strong_count(&alive), 2, "the clone still needs it");
        drop(clone);
        assert_eq!(Arc::strong_count(&alive), 1, "wiped by `Zeroizing`");
    }

    #[test]
    fn header_values_say_what_they_should() {
        let token = AccessToken::parse("hunter2").expect("visible");
        assert_eq!(token.bearer(), "Bearer hunter2");
        assert_eq!(token.header_value(), "hunter2");
    }

    #[test]
    fn debug_shows_nothing() {
        let text = "hunter2hunter2hunter2hunter2hunter2hunter2hunter2";
        let shown = format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}",
            AccessToken::parse(text),
            RefreshToken::parse(text),
            ClientSecret::parse(text),
            AuthorizationCode::parse(text),
            CodeVerifier::parse(text),
            AccessToken::parse(text).expect("visible").bearer(),
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_token_that_could_split_a_header_is_refused() {
        for bad in ["", "a b", "a\r\nb", "tök", "a\0"] {
            assert!(AccessToken::parse(bad).is_err(), "{bad:?}");
        }
        assert!(AccessToken::parse(&"x".repeat(MAX_TOKEN_LENGTH + 1)).is_err());
    }
}
