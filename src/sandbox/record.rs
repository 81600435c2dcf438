//! The last requests, as they arrived, for tests to assert on.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use hyper::HeaderMap;
use hyper::Request;
use serde::Serialize;

use crate::sandbox::body::Measure;

/// A request as it arrived.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// Every field line, names in lower case; of several with one name, in the order they came.
    pub headers: Vec<(String, String)>,
    /// How much of the body was read.
    pub body_bytes: u64,
    /// The SHA-256 of that, in hexadecimal; empty while it is being read.
    pub body_sha256: String,
    #[serde(skip)]
    id: RecordId,
}

impl Recorded {
    /// The first value of a field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Names a request in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordId(u64);

/// The requests of late.
#[derive(Default)]
pub(super) struct Log(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    started: u64,
    last: VecDeque<Recorded>,
}

impl Log {
    pub(super) fn start<B>(&self, request: &Request<B>) -> RecordId {
        let mut entries = self.entries();
        let id = RecordId(entries.started);
        entries.started += 1;
        if entries.last.len() == KEPT {
            entries.last.pop_front();
        }
        entries.last.push_back(Recorded {
            method: request.method().to_string(),
            target: target(request),
            headers: header_list(request.headers()),
            body_bytes: 0,
            body_sha256: String::new(),
            id,
        });
        id
    }

    pub(super) fn finish(&self, id: RecordId, body: Measure) {
        let mut entries = self.entries();
        if let Some(entry) = entries.last.iter_mut().rev().find(|entry| entry.id == id) {
            entry.body_bytes = body.bytes;
            entry.body_sha256 = body.sha256;
        }
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.entries().last.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.entries().last.clear();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Path and query as they stood on the request line.
pub(super) fn target<B>(request: &Request<B>) -> String {
    request
        .uri()
        .path_and_query()
        .map_or_else(|| request.uri().to_string(), ToString::to_string)
}

/// Every field line; bytes that are not UTF-8 are replaced.
pub(super) fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// How many requests are remembered.
const KEPT: usize = 256;
