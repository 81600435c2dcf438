//! What is wrong with a configuration, and what is risky about it. No text here ever shows a
//! configured value: any of them may be a secret that was written in the wrong place.

use std::borrow::Cow;
use std::fmt;

use super::place::KeyPath;
use super::place::Location;

/// What kind of problem it is. Codes are stable and never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Not YAML, or YAML that we do not take: anchors, aliases, tags, several documents.
    Syntax,
    /// A key that does not exist here.
    UnknownKey,
    /// A key that has to be given.
    MissingKey,
    /// A value that cannot be used.
    BadValue,
    /// Something that a later version will have.
    NotInThisVersion,
    /// A file or variable that a secret should come from.
    SecretUnreadable,
    /// A key that is given twice.
    DuplicateKey,
    /// The configuration file itself.
    FileUnreadable,
    /// A request of `tests` that something else would become of.
    FailedTest,
    /// A colour, name or address for our pages that they cannot show.
    BadBrand,
    /// A picture for our pages that cannot be read or shown.
    BadLogo,
    /// A template in place of one of our pages that cannot be read or used.
    BadTemplate,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::BadValue,
        Self::NotInThisVersion,
        Self::SecretUnreadable,
        Self::DuplicateKey,
        Self::FileUnreadable,
        Self::FailedTest,
        Self::BadBrand,
        Self::BadLogo,
        Self::BadTemplate,
    ];

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "SG-6001",
            Self::UnknownKey => "SG-6002",
            Self::MissingKey => "SG-6003",
            Self::BadValue => "SG-6004",
            Self::NotInThisVersion => "SG-6005",
            Self::SecretUnreadable => "SG-6006",
            Self::DuplicateKey => "SG-6007",
            Self::FileUnreadable => "SG-6008",
            Self::FailedTest => "SG-6141",
            Self::BadBrand => "SG-6501",
            Self::BadLogo => "SG-6502",
            Self::BadTemplate => "SG-6503",
        }
    }
}

/// What kind of risk a setting takes. Codes as stable as those of [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// A secret stands in the configuration file.
    InlineSecret,
    /// A secret's file can be read by every user of the machine.
    ReadableByOthers,
    /// Every peer may say `X-Forwarded-*`.
    TrustsEverybody,
    /// Browsers talk plain http.
    PlainHttp,
    /// Tokens may go beyond Marketing Cloud's own hosts.
    WidenedFence,
    /// The client proves itself with nothing.
    PublicClient,
    /// A stolen cookie works for more than a day.
    LongSession,
    /// Tokens cross a network unencrypted.
    TokenInPlainText,
    /// An intercepted authorization code can be used by others.
    NoPkce,
    /// Codes and the client secret go to a host that is not Marketing Cloud's.
    OtherProvider,
    /// The session store's password can be read on the way.
    PlainStore,
    /// A client secret that Marketing Cloud is about to end.
    AgeingSecret,
    /// People of every account that installs the package can sign in.
    AnyTenant,
    /// Probes, metrics and the status page can be reached from other machines.
    AdminExposed,
    /// What proves us to the collector of traces can be read on the way.
    PlainTraces,
}

