//! The sections `log` and `telemetry`.

use std::ffi::OsStr;
use std::time::Duration;

use http::HeaderMap;
use secrecy::SecretString;

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::place::Location;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawLog;
use crate::config::raw::RawOtlp;
use crate::config::raw::RawSecret;
use crate::config::raw::RawTelemetry;
use crate::telemetry::sampling::Fraction;
use crate::telemetry::settings::LogFormat;
use crate::telemetry::settings::LogLevel;
use crate::telemetry::settings::LogSettings;
use crate::telemetry::traces::TraceSettings;
use crate::telemetry::traces::endpoint;
use crate::telemetry::traces::endpoint::Collector;
use crate::telemetry::traces::settings;

impl Resolver<'_> {
    pub(super) fn log(&mut self, raw: RawLog) -> LogSettings {
        let path = KeyPath::root().child("log");
        let default = LogSettings::default();
        let level = self.optional(&path.child("level"), raw.level, |text| {
            values::one_of(
                text,
                &[
                    ("error", LogLevel::Error),
                    ("warn", LogLevel::Warn),
                    ("info", LogLevel::Info),
                    ("debug", LogLevel::Debug),
                    ("trace", LogLevel::Trace),
                ],
            )
        });
        let format = self.optional(&path.child("format"), raw.format, |text| {
            values::one_of(
                text,
                &[("json", LogFormat::Json), ("text", LogFormat::Text)],
            )
        });
        let access = self.optional(&path.child("access"), raw.access, values::boolean);
        let sample = path.child("access_sample");
        let sample = self.optional(&sample, raw.access_sample, Fraction::parse);
        let slow = path.child("access_slow");
        let slow: Option<Duration> = self.optional(&slow, raw.access_slow, values::deadline);
        LogSettings {
            level: level.unwrap_or(default.level),
            format: format.unwrap_or(default.format),
            access: access.unwrap_or(default.access),
            sample: sample.unwrap_or(default.sample),
            slow: slow.unwrap_or(default.slow),
        }
    }

    /// Where spans go, if anywhere. What the file does not say is taken from OpenTelemetry's variables, which
    /// clusters set for all that run in them.
    pub(super) fn traces(&mut self, raw: RawTelemetry) -> Option<TraceSettings> {
        let path = KeyPath::root().child("telemetry").child("otlp");
        let is_configured = raw.otlp.is_some();
        let raw = raw.otlp.unwrap_or_default();
        let RawOtlp {
            endpoint,
            headers,
            sample,
            service_name,
        } = raw;
        let given = endpoint.is_some();
        let collector = self.collector(&path.child("endpoint"), endpoint);
        let fields = self.fields(&path.child("headers"), headers);
        let sample = self.optional(&path.child("sample"), sample, Fraction::parse);
        let service = self.service(&path.child("service_name"), service_name);
        if is_configured && !given && collector.is_none() {
            let hint = "give the collector's URL, such as http://127.0.0.1:4318, or set OTEL_EXPORTER_OTLP_ENDPOINT";
            self.findings.missing(&path.child("endpoint"), hint);
        }
        let collector = collector?;
        if collector.is_in_the_clear() && !fields.is_empty() {
            self.findings
                .warn(
                    Risk::PlainTraces,
                    &path.child("endpoint"),
                    "the fields in `headers` can be read on the way to the collector",
                )
                .hint("use https, or a collector on this machine");
        }
        Some(TraceSettings {
            collector,
            fields,
            sample: sample.or_else(|| Fraction::parse(settings::SAMPLE).ok())?,
            service,
        })
    }

    fn collector(&mut self, path: &KeyPath, given: Option<String>) -> Option<Collector> {
        if given.is_some() {
            return self.optional(path, given, Collector::at_base);
        }
        let says = |name: &str, text: &str| self.variable(name).as_deref() == Some(text);
        let is_off = says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none");
        let mut protocol = [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ]
        .into_iter()
        .filter_map(|name| self.variable(name));
        // What listens there speaks something else.
        let is_foreign = protocol.next().is_some_and(|text| text != PROTOCOL);
        if is_off || is_foreign {
            return None;
        }
        let whole = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
        if let Some(text) = self.variable(whole) {
            return self.of_variable(path, whole, Collector::at(&text));
        }
        let text = self.variable(base)?;
        self.of_variable(path, base, Collector::at_base(&text))
    }

    fn fields(&mut self, path: &KeyPath, given: Option<RawSecret>) -> HeaderMap {
        if let Some(raw) = given {
            let Some((secret, _)) = self.secret(path, raw) else {
                return HeaderMap::new();
            };
            return endpoint::fields(&secret).unwrap_or_else(|error| {
                self.bad(path, error.to_string());
                HeaderMap::new()
            });
        }
        for name in [
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ] {
            if let Some(text) = self.variable(name) {
                let fields = endpoint::fields(&SecretString::from(text));
                return self.of_variable(path, name, fields).unwrap_or_default();
            }
        }
        HeaderMap::new()
    }

    fn service(&mut self, path: &KeyPath, given: Option<String>) -> String {
        let named = match given {
            Some(_) => self.optional(path, given, service),
            None => self
                .variable("OTEL_SERVICE_NAME")
                .and_then(|text| self.of_variable(path, "OTEL_SERVICE_NAME", service(&text))),
        };
        named.unwrap_or_else(|| settings::SERVICE.to_owned())
    }

    /// One of OpenTelemetry's variables; an empty one counts as not set.
    fn variable(&self, name: &str) -> Option<String> {
        let text = self.environment.get(name).and_then(OsStr::to_str)?;
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    fn of_variable<T, E: ToString>(
        &mut self,
        path: &KeyPath,
        name: &str,
        read: Result<T, E>,
    ) -> Option<T> {
        read.map_err(|error| {
            let at = Location::Variable(name.into());
            self.findings
                .problem_at(Code::BadValue, at, path, error.to_string());
        })
        .ok()
    }
}

/// The name of a service.
fn service(text: &str) -> Result<String, &'static str> {
    let plain = !text.chars().any(char::is_control);
    if (1..=255).contains(&text.len()) && plain {
        Ok(text.to_owned())
    } else {
        Err("must be a name of at most 255 bytes")
    }
}

/// The only way in which we send spans.
const PROTOCOL: &str = "http/protobuf";
