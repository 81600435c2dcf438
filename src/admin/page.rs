//! The status page: tables for everybody, charts by one small script of our own.

use std::sync::LazyLock;

use askama::Template;

use super::history::Point;
use super::report::Report;
use crate::http::pages;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::time::UnixTime;

/// The page of `report`.
pub(super) fn show(report: &Report) -> Reply {
    let page = Page {
        style: STYLE,
        script: SCRIPT,
        report,
    };
    // Rendering into memory fails only where a template calls something that fails; ours doesn't.
    reply::html(page.render().unwrap_or_default(), *POLICY)
}

#[derive(Template)]
#[template(path = "status.html", config = "src/admin/page/askama.toml")]
struct Page<'a> {
    style: &'static str,
    script: &'static str,
    report: &'a Report,
}

/// A duration in milliseconds, or that there was none.
#[expect(clippy::ref_option, reason = "so the template passes it")]
fn millis(value: &Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.1}"))
}

#[expect(clippy::ref_option, reason = "so the template passes it")]
fn text<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| NONE.to_owned(), ToString::to_string)
}

/// `22:05`, of a row's end.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "so the template passes it"
)]
fn hour(at: &u64) -> String {
    let whole = UnixTime::from_millis(at.saturating_mul(1000)).to_rfc3339();
    whole.get(11..16).unwrap_or_default().to_owned()
}

/// `2026-11-23 22:00:05`, of an RFC 3339 timestamp.
fn moment(at: &str) -> String {
    at.get(..19).unwrap_or(at).replace('T', " ")
}

fn rate(row: &Point) -> String {
    // Whole numbers of a row are far below what a float holds exactly.
    let count = u32::try_from(row.requests).unwrap_or(u32::MAX);
    format!("{:.1}", f64::from(count) / row.seconds.max(1.0))
}

/// `3 d 4 h`, `5 h 6 min` or `7 min`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "so the template passes it"
)]
fn span(seconds: &u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

const NONE: &str = "–";

const STYLE: &str = concat!(
    include_str!("../http/look.css"),
    include_str!("page/status.css")
);

const SCRIPT: &str = include_str!("page/status.js");

/// Our own stylesheet and script, named by their hashes; the script asks this listener only.
static POLICY: LazyLock<&'static str> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; connect-src 'self'; style-src '{}'; form-action 'none'; \
         base-uri 'none'; frame-ancestors 'none'",
        pages::hash(SCRIPT),
        pages::hash(STYLE)
    );
    // Made once; it lives as long as the process.
    Box::leak(policy.into_boxed_str())
});
