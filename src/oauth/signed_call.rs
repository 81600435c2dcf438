//! Calls that Marketing Cloud's servers make to a custom activity (save, publish, validate, stop,
//! execute): no person and no cookie, a JSON Web Token for a body, signed with the package's secret
//! (RFC 7515, HS256 only).
//!
//! A token proves who made it, not that it comes for the first time: Journey Builder says no expiry, and
//! repeats a call whose answer it missed. Tools have to take one twice, by `definitionInstanceId`.

use std::fmt;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;

use crate::time::UnixTime;

/// The secret of a package that signs its calls.
pub struct SigningSecret(DecodingKey);

impl SigningSecret {
    /// A `text` as the package shows it, whose bytes are the key. A short one can be found by trying
    /// (RFC 7518 §3.2): half of a file, or a place holder.
    pub fn parse(text: &str) -> Result<Self, BadSigningSecret> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if !visible || !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(BadSigningSecret);
        }
        Ok(Self(DecodingKey::from_secret(text.as_bytes())))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

/// The text is no signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have {SHORTEST} to {LONGEST} visible ASCII characters")]
pub struct BadSigningSecret;

/// Characters of a secret that nobody finds by trying.
const SHORTEST: usize = 16;

/// No package's is longer.
const LONGEST: usize = 1024;

/// The secrets that sign calls: the one in use and, while the package's is changed, the next. They can
/// be replaced while requests run.
pub struct SigningSecrets(ArcSwap<Vec<DecodingKey>>);

impl SigningSecrets {
    /// The secrets in force.
    pub fn new(secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        Self(ArcSwap::from_pointee(keys(secrets)))
    }

    /// Takes over other secrets.
    pub fn replace(&self, secrets: impl IntoIterator<Item = SigningSecret>) {
        self.0.store(keys(secrets).into());
    }

    /// The claims of a signed call, as JSON byte for byte, if one of the secrets signed it and it is of
    /// this time. The time is passed in: the library's own clock is not asked.
    pub fn verify(&self, token: &[u8], now: UnixTime) -> Result<Bytes, NotSigned> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        if has_extensions(token) {
            return Err(NotSigned::Extension);
        }
        let mut reason = NotSigned::Signature;
        for key in self.0.load().iter() {
            match jsonwebtoken::decode::<Times>(token, key, &rules) {
                Ok(decoded) => {
                    decoded.claims.check(now)?;
                    return claims(token).ok_or(NotSigned::Malformed);
                }
                // What one key says of the signature, the other may say otherwise.
                Err(error) if reason == NotSigned::Signature => {
                    reason = NotSigned::from(error.kind());
                }
                Err(_) => {}
            }
        }
        Err(reason)
    }
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecrets({} of them)", self.0.load().len())
    }
}

/// Why a call is not one of the package's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotSigned {
    /// It is no token, or holds no claims.
    #[error("no JSON Web Token with claims")]
    Malformed,
    /// Another algorithm than HS256, `none` among them.
    #[error("an algorithm other than HS256")]
    Algorithm,
    /// Its header names extensions that have to be understood (RFC 7515 §4.1.11).
    #[error("a crit field, and no extension is known here")]
    Extension,
    /// None of the secrets signed it.
    #[error("a signature of another secret")]
    Signature,
    /// Its time is over.
    #[error("an exp that is past")]
    Expired,
    /// Its time is still to come.
    #[error("an nbf or iat that is still to come")]
    Early,
}

impl From<&ErrorKind> for NotSigned {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm
            | ErrorKind::InvalidAlgorithmName
            | ErrorKind::MissingAlgorithm => Self::Algorithm,
            _ => Self::Malformed,
        }
    }
}

/// The claims about time (RFC 7519 §4.1), each checked where it is there.
#[derive(Deserialize)]
struct Times {
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
}

impl Times {
    fn check(&self, now: UnixTime) -> Result<(), NotSigned> {
        let over = |at: f64| now >= seconds(at).plus(LEEWAY);
        let to_come = |at: f64| seconds(at) > now.plus(LEEWAY);
        if self.exp.is_some_and(over) {
            return Err(NotSigned::Expired);
        }
        if self.nbf.is_some_and(to_come) || self.iat.is_some_and(to_come) {
            return Err(NotSigned::Early);
        }
        Ok(())
    }
}

/// A date in seconds; what is before 1970 is over, what no span can hold is far away.
fn seconds(at: f64) -> UnixTime {
    let span = Duration::try_from_secs_f64(at.max(0.0)).unwrap_or(FAR);
    UnixTime::default().plus(span.min(FAR))
}