impl Risk {
    /// Every risk, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::InlineSecret,
        Self::ReadableByOthers,
        Self::TrustsEverybody,
        Self::PlainHttp,
        Self::WidenedFence,
        Self::PublicClient,
        Self::LongSession,
        Self::TokenInPlainText,
        Self::NoPkce,
        Self::OtherProvider,
        Self::PlainStore,
        Self::AgeingSecret,
        Self::AnyTenant,
        Self::AdminExposed,
        Self::PlainTraces,
    ];

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InlineSecret => "SG-6101",
            Self::ReadableByOthers => "SG-6102",
            Self::TrustsEverybody => "SG-6103",
            Self::PlainHttp => "SG-6104",
            Self::WidenedFence => "SG-6105",
            Self::PublicClient => "SG-6106",
            Self::LongSession => "SG-6107",
            Self::TokenInPlainText => "SG-6108",
            Self::NoPkce => "SG-6109",
            Self::OtherProvider => "SG-6110",
            Self::PlainStore => "SG-6112",
            Self::AgeingSecret => "SG-6111",
            Self::AnyTenant => "SG-6120",
            Self::AdminExposed => "SG-6140",
            Self::PlainTraces => "SG-6301",
        }
    }

    /// What asks for the safer setting: RFC 9700 (OAuth 2.0 Security), RFC 10017 (Browser-Based
    /// Applications), OWASP ASVS 5.0.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::InlineSecret => "OWASP ASVS 13.3.1",
            Self::ReadableByOthers => "OWASP ASVS 13.3.2",
            Self::TrustsEverybody => "OWASP ASVS 4.1.3",
            Self::PlainHttp => "OWASP ASVS 3.3.1, 12.2.1",
            Self::WidenedFence => "RFC 10017 (BFF proxy restrictions), OWASP ASVS 13.2.4",
            Self::PublicClient => "RFC 10017 (BFF), OWASP ASVS 10.4.10",
            Self::LongSession => "OWASP ASVS 7.3.2",
            Self::TokenInPlainText | Self::PlainStore | Self::PlainTraces => "OWASP ASVS 12.3.1",
            Self::NoPkce => "RFC 9700 section 2.1.1",
            Self::OtherProvider => "RFC 9700 section 4.4, OWASP ASVS 13.2.4",
            Self::AgeingSecret => "OWASP ASVS 13.3.4",
            Self::AnyTenant => "RFC 9700 section 4.4",
            Self::AdminExposed => "OWASP ASVS 13.4.5",
        }
    }
}

/// One reason why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub code: Code,
    /// Where.
    pub location: Location,
    /// Of which key.
    pub key: KeyPath,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn told(&self) -> Told<'_> {
        Told {
            location: &self.location,
            mark: Mark::Error,
            code: self.code.as_str(),
            key: &self.key,
            message: Cow::Borrowed(&self.message),
            hint: self.hint.as_deref(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().write(f, plain)
    }
}

/// One setting that works but is risky. `check --strict` fails on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which kind.
    pub risk: Risk,
    /// Where.
    pub location: Location,
    /// Of which key.
    pub key: KeyPath,
    /// What the risk is.
    pub message: String,
    /// What would be safer.
    pub hint: Option<String>,
}

impl Warning {
    pub(super) fn told(&self) -> Told<'_> {
        Told {
            location: &self.location,
            mark: Mark::Warning,
            code: self.risk.as_str(),
            key: &self.key,
            message: Cow::Owned(format!("{} ({})", self.message, self.risk.clause())),
            hint: self.hint.as_deref(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().write(f, plain)
    }
}

/// Everything that is wrong with a configuration, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    found: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Problems {
    pub(super) fn new(mut found: Vec<Problem>, mut warnings: Vec<Warning>) -> Self {
        found.sort_by(|a, b| a.location.cmp(&b.location));
        warnings.sort_by(|a, b| a.location.cmp(&b.location));
        Self { found, warnings }
    }

    /// The problems.
    pub fn as_slice(&self) -> &[Problem] {
        &self.found
    }

    /// The risks that were seen along the way.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A word that a reader looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `error[…]`.
    Error,
    /// `warning[…]`.
    Warning,
    /// `note[…]`.
    Note,
    /// `hint:`.
    Hint,
}

/// How marks look to whom they are shown.
pub type Paint = fn(Mark, &str) -> String;

/// As they are.
pub fn plain(_: Mark, text: &str) -> String {
    text.to_owned()
}

/// A problem, a risk or a note as it is told.
pub(super) struct Told<'a> {
    pub(super) location: &'a Location,
    pub(super) mark: Mark,
    pub(super) code: &'static str,
    pub(super) key: &'a KeyPath,
    pub(super) message: Cow<'a, str>,
    pub(super) hint: Option<&'a str>,
}

impl Told<'_> {
    pub(super) fn write(&self, out: &mut impl fmt::Write, paint: Paint) -> fmt::Result {
        let word = match self.mark {
            Mark::Error => "error",
            Mark::Warning => "warning",
            Mark::Note | Mark::Hint => "note",
        };
        let mark = paint(self.mark, &format!("{word}[{}]", self.code));
        write!(out, "{}: {mark}", self.location)?;
        if !self.key.as_str().is_empty() {
            write!(out, ": {}", self.key)?;
        }
        write!(out, ": {}", self.message)?;
        match self.hint {
            Some(hint) => write!(out, "\n    {} {hint}", paint(Mark::Hint, "hint:")),
            None => Ok(()),
        }
    }
}
