//! What became of each option.

use std::fmt;

use super::alpha;
use super::options;
use super::options::Fate;
use super::options::Kind;
use super::options::restricting::ELSEWHERE;
use super::options::restricting::restricts;
use super::source::Given;
use super::source::shown;
use crate::fault::CommandFault;

/// What a person has to know about one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing it is to know.
    pub fault: CommandFault,
    /// Where the option stands; empty for what the source never says.
    pub place: String,
    /// Its name.
    pub option: String,
    /// What about it.
    pub why: String,
    /// What to do.
    pub instead: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault,
            place,
            option,
            why,
            instead,
        } = self;
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "warning[{}]: {option}: {why}", fault.code())?;
        if instead.is_empty() {
            Ok(())
        } else {
            write!(f, "\n    hint: {instead}")
        }
    }
}

/// One line of the account.
pub(super) enum Outcome {
    /// Became this key, and means the same.
    Taken(String),
    /// Nothing has to be said for it to be so.
    Unneeded(String),
    /// All the rest is a notice.
    Told(CommandFault, String, String),
}

/// An option and what became of it.
pub(super) struct Account {
    pub(super) option: String,
    pub(super) place: String,
    pub(super) outcome: Outcome,
}

/// Options on their way: each leaves with an account, or is caught at the end.
pub(super) struct Accounts {
    given: Vec<Given>,
    told: Vec<Account>,
}

impl Accounts {
    /// Of options that are given several times, the last counts.
    pub(super) fn new(given: Vec<Given>) -> Self {
        let mut accounts = Self {
            given: Vec::new(),
            told: Vec::new(),
        };
        for next in given {
            let earlier = accounts.given.iter().position(|it| it.name == next.name);
            // An empty variable overrules nothing.
            if earlier.is_some() && next.is_empty() && next.place.starts_with("OAUTH2_PROXY_") {
                accounts.unneeded(&next, "is empty");
                continue;
            }
            if let Some(at) = earlier {
                let earlier = accounts.given.remove(at);
                let why = format!("{} says otherwise, and counts", next.place);
                accounts.unneeded(&earlier, &why);
            }
            accounts.given.push(next);
        }
        accounts
    }

    /// An option, unless it was not given, says nothing, or takes its value from a variable.
    pub(super) fn take(&mut self, name: &str) -> Option<Given> {
        let given = self.take_any(name)?;
        let secret = options::find(name).is_some_and(|(option, _)| option.kind == Kind::Secret);
        if given.is_empty() {
            self.unneeded(&given, "is empty");
            return None;
        }
        if !secret && given.values.iter().any(|value| value.contains("${")) {
            let why = "its value is put together from variables, which a file here does not do";
            let instead = "write the value, or set the key by its variable SIDEGATE__SECTION__KEY";
            self.tell(&given, CommandFault::FillIn, why, instead);
            return None;
        }
        Some(given)
    }

    fn take_any(&mut self, name: &str) -> Option<Given> {
        let at = self.given.iter().position(|given| given.name == name)?;
        Some(self.given.remove(at))
    }

