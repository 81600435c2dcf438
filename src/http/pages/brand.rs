//! What the owner puts on our pages: a name, a picture, a colour, and where to get help.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

use super::accent::Accent;

/// The owner's brand.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// What the tool is called.
    pub name: Option<BrandName>,
    /// A picture beside the name.
    pub logo: Option<Logo>,
    /// A colour.
    pub accent: Option<Accent>,
    /// Where people get help.
    pub support: Option<SupportUrl>,
}

/// What the tool is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandName(Box<str>);

impl BrandName {
    /// Reads a name that fits a page's head.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MAX_NAME {
            return Err("must have 1 to 60 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("must not hold control characters");
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where people get help: a page or a mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportUrl(Box<str>);

impl SupportUrl {
    /// Reads an `https:` or `mailto:` URL.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an https:// or a mailto: URL";
        let url = Url::parse(text.trim()).map_err(|_| FORM)?;
        let fits = match url.scheme() {
            "https" => {
                url.host().is_some() && url.username().is_empty() && url.password().is_none()
            }
            "mailto" => url
                .path()
                .split_once('@')
                .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty()),
            _ => false,
        };
        fits.then(|| Self(String::from(url).into())).ok_or(FORM)
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A picture, as a `data:` URL: it needs no request, and is there when nothing else is. Browsers run no
/// script of a picture in `<img>` and load nothing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo(Box<str>);

impl Logo {
    /// Takes a PNG, JPEG, WebP or SVG, told by its first bytes and not by its name.
    pub fn read(bytes: &[u8]) -> Result<Self, LogoError> {
        if bytes.len() > MAX_LOGO {
            return Err(LogoError::Size);
        }
        let media = match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => "image/webp",
            text => {
                is_svg(text)?;
                "image/svg+xml"
            }
        };
        let url = format!("data:{media};base64,{}", STANDARD.encode(bytes));
        Ok(Self(url.into()))
    }

    /// The URL. It holds no character that HTML reads as anything else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a file is no picture for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoError {
    /// It goes with every page.
    #[error("is larger than 32 KiB, and every page carries it")]
    Size,
    /// Another kind of file.
    #[error("is no PNG, JPEG, WebP or SVG")]
    Kind,
    /// SVG that is more than a picture.
    #[error("is an SVG with a script, an event handler or a document type")]
    Active,
}

/// Requires a document of SVG whose elements are well-formed. What is active in it would stay asleep in
/// `<img>`, but whoever opens the picture by itself would wake it.
fn is_svg(bytes: &[u8]) -> Result<(), LogoError> {
    let text = std::str::from_utf8(bytes).map_err(|_| LogoError::Kind)?;
    let mut reader = Reader::from_str(text);
    let mut is_root = true;
    loop {
        match reader.read_event().map_err(|_| LogoError::Kind)? {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.local_name();
                if is_root && name.as_ref() != "svg" {
                    return Err(LogoError::Kind);
                }
                is_root = false;
                if matches!(name.as_ref(), "script" | "foreignObject") {
                    return Err(LogoError::Active);
                }
                for attribute in element.attributes() {
                    let attribute = attribute.map_err(|_| LogoError::Kind)?;
                    let name = attribute.key.local_name();
                    let handler = name.as_ref().get(..2);
                    if handler.is_some_and(|on| on.eq_ignore_ascii_case("on")) {
                        return Err(LogoError::Active);
                    }
                }
            }
            Event::DocType(_) => return Err(LogoError::Active),
            Event::Eof if is_root => return Err(LogoError::Kind),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// Characters of a name.
const MAX_NAME: usize = 60;

/// Bytes of a picture.
pub const MAX_LOGO: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_picture_is_told_by_its_bytes() {
        for (bytes, media) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
            (
                b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>",
                "image/svg+xml",
            ),
            (
                b"<?xml version=\"1.0\"?>\n<!-- x --><svg/>",
                "image/svg+xml",
            ),
        ] {
            let logo = Logo::read(bytes).expect(media);
            assert!(
                logo.as_str().starts_with(&format!("data:{media};base64,")),
                "{media}"
            );
        }
        for (bytes, error) in [
            (&b""[..], LogoError::Kind),
            (b"GIF89a", LogoError::Kind),
            (b"<html/>", LogoError::Kind),
            (b"<svg", LogoError::Kind),
            (b"<svg><a></svg>", LogoError::Kind),
            (b"\x89PNG", LogoError::Kind),
            (b"<svg><script>1</script></svg>", LogoError::Active),
            (b"<svg><g OnLoad='1'/></svg>", LogoError::Active),
            (
                b"<s:svg xmlns:s='http://www.w3.org/2000/svg'><s:script/></s:svg>",
                LogoError::Active,
            ),
            (b"<!DOCTYPE svg><svg/>", LogoError::Active),
        ] {
            assert_eq!(
                Logo::read(bytes),
                Err(error),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        assert_eq!(Logo::read(&vec![0xff; MAX_LOGO + 1]), Err(LogoError::Size));
    }

    #[test]
    fn help_is_a_page_or_a_mail_address() {
        for text in [
            "https://help.example.com/x",
            "mailto:help@example.com",
            " https://a ",
        ] {
            assert!(SupportUrl::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "http://a",
            "javascript:alert(1)",
            "mailto:",
            "mailto:x",
            "https://u:p@a",
            "//a",
            "/a",
            "https://",
        ] {
            assert!(SupportUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_fits_a_pages_head() {
        assert_eq!(
            BrandName::parse(" A & B ").map(|name| name.as_str().to_owned()),
            Ok("A & B".to_owned())
        );
        for text in ["", "  ", "a\nb", &"x".repeat(61)] {
            assert!(BrandName::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), svg in "<svg [^>]{0,40}>.{0,60}") {
            let _logo = Logo::read(&bytes);
            let _logo = Logo::read(svg.as_bytes());
        }
    }
}
