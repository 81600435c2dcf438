//! Which requests are taken for a sample. All who see a request come to the same verdict, and whoever
//! takes fewer takes some of those that the others take: a request's lot is drawn with its trace id, and a
//! sample is every lot from a threshold on (W3C Trace Context level 2 §5.1.1; OpenTelemetry's consistent
//! probability sampling).

use std::fmt;

/// A number below 2⁵⁶, by which a request is taken for a sample or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot(u64);

impl Lot {
    /// Drawn with a trace id: its last 56 bits.
    pub fn of_trace(low: u64) -> Self {
        Self(low & MASK)
    }

    /// Drawn with an id that somebody else chose, of which no part need be random (FNV-1a, then the
    /// finalizer of `MurmurHash3`).
    pub fn of_id(id: &[u8]) -> Self {
        let mut hash = id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Self((hash ^ hash >> 33) & MASK)
    }

    /// A trace id's last 64 bits with this lot in them, and the rest from `random`.
    pub fn in_trace(self, random: u64) -> u64 {
        random & !MASK | self.0
    }
}

/// A share of all requests, to a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    millionths: u64,
    /// The least lot that is taken.
    threshold: u64,
}

impl Fraction {
    /// All.
    pub const ALL: Self = Self::of(WHOLE);

    const fn of(millionths: u64) -> Self {
        let left_out = WHOLE - millionths;
        Self {
            millionths,
            // Of 2⁵⁶, in steps that 64 bits hold: 2⁵⁶ / 10⁶ is 2⁷ × 2⁴³ / 15625.
            threshold: ((left_out << 43) / 15_625) << 7,
        }
    }

    /// Reads a number from 0 to 1 with at most six decimals, such as `0.1`.
    pub fn parse(text: &str) -> Result<Self, FractionError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
            return Err(FractionError);
        }
        let whole: u64 = whole.parse().map_err(|_| FractionError)?;
        let decimals: u64 = format!("{decimals:0<6}")
            .parse()
            .map_err(|_| FractionError)?;
        let millionths = whole
            .checked_mul(WHOLE)
            .and_then(|whole| whole.checked_add(decimals));
        millionths
            .filter(|&millionths| millionths <= WHOLE)
            .map(Self::of)
            .ok_or(FractionError)
    }

    /// Whether a request with this lot is taken.
    pub fn takes(self, lot: Lot) -> bool {
        lot.0 >= self.threshold
    }

    /// Whether every request is.
    pub fn is_all(self) -> bool {
        self.threshold == 0
    }
}

impl fmt::Display for Fraction {
    /// A number, also in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.millionths / WHOLE, self.millionths % WHOLE);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{decimals:06}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

/// No share of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 1 with at most six decimals, such as 0.1")]
pub struct FractionError;

const WHOLE: u64 = 1_000_000;
const MASK: u64 = (1 << 56) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fraction(text: &str) -> Fraction {
        Fraction::parse(text).expect("a fraction")
    }

    #[test]
    fn fractions_are_numbers_up_to_one() {
        for (text, shown) in [
            ("0", "0"),
            ("1", "1"),
            ("1.0", "1"),
            ("0.1", "0.1"),
            ("0.25", "0.25"),
            ("0.000001", "0.000001"),
            ("00.5", "0.5"),
        ] {
            assert_eq!(fraction(text).to_string(), shown, "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "1.",
            "-0.1",
            "1.1",
            "2",
            "1.000001",
            "0.0000001",
            "10%",
            "1e-3",
            " 0.1",
            "NaN",
            "99999999999999999999",
        ] {
            assert_eq!(Fraction::parse(text), Err(FractionError), "{text}");
        }
    }

    #[test]
    fn none_and_all_are_exact() {
        for lot in [0, 1, MASK / 2, MASK - 1, MASK].map(Lot) {
            assert!(fraction("1").takes(lot) && !fraction("0").takes(lot));
        }
        assert!(Fraction::ALL.is_all() && !fraction("0.999999").is_all());
    }

    #[test]
    fn as_many_are_taken_as_were_asked_for() {
        for rate in ["0.001", "0.01", "0.1", "0.5", "0.9"] {
            let wanted: f64 = rate.parse().expect("a number");
            let rate = fraction(rate);
            // Ids that differ in one digit, as those of proxies that count do.
            let count = 200_000;
            let ids = (0..count).map(|number| Lot::of_id(format!("edge-{number}").as_bytes()));
            let taken = ids.filter(|&lot| rate.takes(lot)).count();
            let share = f64::from(u32::try_from(taken).expect("few")) / f64::from(count);
            // Five standard deviations.
            let error = 5.0 * (wanted * (1.0 - wanted) / f64::from(count)).sqrt();
            assert!((share - wanted).abs() < error, "{share} of {wanted}");
        }
    }

    proptest! {
        #[test]
        fn a_smaller_sample_is_part_of_a_larger_one(low: u64, a in 0..=WHOLE, b in 0..=WHOLE) {
            let lot = Lot::of_trace(low);
            let (less, more) = (Fraction::of(a.min(b)), Fraction::of(a.max(b)));
            prop_assert!(!less.takes(lot) || more.takes(lot));
        }

        #[test]
        fn whoever_reads_the_trace_id_draws_the_same_lot(id: Vec<u8>, random: u64) {
            let lot = Lot::of_id(&id);
            prop_assert_eq!(Lot::of_trace(lot.in_trace(random)), lot);
        }

        #[test]
        fn no_text_is_read_for_more_than_all(text in "[0-9.]{0,12}") {
            if let Ok(fraction) = Fraction::parse(&text) {
                prop_assert!(fraction.millionths <= WHOLE);
                prop_assert_eq!(Fraction::parse(&fraction.to_string()), Ok(fraction));
            }
        }
    }
}
