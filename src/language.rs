//! The languages that people are spoken to in, and which one a browser asks for.

use serde::Serialize;

/// A language of our pages. Documents for programs are always in English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English, also for whoever asks for none of ours.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The tag (RFC 5646), for `lang` and `Content-Language`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// What the lines of `Accept-Language` ask for (RFC 9110 §12.5.4): the language with the highest
    /// weight, of several the first one named. A range stands for its language: `de-AT` for German (RFC
    /// 4647 §3.4). What is malformed counts as not there; a page in English beats no page.
    pub fn negotiate<'a, L: IntoIterator<Item = &'a [u8]>>(lines: L) -> Self {
        let items = lines
            .into_iter()
            .flat_map(|line| line.split(|&b| b == b','));
        let ranges: Vec<Range> = items.take(MAX_RANGES).filter_map(Range::parse).collect();
        // What a language weighs: by its own ranges if there are any, else by `*` (RFC 4647 §3.3.1).
        let weigh = |language: Self| {
            let own = |range: &&Range| range.language == Some(language);
            let heaviest = |a: &&Range, b: &&Range| a.weight.cmp(&b.weight);
            let named = ranges.iter().rev().filter(own).max_by(heaviest);
            named.or_else(|| ranges.iter().find(|range| range.language.is_none()))
        };
        let weighed = Self::ALL.iter().rev().filter_map(|&language| {
            let range = weigh(language).filter(|range| range.weight > 0)?;
            let place = ranges.iter().position(|one| std::ptr::eq(one, range))?;
            Some(((range.weight, std::cmp::Reverse(place)), language))
        });
        weighed
            .max_by_key(|(rank, _)| *rank)
            .map_or(Self::En, |(_, language)| language)
    }
}

/// One range that is of use here.
#[derive(Debug)]
struct Range {
    /// `None` is `*`.
    language: Option<Language>,
    /// In thousandths.
    weight: u16,
}

impl Range {
    fn parse(item: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(item).ok()?;
        let mut parts = text.split(';');
        let tag = parts.next()?.trim_matches([' ', '\t']);
        let weight = match parts.next() {
            None => 1000,
            Some(parameter) => weight(parameter)?,
        };
        if parts.next().is_some() {
            return None;
        }
        let subtag = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if tag == "*" {
            return Some(Self {
                language: None,
                weight,
            });
        }
        let mut subtags = tag.split('-');
        let primary = subtags.next().filter(|primary| subtag(primary))?;
        let known = |language: &Language| primary.eq_ignore_ascii_case(language.tag());
        let language = Language::ALL.into_iter().find(known)?;
        subtags
            .all(|rest| subtag(rest) || rest == "*")
            .then_some(Self {
                language: Some(language),
                weight,
            })
    }
}

/// `q=0.8`: up to three digits, at most one (RFC 9110 §12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.trim_matches([' ', '\t']).split_once('=')?;
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let plain = name.eq_ignore_ascii_case("q")
        && part.len() <= 3
        && part.bytes().all(|b| b.is_ascii_digit());
    match whole {
        "0" if plain => format!("{part:0<3}").parse().ok(),
        "1" if plain && part.bytes().all(|b| b == b'0') => Some(1000),
        _ => None,
    }
}

/// Browsers send a handful.
const MAX_RANGES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> Language {
        Language::negotiate(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn the_heaviest_range_decides_and_of_several_the_first() {
        for (line, wanted) in [
            ("", Language::En),
            ("de", Language::De),
            ("DE", Language::De),
            ("de-AT", Language::De),
            ("de-Latn-CH-1996, en;q=0.9", Language::De),
            ("de, en", Language::De),
            ("en, de", Language::En),
            ("en;q=0.8, de;q=0.9", Language::De),
            ("en;q=0.8,de;q=0.801", Language::De),
            ("fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5", Language::De),
            ("fr, *;q=0.5", Language::En),
            ("de;q=0, *", Language::En),
            ("en;q=0, *", Language::De),
            ("en;q=0, de;q=0", Language::En),
            ("*;q=0, de;q=0.1", Language::De),
            ("de-DE;q=0, de;q=0.5, en;q=0.4", Language::De),
            ("en;q=0.5, de-CH;q=0.4, de;q=0.6", Language::De),
            ("de ; q=0.9 , en ; Q=1.000", Language::En),
            // Not German: a word that begins like it, a range of another shape, a weight that is none.
            ("den, en;q=0.1", Language::En),
            ("de_DE, en;q=0.1", Language::En),
            ("de;q=1.001, en;q=0.1", Language::En),
            ("de;q=0.1234, en;q=0.1", Language::En),
            ("de;q=, en;q=0.1", Language::En),
            ("de;q=0.5;q=0.6, en;q=0.1", Language::En),
            ("de;level=1, en;q=0.1", Language::En),
            ("de-, en;q=0.1", Language::En),
            ("de;q=2, *;q=0.1", Language::En),
        ] {
            assert_eq!(of(&[line]), wanted, "{line}");
        }
        assert_eq!(of(&["fr, en;q=0.1", "de;q=0.2"]), Language::De);
        assert_eq!(Language::negotiate([&b"de\xff"[..], b"de"]), Language::De);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _language = Language::negotiate([&line[..]]);
        }

        #[test]
        fn whatever_stands_around_it_the_heaviest_wins(
            en in 0_u16..=1000,
            de in 0_u16..=1000,
            noise in "[a-c]{1,8}(;q=0\\.[0-9]{1,3})?",
            german_first in any::<bool>(),
        ) {
            let weight = |weight: u16| format!("{}.{:03}", weight / 1000, weight % 1000);
            let (english, german) = (format!("en-GB;q={}", weight(en)), format!("de;q={}", weight(de)));
            let line = if german_first {
                format!("{german}, {noise}, {english}")
            } else {
                format!("{english}, {noise}, {german}")
            };
            let wanted = if de > 0 && (de > en || (de == en && german_first)) {
                Language::De
            } else {
                Language::En
            };
            prop_assert_eq!(of(&[&line]), wanted, "{}", line);
        }
    }
}
