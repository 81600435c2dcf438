//! What is kept in files, and how it is put into force.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use sha2::Digest as _;
use sha2::Sha256;
use tracing::Span;
use zeroize::Zeroizing;

use super::Digest;
use super::Group;
use super::Reading;
use crate::admin::files::CLIENT_SECRET;
use crate::admin::files::Watched;
use crate::config::NotBeforeFile;
use crate::config::SecretSource;
use crate::crypto::KeyRing;
use crate::crypto::Keys;
use crate::crypto::MasterKey;
use crate::crypto::secret::ClientSecret;
use crate::net::tls;
use crate::net::tls::Identity;
use crate::oauth::Provider;
use crate::oauth::client_secrets::ClientSecrets;
use crate::oauth::provider::Client;
use crate::oauth::signed_call::SigningSecret;
use crate::oauth::signed_call::SigningSecrets;
use crate::session::Revocations;
use crate::time::Clock;

/// The session keys.
pub(in crate::app) struct KeyFiles {
    /// In the order of the configuration: the first seals.
    pub(in crate::app) sources: Vec<SecretSource>,
    /// Where they are used.
    pub(in crate::app) keys: Arc<Keys>,
}

impl Group for KeyFiles {
    fn about(&self) -> Watched {
        Watched::new("session keys", None)
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.sources)
    }

    fn read(&self) -> Reading {
        let keys = Arc::clone(&self.keys);
        reading(&self.sources, move |texts| {
            let ring = ring(texts)?;
            Ok(Box::new(move || {
                let seals = ring.first().id();
                let count = ring.ids().count();
                if keys.adopt(ring) {
                    tracing::info!(event = "session_keys.changed", %seals, keys = count, "Session keys taken over.");
                }
            }))
        })
    }
}

/// The secrets of a web app.
pub(in crate::app) struct ClientSecretFiles {
    /// `client_secret`, then `next_client_secret`.
    pub(in crate::app) sources: Vec<SecretSource>,
    /// Where they are used.
    pub(in crate::app) provider: Arc<Provider>,
    /// Says the tenant's name in log lines.
    pub(in crate::app) span: Span,
    /// That name.
    pub(in crate::app) tenant: Option<Arc<str>>,
}

impl Group for ClientSecretFiles {
    fn about(&self) -> Watched {
        Watched::new(CLIENT_SECRET, self.tenant.clone())
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.sources)
    }

    fn read(&self) -> Reading {
        let (provider, span) = (Arc::clone(&self.provider), self.span.clone());
        reading(&self.sources, move |texts| {
            let mut secrets = Vec::with_capacity(texts.len());
            for (text, place) in texts {
                let secret = ClientSecret::parse(text.expose_secret());
                secrets.push(secret.map_err(|error| format!("{place}: {error}"))?);
            }
            let mut secrets = secrets.into_iter();
            let (first, next) = (secrets.next(), secrets.next());
            Ok(Box::new(move || {
                let (Client::Web(known), Some(first)) = (&provider.client, first) else {
                    return;
                };
                if !known.adopt(&ClientSecrets::new(first, next)) {
                    return;
                }
                let _named = span.entered();
                tracing::info!(
                    event = "client_secret.changed",
                    "Client secrets taken over."
                );
            }))
        })
    }
}

/// The secrets that sign Journey Builder's calls.
pub(in crate::app) struct SigningSecretFiles {
    /// `jwt_signing_secret`, then `next_jwt_signing_secret`.
    pub(in crate::app) sources: Vec<SecretSource>,
    /// Where they are used.
    pub(in crate::app) secrets: Arc<SigningSecrets>,
    /// Names the tenant in the log, if there are several.
    pub(in crate::app) span: Span,
    /// That name.
    pub(in crate::app) tenant: Option<Arc<str>>,
}

impl Group for SigningSecretFiles {
    fn about(&self) -> Watched {
        Watched::new("signing secret", self.tenant.clone())
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.sources)
    }

    fn read(&self) -> Reading {
        let (secrets, span) = (Arc::clone(&self.secrets), self.span.clone());
        reading(&self.sources, move |texts| {
            let mut read = Vec::with_capacity(texts.len());
            for (text, place) in texts {
                let secret = SigningSecret::parse(text.expose_secret());
                read.push(secret.map_err(|error| format!("{place}: {error}"))?);
            }
            Ok(Box::new(move || {
                let _named = span.entered();
                secrets.replace(read);
                tracing::info!(
                    event = "signing_secret.changed",
                    "Signing secrets taken over."
                );
            }))
        })
    }
}

