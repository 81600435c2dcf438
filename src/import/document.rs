//! The configuration that comes out, as YAML with comments.

use std::fmt::Write as _;

use super::account::Outcome;
use super::account::Told;
pub(super) use crate::config::scalar::list;
pub(super) use crate::config::scalar::scalar;
use crate::fault::CommandFault;

/// Keys and values, in the order in which they are written. Values are YAML already.
#[derive(Debug, Default)]
pub(super) struct Document {
    lines: Vec<String>,
}

impl Document {
    /// `key: value`, at a depth of two spaces each.
    pub(super) fn put(&mut self, depth: usize, key: &str, value: &str) {
        let space = if value.is_empty() { "" } else { " " };
        self.line(depth, &format!("{key}:{space}{value}"));
    }

    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{:1$}{text}", "", depth * 2));
    }

    pub(super) fn to_yaml(&self, from: &str, told: &Told) -> String {
        let mut text = String::new();
        let mut comment = |line: &str| {
            // Names and places come from outside: none may end the comment.
            let line: String = line.chars().map(plain).collect();
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{}", format!("# {line}").trim_end());
        };
        comment(&format!(
            "Made by `sidegate import` from {from}. Look it over, replace what says {PLACEHOLDER}, then:"
        ));
        comment("  sidegate check --config THIS-FILE");
        for (title, belongs) in GROUPS {
            let mut lines = (told.0.iter())
                .filter(|account| belongs(&account.outcome))
                .map(|account| {
                    let at = match account.place.as_str() {
                        "" => String::new(),
                        place => format!(" ({place})"),
                    };
                    let what = match &account.outcome {
                        Outcome::Taken(key) => key.clone(),
                        Outcome::Unneeded(why) => why.clone(),
                        Outcome::Told(_, why, instead) if instead.is_empty() => why.clone(),
                        Outcome::Told(CommandFault::FillIn, why, how) => {
                            format!("{why}. To do: {how}")
                        }
                        Outcome::Told(_, why, instead) => format!("{why}. Instead: {instead}"),
                    };
                    format!("  {}{at}: {what}", account.option)
                })
                .peekable();
            if lines.peek().is_some() {
                comment("");
                comment(title);
                lines.for_each(|line| comment(&line));
            }
        }
        text.push('\n');
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

type Group = (&'static str, fn(&Outcome) -> bool);

const GROUPS: [Group; 6] = [
    ("To be filled in", |it| is(it, CommandFault::FillIn)),
    ("No equivalent", |it| is(it, CommandFault::NoEquivalent)),
    ("Unknown to oauth2-proxy", |it| {
        is(it, CommandFault::UnknownOption)
    }),
    ("Taken over, and different here", |it| {
        is(it, CommandFault::MeansElse)
    }),
    ("Taken over", |it| matches!(it, Outcome::Taken(_))),
    ("Not needed", |it| matches!(it, Outcome::Unneeded(_))),
];

fn is(outcome: &Outcome, fault: CommandFault) -> bool {
    matches!(outcome, Outcome::Told(told, ..) if *told == fault)
}

fn plain(c: char) -> char {
    if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') {
        '\u{fffd}'
    } else {
        c
    }
}

/// What stands where a person has to write something; [`crate::config`] knows it and says so.
pub(super) const PLACEHOLDER: &str = crate::config::PLACEHOLDER;
