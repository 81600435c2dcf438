//! The section `pages`: the owner's brand and templates.

use std::fmt::Display;
use std::io::Read as _;
use std::path::Path;

use super::Resolver;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawPages;
use crate::http::pages::Accent;
use crate::http::pages::Brand;
use crate::http::pages::BrandName;
use crate::http::pages::Custom;
use crate::http::pages::Logo;
use crate::http::pages::MAX_LOGO;
use crate::http::pages::Pages;
use crate::http::pages::SupportUrl;

impl Resolver<'_> {
    pub(super) fn pages(&mut self, raw: RawPages) -> Pages {
        let path = KeyPath::root().child("pages");
        let name = self.brand(&path.child("name"), raw.name, BrandName::parse, "");
        let accent = self.brand(
            &path.child("accent"),
            raw.accent,
            Accent::parse,
            "quote it: a # begins a comment",
        );
        let support = self.brand(
            &path.child("support_url"),
            raw.support_url,
            SupportUrl::parse,
            "such as https://help.example.com or mailto:help@example.com",
        );
        let logo = raw
            .logo
            .and_then(|file| self.logo(&path.child("logo"), &file));
        let directory = path.child("directory");
        let custom = raw
            .directory
            .and_then(|name| self.templates(&directory, &name));
        let brand = Brand {
            name,
            logo,
            accent,
            support,
        };
        Pages::new(brand, custom)
    }

    fn brand<T, E: Display>(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
        hint: &str,
    ) -> Option<T> {
        let parsed = parse(&text?);
        if let Err(error) = &parsed {
            let found = self
                .findings
                .problem(Code::BadBrand, path, error.to_string());
            if !hint.is_empty() {
                found.hint(hint);
            }
        }
        parsed.ok()
    }

    fn logo(&mut self, path: &KeyPath, file: &str) -> Option<Logo> {
        let logo = match read(&self.base.join(file), MAX_LOGO + 1) {
            Ok(bytes) => Logo::read(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        logo.map_err(|message| {
            self.findings
                .problem(Code::BadLogo, path, message)
                .hint("a PNG, JPEG, WebP or SVG of up to 32 KiB; a path is taken from this file's directory");
        })
        .ok()
    }

    fn templates(&mut self, path: &KeyPath, directory: &str) -> Option<Custom> {
        let directory = self.base.join(directory);
        let sources = match sources(&directory) {
            Ok(sources) => sources,
            Err(message) => {
                self.findings.problem(Code::BadTemplate, path, message);
                return None;
            }
        };
        let is_page = |(name, _): &(String, String)| Custom::NAMES.contains(&name.as_str());
        if !sources.iter().any(is_page) {
            let names = Custom::NAMES.join(", ");
            self.findings
                .problem(
                    Code::BadTemplate,
                    path,
                    "holds no template in place of a page",
                )
                .hint(format!("the pages are {names}"));
            return None;
        }
        match Custom::compile(sources) {
            Ok(custom) => Some(custom),
            Err(errors) => {
                for error in errors {
                    let message = format!("{}", directory.join(error.to_string()).display());
                    self.findings.problem(Code::BadTemplate, path, message);
                }
                None
            }
        }
    }
}

/// The `.html` files of a directory, by name.
fn sources(directory: &Path) -> Result<Vec<(String, String)>, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let file = entry.path();
        let name = entry.file_name().into_string().unwrap_or_default();
        if file.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        let bytes = read(&file, MAX_TEMPLATE + 1)
            .map_err(|error| format!("{name} cannot be read: {error}"))?;
        if bytes.len() > MAX_TEMPLATE || sources.len() >= MAX_TEMPLATES {
            return Err(format!("{name} is one too many, or larger than 64 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not in UTF-8"))?;
        sources.push((name, text));
    }
    sources.sort();
    Ok(sources)
}

/// As much of a file as `limit`.
fn read(file: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    std::fs::File::open(file)?
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes of a template.
const MAX_TEMPLATE: usize = 64 * 1024;

/// Templates of a directory.
const MAX_TEMPLATES: usize = 32;