/// The listener's certificate and its key.
pub(in crate::app) struct CertificateFiles {
    /// The chain.
    pub(in crate::app) certificate: PathBuf,
    /// The key.
    pub(in crate::app) key: PathBuf,
    /// Who vouches for clients: watched here, and taken over with the configuration.
    pub(in crate::app) authorities: Option<PathBuf>,
    /// Where they are used.
    pub(in crate::app) identity: Arc<Identity>,
}

impl Group for CertificateFiles {
    fn about(&self) -> Watched {
        Watched::new("certificate", None)
    }

    fn files(&self) -> Vec<PathBuf> {
        let own = [self.certificate.clone(), self.key.clone()];
        own.into_iter().chain(self.authorities.clone()).collect()
    }

    fn read(&self) -> Reading {
        let digest = digest(&[&self.certificate, &self.key]);
        let identity = Arc::clone(&self.identity);
        let outcome = tls::read(&self.certificate, &self.key);
        Reading {
            digest,
            outcome: outcome
                .map(|key| -> TakeOver {
                    Box::new(move || {
                        if identity.replace(key) {
                            tracing::info!(
                                event = "certificate.changed",
                                "The certificate was taken over; new handshakes are given it."
                            );
                        }
                    })
                })
                .map_err(|error| error.to_string()),
        }
    }
}

/// The list of revoked sessions.
pub(in crate::app) struct RevocationFile {
    /// Where it is.
    pub(in crate::app) file: NotBeforeFile,
    /// Where it is used.
    pub(in crate::app) revocations: Vec<Arc<Revocations>>,
    /// Tells what is still to come.
    pub(in crate::app) clock: Arc<dyn Clock>,
}

impl Group for RevocationFile {
    fn about(&self) -> Watched {
        Watched::new("revoked sessions", None)
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.file.path().to_owned()]
    }

    fn read(&self) -> Reading {
        let bytes = match self.file.bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = format!("{}: {error}", self.file.path().display());
                return Reading {
                    digest: Sha256::digest(&problem).into(),
                    outcome: Err(problem),
                };
            }
        };
        let (revocations, now) = (self.revocations.clone(), self.clock.now());
        let outcome = self.file.parse(&bytes).map(|list| -> Box<dyn FnOnce()> {
            Box::new(move || {
                for revocations in &revocations {
                    revocations.replace(list.clone(), now);
                }
                tracing::info!(
                    event = "not_before.changed",
                    "The list of revoked sessions was taken over."
                );
            })
        });
        Reading {
            digest: Sha256::digest(&bytes).into(),
            outcome: outcome.map_err(|problems| problems.to_string()),
        }
    }
}

/// Of all that is in `files`; what cannot be read counts as empty.
pub(super) fn digest(files: &[&PathBuf]) -> Digest {
    let mut digest = Sha256::new();
    for file in files {
        let bytes = Zeroizing::new(std::fs::read(file).unwrap_or_default());
        digest.update(bytes.len().to_be_bytes());
        digest.update(&*bytes);
    }
    digest.finalize().into()
}

fn files(sources: &[SecretSource]) -> Vec<PathBuf> {
    let files = sources.iter().filter_map(SecretSource::file);
    files.map(std::path::Path::to_owned).collect()
}

/// Secrets with the names of their files.
type Texts = Vec<(SecretString, String)>;

type TakeOver = Box<dyn FnOnce()>;

fn reading(
    sources: &[SecretSource],
    parse: impl FnOnce(Texts) -> Result<TakeOver, String>,
) -> Reading {
    let mut digest = Sha256::new();
    let mut texts = Texts::with_capacity(sources.len());
    let mut problem = None;
    for source in sources {
        // Hashed with its length, so that nothing can move from one file to the next unseen.
        let mut note = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        };
        match source.read() {
            Ok(text) => {
                note(text.expose_secret());
                let place = source.file().map(|file| file.display().to_string());
                texts.push((
                    text,
                    place.unwrap_or_else(|| "the configuration".to_owned()),
                ));
            }
            Err(unreadable) => {
                let text = unreadable.to_string();
                note(&text);
                problem.get_or_insert(text);
            }
        }
    }
    Reading {
        digest: digest.finalize().into(),
        outcome: problem.map_or_else(|| parse(texts), Err),
    }
}

fn ring(texts: Texts) -> Result<KeyRing, String> {
    let mut keys: Vec<MasterKey> = Vec::with_capacity(texts.len());
    for (text, place) in texts {
        let key = MasterKey::parse(text.expose_secret());
        let key = key.map_err(|error| format!("{place}: {error}"))?;
        // While a rotation is written file by file, a key stands in two of them for a moment.
        if keys.iter().all(|known| known.id() != key.id()) {
            keys.push(key);
        }
    }
    let mut keys = keys.into_iter();
    let first = keys.next().ok_or("there is no key")?;
    Ok(KeyRing::new(first, keys.collect()))
}
