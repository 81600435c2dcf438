//! Secrets as types: no `Display`, no `Serialize`, no `Clone`; a `Debug` that shows nothing;
//! memory overwritten when dropped. Each leaves through one named method.

use std::fmt;

use http::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::SecretString;

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
        sensitive(&format!("Bearer {}", self.0.expose_secret()))
    }

    /// The bare token as a header value, for `X-Forwarded-Access-Token`.
    pub fn header_value(&self) -> HeaderValue {
        sensitive(self.0.expose_secret())
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

#[expect(clippy::expect_used, reason = "`token68ish` admits visible ASCII only")]
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("visible ASCII is a header value");
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
    use super::*;

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