    /// Whether an option was given and not taken, if only to say nothing.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.given.iter().any(|given| given.name == name)
    }

    /// Options that say who may not come in, and that no conversion takes.
    pub(super) fn restricting(&self) -> Vec<String> {
        let restricts = |given: &&Given| {
            !given.is_empty() && (restricts(&given.name) || self.is_elsewhere(given))
        };
        let names = self.given.iter().filter(restricts);
        names.map(|given| given.name.clone()).collect()
    }

    /// Whether it names a file with options that is not among the sources.
    fn is_elsewhere(&self, given: &Given) -> bool {
        let file = given.text().rsplit('/').next().unwrap_or_default();
        let read = |other: &Given| match other.place.rsplit_once(':') {
            Some((name, _)) => name.rsplit('/').next() == Some(file),
            None => false,
        };
        ELSEWHERE.contains(&given.name.as_str()) && !self.given.iter().any(read)
    }

    /// A switch, if it was given.
    pub(super) fn switch(&mut self, name: &str) -> Option<(Given, bool)> {
        let given = self.take(name)?;
        let on = given.is_on();
        Some((given, on))
    }

    /// Everything whose name begins so, in its order.
    pub(super) fn take_all(&mut self, beginning: &str) -> Vec<Given> {
        let (taken, left) = std::mem::take(&mut self.given)
            .into_iter()
            .partition(|given| given.name.starts_with(beginning));
        self.given = left;
        taken
    }

    /// Those of [`Self::take_all`] that were not what was looked for.
    pub(super) fn give_back(&mut self, given: Vec<Given>) {
        self.given.extend(given);
    }

    pub(super) fn taken(&mut self, given: &Given, key: &str) {
        self.put(given, Outcome::Taken(key.to_owned()));
    }

    pub(super) fn unneeded(&mut self, given: &Given, why: &str) {
        self.put(given, Outcome::Unneeded(why.to_owned()));
    }

    pub(super) fn none(&mut self, given: &Given, why: &str, instead: &str) {
        self.tell(given, CommandFault::NoEquivalent, why, instead);
    }

    pub(super) fn differs(&mut self, given: &Given, why: &str) {
        self.tell(given, CommandFault::MeansElse, why, "");
    }

    pub(super) fn tell(&mut self, given: &Given, fault: CommandFault, why: &str, instead: &str) {
        let outcome = Outcome::Told(fault, why.to_owned(), instead.to_owned());
        self.put(given, outcome);
    }

    /// Something that no option says.
    pub(super) fn fill_in(&mut self, key: &str, why: &str, instead: &str) {
        self.told.push(Account {
            option: key.to_owned(),
            place: String::new(),
            outcome: Outcome::Told(CommandFault::FillIn, why.to_owned(), instead.to_owned()),
        });
    }

    fn put(&mut self, given: &Given, outcome: Outcome) {
        self.told.push(Account {
            option: shown(&given.name),
            place: given.place.clone(),
            outcome,
        });
    }

    /// Accounts for all that no conversion has taken, by the table.
    pub(super) fn close(mut self) -> Told {
        for given in std::mem::take(&mut self.given) {
            match fate(&given.name) {
                _ if given.name.is_empty() => {
                    let why = "is no flag";
                    self.tell(
                        &given,
                        CommandFault::UnknownOption,
                        why,
                        "write --flag=value",
                    );
                }
                None => {
                    let why = "oauth2-proxy has no such option";
                    self.tell(&given, CommandFault::UnknownOption, why, "correct its name");
                }
                Some(_) if given.is_empty() => self.unneeded(&given, "is empty"),
                Some(Fate::Unneeded(why)) => self.unneeded(&given, why),
                Some(Fate::Lost(lost)) if lost.off.contains(&given.text()) => {
                    let why = format!("is so here in any case: {}", lost.why);
                    self.unneeded(&given, &why);
                }
                Some(Fate::Lost(lost)) => self.none(&given, lost.why, lost.instead),
                // Only beside an option that takes its place.
                Some(Fate::Taken) => self.unneeded(&given, "does nothing beside the other options"),
            }
        }
        Told(self.told)
    }
}

fn fate(name: &str) -> Option<Fate> {
    let option = options::find(name).map(|(_, fate)| fate);
    option.or_else(|| alpha::fate(name))
}

/// The whole account.
pub(super) struct Told(pub(super) Vec<Account>);

impl Told {
    pub(super) fn notices(&self) -> Vec<Notice> {
        let notices = self.0.iter().filter_map(|account| match &account.outcome {
            Outcome::Taken(_) | Outcome::Unneeded(_) => None,
            Outcome::Told(fault, why, instead) => Some(Notice {
                fault: *fault,
                place: account.place.clone(),
                option: account.option.clone(),
                why: why.clone(),
                instead: instead.clone(),
            }),
        });
        notices.collect()
    }
}