/// The claims are JSON, and that is UTF-8 (RFC 8259 §8.1); what was read of them is no more than times.
fn claims(token: &[u8]) -> Option<Bytes> {
    let claims = part(token, 1)?;
    std::str::from_utf8(&claims).ok()?;
    Some(claims.into())
}

/// Whether the header says `crit`. The library passes over it.
fn has_extensions(token: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Extensions {
        #[serde(default)]
        crit: Option<serde::de::IgnoredAny>,
    }
    let header = part(token, 0).unwrap_or_default();
    serde_json::from_slice::<Extensions>(&header).is_ok_and(|header| header.crit.is_some())
}

fn part(token: &[u8], number: usize) -> Option<Vec<u8>> {
    let part = token.split(|&b| b == b'.').nth(number)?;
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn keys(secrets: impl IntoIterator<Item = SigningSecret>) -> Vec<DecodingKey> {
    secrets.into_iter().map(|secret| secret.0).collect()
}

/// How far two clocks may be apart.
const LEEWAY: Duration = Duration::from_mins(1);

/// Ten thousand years.
const FAR: Duration = Duration::from_hours(24 * 365 * 10_000);

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;
    use jsonwebtoken::Header;
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "a-signing-secret-of-the-package";

    const NEXT: &str = "the-next-one-of-the-package";

    fn parsed(text: &str) -> SigningSecret {
        SigningSecret::parse(text).expect("a secret")
    }

    fn secrets() -> SigningSecrets {
        SigningSecrets::new([SECRET, NEXT].map(parsed))
    }

    #[test]
    fn what_can_be_found_by_trying_is_no_secret() {
        for text in [
            "",
            " ",
            "x",
            "fifteen-letters",
            "sixteen letters!",
            "sixteen-letters\n",
        ] {
            assert_eq!(
                SigningSecret::parse(text).err(),
                Some(BadSigningSecret),
                "{text:?}"
            );
        }
        assert!(SigningSecret::parse(&"x".repeat(LONGEST + 1)).is_err());
        for text in ["sixteen-letters!", SECRET] {
            assert_eq!(format!("{:?}", parsed(text)), "SigningSecret(***)");
        }
    }

    fn now() -> UnixTime {
        UnixTime::from_millis(1_700_000_000_000)
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("signs")
    }

    fn verify(token: &str) -> Result<Value, NotSigned> {
        let claims = secrets().verify(token.as_bytes(), now())?;
        Ok(serde_json::from_slice(&claims).expect("JSON"))
    }

    /// RFC 7515 A.1, which was made by others.
    #[test]
    fn the_rfcs_example_verifies() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = URL_SAFE_NO_PAD.decode(key).expect("a key");
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secrets = SigningSecrets(ArcSwap::from_pointee(vec![DecodingKey::from_secret(&key)]));
        let then = UnixTime::from_millis(1_300_819_379_000);
        let claims = secrets.verify(token.as_bytes(), then).expect("verifies");
        assert!(
            claims.starts_with(b"{\"iss\":\"joe\",\r\n"),
            "byte for byte"
        );
        assert_eq!(
            secrets.verify(token.as_bytes(), now()),
            Err(NotSigned::Expired)
        );
    }

    #[test]
    fn both_secrets_sign_and_no_other() {
        let call = json!({ "activityId": "a", "inArguments": [{ "email": "x" }] });
        for (secret, expected) in [
            (SECRET, Ok(call.clone())),
            (NEXT, Ok(call.clone())),
            ("", Err(NotSigned::Signature)),
            ("another", Err(NotSigned::Signature)),
        ] {
            assert_eq!(
                verify(&signed(Algorithm::HS256, secret, &call)),
                expected,
                "{secret}"
            );
        }
        let secrets = secrets();
        secrets.replace([parsed("the-third-of-the-package")]);
        let old = signed(Algorithm::HS256, SECRET, &call);
        assert_eq!(
            secrets.verify(old.as_bytes(), now()),
            Err(NotSigned::Signature)
        );
    }

    #[test]
    fn no_other_algorithm_passes() {
        let call = json!({ "a": 1 });
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(
                verify(&signed(algorithm, SECRET, &call)),
                Err(NotSigned::Algorithm)
            );
        }
        let good = signed(Algorithm::HS256, SECRET, &call);
        let (_, rest) = good.split_once('.').expect("three parts");
        let (payload, _) = rest.split_once('.').expect("three parts");
        for (header, expected) in [
            (r#"{"alg":"none"}"#, NotSigned::Malformed),
            (r#"{"alg":"None","typ":"JWT"}"#, NotSigned::Malformed),
            (r#"{"alg":"RS256"}"#, NotSigned::Algorithm),
            (r#"{"alg":"ES256"}"#, NotSigned::Algorithm),
            (r#"{"alg":"hs256"}"#, NotSigned::Malformed),
            (r#"{"typ":"JWT"}"#, NotSigned::Malformed),
            (r#"{"alg":"HS256","alg":"none"}"#, NotSigned::Malformed),
        ] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for token in [format!("{header}.{rest}"), format!("{header}.{payload}.")] {
                assert_eq!(verify(&token), Err(expected), "{token}");
            }
        }
    }

    /// Signed, and not to be read as any other token is.
    #[test]
    fn what_is_signed_has_to_be_understood_too() {
        let signed = |header: &str, claims: &[u8]| {
            let message = [header.as_bytes(), claims].map(|part| URL_SAFE_NO_PAD.encode(part));
            let message = message.join(".");
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
            format!("{message}.{}", signature.expect("signs"))
        };
        for (header, claims, expected) in [
            (r#"{"alg":"HS256"}"#, &b"{}"[..], None),
            (
                r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
                b"{}",
                Some(NotSigned::Extension),
            ),
            (
                r#"{"alg":"HS256","crit":[]}"#,
                b"{}",
                Some(NotSigned::Extension),
            ),
            (
                r#"{"alg":"HS256"}"#,
                b"{\"a\":\"\xff\"}",
                Some(NotSigned::Malformed),
            ),
        ] {
            let outcome = secrets().verify(signed(header, claims).as_bytes(), now());
            assert_eq!(outcome.err(), expected, "{header}");
        }
    }

    #[test]
    fn times_are_checked_where_they_are_told() {
        let at = 1_700_000_000_i64;
        for (claims, expected) in [
            (json!({}), None),
            (json!({ "aud": "anybody", "iss": "x" }), None),
            (json!({ "exp": at - 59 }), None),
            (json!({ "exp": at - 60 }), Some(NotSigned::Expired)),
            (json!({ "exp": 0 }), Some(NotSigned::Expired)),
            (json!({ "exp": -1 }), Some(NotSigned::Expired)),
            (json!({ "exp": 1e300 }), None),
            (json!({ "nbf": at + 60, "iat": at + 60 }), None),
            (json!({ "nbf": at + 61 }), Some(NotSigned::Early)),
            (json!({ "iat": at + 61 }), Some(NotSigned::Early)),
            (json!({ "iat": at - 86_400 }), None),
            (json!({ "exp": "soon" }), Some(NotSigned::Malformed)),
            (json!({ "exp": null }), None),
            (json!([1]), Some(NotSigned::Malformed)),
            (json!("text"), Some(NotSigned::Malformed)),
        ] {
            let outcome = verify(&signed(Algorithm::HS256, SECRET, &claims));
            assert_eq!(outcome.err(), expected, "{claims}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "e30.e30.",
            "eyJhbGciOiJIUzI1NiJ9.e30",
            "{}",
        ] {
            assert!(verify(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_secrets_stay_out_of_logs() {
        let secrets = secrets();
        assert_eq!(format!("{secrets:?}"), "SigningSecrets(2 of them)");
    }

    proptest! {
        #[test]
        fn noise_does_not_pass(token in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(secrets().verify(&token, now()).is_err());
        }

        /// Well-formed in all but the signature: another's, another part's, or made up.
        #[test]
        fn nothing_that_others_signed_passes(
            secret in "[ -~]{1,64}",
            claim in any::<u32>(),
            made_up in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assume!(secret != SECRET && secret != NEXT);
            let ours = signed(Algorithm::HS256, SECRET, &json!({ "n": claim }));
            prop_assert!(verify(&ours).is_ok());
            let theirs = signed(Algorithm::HS256, &secret, &json!({ "n": claim }));
            let stolen = signed(Algorithm::HS256, SECRET, &json!({ "n": claim.wrapping_add(1) }));
            let (message, _) = ours.rsplit_once('.').expect("three parts");
            let (_, signature) = stolen.rsplit_once('.').expect("three parts");
            for token in [
                theirs,
                format!("{message}.{signature}"),
                format!("{message}.{}", URL_SAFE_NO_PAD.encode(&made_up)),
            ] {
                prop_assert_eq!(verify(&token).err(), Some(NotSigned::Signature));
            }
        }

        #[test]
        fn one_changed_byte_is_too_many(at in 0_usize..120, to in any::<u8>()) {
            let token = signed(Algorithm::HS256, SECRET, &json!({ "activityId": "a", "n": 7 }));
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let outcome = secrets().verify(&bytes, now());
            prop_assert!(outcome.is_err() || bytes == token.as_bytes());
        }
    }
}
