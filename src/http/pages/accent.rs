//! The owner's colour on our pages, in such a way that everything stays readable (WCAG 2.2, 1.4.3 and
//! 1.4.11): it is used as it is where text of black or white stands on it, and as a lighter or darker
//! shade of itself for links and outlines.

use std::fmt::Write as _;

/// A colour of the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(Color);

impl Accent {
    /// Reads `#0b5cab` or `#05a`.
    pub fn parse(text: &str) -> Result<Self, AccentError> {
        let digits = text.trim().strip_prefix('#').ok_or(AccentError::Form)?;
        let number = u32::from_str_radix(digits, 16).ok();
        let number = number.filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let [_, red, green, blue] = number.ok_or(AccentError::Form)?.to_be_bytes();
        match digits.len() {
            6 => Ok(Self(Color([red, green, blue]))),
            3 => Ok(Self(Color([
                (green & 0x0f) * 17,
                (blue >> 4) * 17,
                (blue & 0x0f) * 17,
            ]))),
            4 | 8 => Err(AccentError::Transparent),
            _ => Err(AccentError::Form),
        }
    }

    /// What is added to the style sheet.
    pub fn style(self) -> String {
        let (light, dark) = (self.on(&LIGHT), self.on(&DARK));
        let mut style = format!(":root{{{light}}}\n");
        // Writing into memory does not fail.
        let _written = writeln!(
            style,
            "@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        );
        style
    }

    fn on(self, grounds: &[Color]) -> String {
        let (accent, text, link) = (self.0, self.0.text(), self.0.shade(grounds));
        format!(
            "--accent:{};--on:{};--link:{}",
            accent.hex(),
            text.hex(),
            link.hex()
        )
    }
}

/// Why a text is no colour for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccentError {
    /// Another notation.
    #[error("must be a colour such as #0b5cab")]
    Form,
    /// With an alpha channel.
    #[error(
        "must be an opaque colour: what shows through it decides whether text on it can be read"
    )]
    Transparent,
}

/// sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Color([u8; 3]);

impl Color {
    fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let light = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        let [red, green, blue] = light;
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever can be read better; that is always 4.5 to 1 or more.
    fn text(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) {
            WHITE
        } else {
            BLACK
        }
    }

    /// The nearest shade that can be read on all `grounds`.
    fn shade(self, grounds: &[Self]) -> Self {
        let readable = |shade: &Self| grounds.iter().all(|ground| shade.contrast(*ground) >= AA);
        let goal = grounds.first().map_or(BLACK, |ground| ground.text());
        let mut shades = (0..=STEPS).map(|step| self.toward(goal, step));
        shades.find(readable).unwrap_or(goal)
    }

    /// So many steps of the way to `goal`.
    fn toward(self, Self(goal): Self, step: u16) -> Self {
        let mut mixed = self.0;
        for (part, goal) in mixed.iter_mut().zip(goal) {
            let sum = u16::from(*part) * (STEPS - step) + u16::from(goal) * step;
            *part = u8::try_from(sum / STEPS).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }
}

const WHITE: Color = Color([255; 3]);
const BLACK: Color = Color([0; 3]);

/// What links stand on, as look.css has it: card, paper, tint.
const LIGHT: [Color; 3] = [WHITE, Color([0xf4, 0xf6, 0xf8]), Color([0xea, 0xf1, 0xf8])];
const DARK: [Color; 3] = [
    Color([0x1a, 0x22, 0x2a]),
    Color([0x11, 0x17, 0x1d]),
    Color([0x20, 0x2c, 0x37]),
];

/// The contrast that text has to have.
const AA: f64 = 4.5;

const STEPS: u16 = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_in_two_notations() {
        for (text, parts) in [
            ("#0b5cab", [0x0b, 0x5c, 0xab]),
            ("#0B5CAB", [0x0b, 0x5c, 0xab]),
            (" #05a ", [0x00, 0x55, 0xaa]),
        ] {
            assert_eq!(Accent::parse(text), Ok(Accent(Color(parts))), "{text}");
        }
        for text in [
            "",
            "#",
            "red",
            "0b5cab",
            "#0b5ca",
            "#+b5cab",
            "#gggggg",
            "#0b5cab0000",
            "#\u{e4}\u{e4}",
        ] {
            assert_eq!(Accent::parse(text), Err(AccentError::Form), "{text}");
        }
        for text in ["#0b5cab80", "#05a8"] {
            assert_eq!(Accent::parse(text), Err(AccentError::Transparent), "{text}");
        }
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        let look = include_str!("../look.css");
        let (light, dark) = look
            .split_once("@media(prefers-color-scheme:dark)")
            .expect("both");
        for (part, grounds) in [(light, LIGHT), (dark, DARK)] {
            for (name, ground) in ["--card:", "--paper:", "--tint:"].iter().zip(grounds) {
                let short = if ground == WHITE {
                    "#fff".to_owned()
                } else {
                    ground.hex()
                };
                assert!(part.contains(&format!("{name}{short};")), "{name}{short}");
            }
        }
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let style = Accent::parse("#0b5cab").expect("a colour").style();
        assert!(
            style.starts_with(":root{--accent:#0b5cab;--on:#ffffff;--link:#0b5cab}"),
            "{style}"
        );
        let yellow = Accent::parse("#ffd400").expect("a colour").style();
        assert!(
            yellow.starts_with(":root{--accent:#ffd400;--on:#000000;--link:#"),
            "{yellow}"
        );
        assert!(
            !yellow.starts_with(":root{--accent:#ffd400;--on:#000000;--link:#ffd400"),
            "{yellow}"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_colour_text_can_be_read(parts: [u8; 3]) {
            let color = Color(parts);
            prop_assert!(color.contrast(color.text()) >= AA);
            for grounds in [LIGHT, DARK] {
                let shade = color.shade(&grounds);
                for ground in grounds {
                    prop_assert!(shade.contrast(ground) >= AA, "{} on {}", shade.hex(), ground.hex());
                }
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _accent = Accent::parse(&text);
        }
    }
}
