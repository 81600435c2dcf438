//! The cookies that a request brought, and what its answer says to remove some of them.
//!
//! A browser sends a name and a value, never the path it was told to keep them for. A `__Host-` cookie
//! has no other path than `/`; without that prefix one of the same name may lie at any path above the
//! page, come along with ours, and outlive a removal that names `/` only (RFC 6265bis §5.7).
//!
//! Cookies for frames lie in a jar of their own (CHIPS). A site that is framed from now on, or no longer,
//! gets what it set before beside what it sets now, and has to take it out of the other jar.

use http::HeaderMap;
use http::HeaderValue;
use http::request::Parts;

use super::cookies;
use super::cookies::CookieNames;
use super::cookies::Crumb;

/// A request's cookies and the path that they came to.
#[derive(Clone, Copy, Debug)]
pub struct Jar<'a> {
    headers: &'a HeaderMap,
    path: &'a str,
}

impl<'a> Jar<'a> {
    /// What a request for `path` brought.
    pub const fn new(headers: &'a HeaderMap, path: &'a str) -> Self {
        Self { headers, path }
    }

    /// The request's header section.
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// All of them, ours and others.
    pub fn crumbs(&self) -> impl Iterator<Item = Crumb<'a>> {
        cookies::crumbs(self.headers)
    }

    /// Whether a name comes more than once.
    pub fn is_doubled(&self, name: &str) -> bool {
        let same = self.crumbs().filter(|crumb| crumb.name == name.as_bytes());
        same.take(2).count() > 1
    }

    /// Lines that remove cookies of ours by name: all at the path where we set them, then wherever
    /// else they may lie.
    pub fn removals(&self, names: &CookieNames, doomed: &[&str]) -> Vec<HeaderValue> {
        let ours = doomed.iter().map(|name| names.clear(name));
        let theirs = doomed.iter().flat_map(|name| self.shadows(names, name));
        ours.chain(theirs).take(MAX_REMOVALS).collect()
    }

    /// Lines that remove `name` from the other jar and at every other path from which it may have come.
    /// They stand before the line that sets it: a browser with one jar takes them for that one's.
    pub fn shadows(&self, names: &CookieNames, name: &str) -> impl Iterator<Item = HeaderValue> {
        // A name that browsers bind to the host comes twice from two jars only.
        let two_jars = names.is_embedded() || names.are_host_bound() && self.is_doubled(name);
        let other_jar = two_jars.then(|| names.in_other_jar().clear(name));
        let paths = (!names.are_host_bound()).then(|| other_paths(self.path));
        let paths = paths.into_iter().flatten();
        other_jar
            .into_iter()
            .chain(paths.map(|path| names.clear_at(name, path)))
    }
}

impl<'a> From<&'a Parts> for Jar<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self::new(&parts.headers, parts.uri.path())
    }
}

/// The paths other than `/` whose cookies come to `path` (RFC 6265bis §5.1.4), shallow ones first.
fn other_paths(path: &str) -> impl Iterator<Item = &str> {
    let ends = path
        .match_indices('/')
        .flat_map(|(at, _)| [at, at + 1])
        .chain([path.len()]);
    let mut last = "";
    ends.filter_map(|end| path.get(..end))
        .filter(|path| path.len() > 1)
        .filter(move |path| std::mem::replace(&mut last, path) != *path)
        // Nothing of an address may become another attribute of the line.
        .take_while(|path| path.bytes().all(|b| b.is_ascii_graphic() && b != b';'))
        .take(MAX_PATHS)
}

/// Paths tried for one name.
const MAX_PATHS: usize = 8;

/// No request makes us write more removals.
const MAX_REMOVALS: usize = 50;

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn request(cookie: &'static str) -> HeaderMap {
        [(header::COOKIE, HeaderValue::from_static(cookie))]
            .into_iter()
            .collect()
    }

    fn lines(secure: bool, path: &str, doomed: &[&str]) -> Vec<String> {
        let headers = HeaderMap::new();
        let lines = Jar::new(&headers, path).removals(&CookieNames::new(secure), doomed);
        let text = |line: &HeaderValue| line.to_str().expect("text").to_owned();
        lines.iter().map(text).collect()
    }

    #[test]
    fn every_path_above_the_page_is_tried() {
        for (path, expected) in [
            ("/", &[][..]),
            ("", &[]),
            ("/a", &["/a"]),
            ("/a/", &["/a", "/a/"]),
            ("/a/b", &["/a", "/a/", "/a/b"]),
            ("/a/b/c", &["/a", "/a/", "/a/b", "/a/b/", "/a/b/c"]),
            ("/a;Domain=evil/b", &[]),
            ("/a/b;Path=x", &["/a", "/a/"]),
            ("/a/b c", &["/a", "/a/"]),
        ] {
            assert_eq!(other_paths(path).collect::<Vec<_>>(), expected, "{path}");
        }
        assert_eq!(other_paths(&"/x".repeat(500)).count(), MAX_PATHS);
    }

    #[test]
    fn only_a_name_without_the_prefix_may_lie_elsewhere() {
        assert_eq!(lines(true, "/a/b", &["__Host-Http-sidegate"]).len(), 1);
        let found = lines(false, "/a/b", &["sidegate", "sidegate.1"]);
        assert_eq!(found.len(), 8);
        assert!(
            found[..2].iter().all(|line| line.contains("Path=/;")),
            "our own first: {found:?}"
        );
        assert!(found.iter().all(|line| line.contains("Max-Age=0")));
        assert!(found[3].contains("Path=/a/;"), "{found:?}");
        let many: Vec<String> = (0..100)
            .map(|number| format!("sidegate.{number}"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(lines(false, "/a/b", &many).len(), MAX_REMOVALS);
    }

    /// A site that is framed from now on, or no longer, finds cookies in the other of a browser's two jars
    /// (CHIPS): a removal has no effect there.
    #[test]
    fn what_lies_in_the_other_jar_is_removed_there() {
        const NAME: &str = "__Host-Http-sidegate";
        let [once, twice] = [
            "__Host-Http-sidegate=a",
            "__Host-Http-sidegate=a; __Host-Http-sidegate=b",
        ];
        let names = CookieNames::new(true);
        for (names, cookie, expected) in [
            (names.clone(), once, &[false][..]),
            (names.clone(), twice, &[false, true]),
            (names.clone().embedded(), once, &[false, true]),
            (names.embedded(), twice, &[false, true]),
        ] {
            let headers = request(cookie);
            let lines = Jar::new(&headers, "/").removals(&names, &[NAME]);
            let mut partitioned: Vec<bool> = lines
                .iter()
                .map(|line| line.to_str().expect("text"))
                .inspect(|line| assert!(line.contains("=; ") && line.contains("Secure"), "{line}"))
                .map(|line| line.contains("Partitioned"))
                .collect();
            partitioned.sort_unstable();
            assert_eq!(partitioned, expected, "{names:?} {cookie}");
        }
    }

    #[test]
    fn a_doubled_name_is_seen_over_all_others() {
        let headers = request("a=1; b=2; a=3");
        let jar = Jar::new(&headers, "/");
        assert!(jar.is_doubled("a") && !jar.is_doubled("b") && !jar.is_doubled("c"));
    }
}
