//! Marketing Cloud ends a client secret 180 days after it was made, whoever still uses it. When that
//! was, only the file knows in which it was written down.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::Loaded;
use super::place::KeyPath;
use super::place::Location;
use super::problem::Mark;
use super::problem::Risk;
use super::problem::Told;
use super::problem::Warning;
use super::problem::plain;
use crate::config::SecretSource;
use crate::config::Tenant;
use crate::oauth::provider::Client;
use crate::time::UnixTime;

/// Something worth knowing that is no risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub topic: Topic,
    /// Where.
    pub location: Location,
    /// About which key.
    pub key: KeyPath,
    /// What there is to know.
    pub message: String,
    /// What can be done with it.
    pub hint: Option<String>,
}

impl Note {
    pub(super) fn told(&self) -> Told<'_> {
        Told {
            location: &self.location,
            mark: Mark::Note,
            code: self.topic.as_str(),
            key: &self.key,
            message: Cow::Borrowed(&self.message),
            hint: self.hint.as_deref(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().write(f, plain)
    }
}

/// What a note is about. Codes as stable as those of problems and risks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The age of a secret.
    SecretAge,
    /// There is no room for the next secret.
    NoNextSecret,
}

impl Topic {
    /// Every topic, for tables and tests.
    pub const ALL: [Self; 2] = [Self::SecretAge, Self::NoNextSecret];

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretAge => "SG-6201",
            Self::NoNextSecret => "SG-6202",
        }
    }
}

/// What is to be said about the client's secrets at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// What is worth knowing.
    pub notes: Vec<Note>,
    /// Secrets that end soon.
    pub warnings: Vec<Warning>,
}

impl Rotation {
    /// Looks at the files of the secrets in `loaded`; `now` tells how old they are.
    pub fn of(loaded: &Loaded, now: UnixTime) -> Self {
        let mut this = Self::default();
        for tenant in loaded.config.tenants() {
            this.look_at(tenant, now);
        }
        this
    }

    fn look_at(&mut self, tenant: &Tenant, now: UnixTime) {
        if !matches!(tenant.provider.client, Client::Web(_)) {
            return;
        }
        let sources = &tenant.client_secret_sources;
        let staged = sources.len() > 1;
        let keys = paths(&tenant.section);
        for (((source, name), key), place) in sources
            .iter()
            .zip(KEYS)
            .zip(keys)
            .zip(&tenant.secret_places)
        {
            if let Some(age) = age(source, now) {
                self.aged(age, name, key, place, staged);
            }
        }
        if !staged {
            let place = tenant.secret_places.first();
            self.notes.push(Note {
                topic: Topic::NoNextSecret,
                location: place.cloned().unwrap_or_else(nowhere),
                key: key(&tenant.section, NEXT),
                message: "is not set; a rotation without downtime needs it".to_owned(),
                hint: Some(STAGE.to_owned()),
            });
        }
    }

    fn aged(&mut self, age: Duration, name: &str, key: KeyPath, place: &Location, staged: bool) {
        let (location, days) = (place.clone(), days(age));
        if age < SOON {
            let left = days_left(age);
            self.notes.push(Note {
                topic: Topic::SecretAge,
                location,
                key,
                message: format!(
                    "the file is {days} old; if the secret is as old, it works for {left} more"
                ),
                hint: None,
            });
            return;
        }
        let end = if age < LIFETIME {
            format!("ends in {}", days_left(age))
        } else {
            "has ended".to_owned()
        };
        let hint = if staged && name == FIRST {
            ACTIVATE
        } else {
            STAGE
        };
        self.warnings.push(Warning {
            risk: Risk::AgeingSecret,
            location,
            key,
            message: format!(
                "the file is {days} old; if the secret is as old, it {end}: Marketing Cloud ends it after 180 days"
            ),
            hint: Some(hint.to_owned()),
        });
    }
}

/// The age of a secret's file.
fn age(source: &SecretSource, now: UnixTime) -> Option<Duration> {
    let modified = std::fs::metadata(source.file()?).ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(std::time::SystemTime::UNIX_EPOCH);
    Some(now.since(UnixTime::default().plus(since_epoch.unwrap_or_default())))
}

fn days_left(age: Duration) -> String {
    days(LIFETIME.saturating_sub(age))
}

fn days(span: Duration) -> String {
    match span.as_secs() / DAY.as_secs() {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn key(tenant: &KeyPath, name: &str) -> KeyPath {
    tenant.child("marketing_cloud").child(name)
}

/// Where the secrets of the tenant at a place stand, in the order of [`Tenant::client_secret_sources`].
pub(super) fn paths(tenant: &KeyPath) -> [KeyPath; 2] {
    KEYS.map(|name| key(tenant, name))
}

fn nowhere() -> Location {
    Location::File {
        name: "".into(),
        position: None,
    }
}

const FIRST: &str = "client_secret";
const NEXT: &str = "next_client_secret";
const KEYS: [&str; 2] = [FIRST, NEXT];

/// How to rotate, from the beginning.
pub const STAGE: &str = "to rotate: stage a new secret in Setup, put it into the file of next_client_secret, activate \
     it in Setup, then move it to client_secret";

const ACTIVATE: &str =
    "activate the staged secret in Setup, then move it from next_client_secret to client_secret";

const DAY: Duration = Duration::from_hours(24);

/// How long a secret works.
pub const LIFETIME: Duration = Duration::from_hours(180 * 24);

/// When it is time to rotate.
pub const SOON: Duration = Duration::from_hours(150 * 24);
