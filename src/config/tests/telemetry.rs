//! The sections `log` and `telemetry`, and OpenTelemetry's variables.

use std::path::Path;
use std::time::Duration;

use super::super::Config;
use super::super::Environment;
use super::LEAST;
use super::brief;
use super::edited;
use super::environment;
use super::findings;
use super::loaded;
use crate::telemetry::sampling::Fraction;
use crate::telemetry::traces::TraceSettings;

#[test]
fn what_is_logged_of_requests_can_be_less() {
    let default = loaded(LEAST).config.log;
    assert!(default.access && default.sample.is_all());
    assert_eq!(default.slow, Duration::from_secs(1));
    let log = "log: { access_sample: 0.05, access_slow: 250ms }\nsession:\n";
    let log = loaded(&edited("session:\n", log)).config.log;
    assert_eq!(Ok(log.sample), Fraction::parse("0.05"));
    assert_eq!(log.slow, Duration::from_millis(250));
    for (key, value, message) in [
        (
            "access_sample",
            "5%",
            "must be a number from 0 to 1 with at most six decimals, such as 0.1",
        ),
        (
            "access_sample",
            "1.5",
            "must be a number from 0 to 1 with at most six decimals, such as 0.1",
        ),
        (
            "access_slow",
            "1",
            "must be a duration from 1ms to 24h, such as 5s",
        ),
    ] {
        let text = edited(
            "session:\n",
            &format!("log: {{ {key}: {value} }}\nsession:\n"),
        );
        assert_eq!(
            findings(&text),
            [format!("SG-6004 log.{key}: {message}")],
            "{text}"
        );
    }
}

/// What comes of the section `otlp` with these variables beside the usual ones: problems as `CODE key: message`.
fn traces(otlp: &str, variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, Vec<String>> {
    let usual = environment();
    let known = ["SECRET", "KEY"].map(|name| {
        let value = usual.get(name).and_then(|value| value.to_str());
        (name, value.expect("text"))
    });
    let environment: Environment = known.into_iter().chain(variables.iter().copied()).collect();
    let text = edited(
        "session:\n",
        &format!(
            "{}session:\n",
            if otlp.is_empty() {
                String::new()
            } else {
                format!("telemetry: {{ otlp: {{ {otlp} }} }}\n")
            }
        ),
    );
    match Config::from_text("t.yaml", &text, Path::new("."), &environment) {
        Ok(loaded) => Ok(loaded.config.traces),
        Err(problems) => Err(problems.as_slice().iter().map(brief).collect()),
    }
}

#[test]
fn traces_go_nowhere_unless_somebody_says_so() {
    assert_eq!(traces("", &[]), Ok(None));
    let settings = traces(
        "endpoint: 'https://x.example.com', headers: { env: FIELDS }, sample: 0.5, service_name: gate",
        &[("FIELDS", "api-key=hunter2")],
    );
    let settings = settings.expect("good").expect("on");
    assert_eq!(
        settings.collector.as_str(),
        "https://x.example.com/v1/traces"
    );
    assert_eq!(settings.fields["api-key"], "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(Ok(settings.sample), Fraction::parse("0.5"));
    assert_eq!(settings.service, "gate");
}

#[test]
fn the_variables_of_opentelemetry_serve_for_what_is_not_said() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let settings = traces(
        "",
        &[
            base,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
            ("OTEL_SERVICE_NAME", "gate"),
        ],
    );
    let settings = settings.expect("good").expect("on");
    assert_eq!(
        settings.collector.as_str(),
        "http://127.0.0.1:4318/v1/traces"
    );
    assert_eq!(settings.fields["a"], "b");
    assert_eq!(
        (settings.service.as_str(), Ok(settings.sample)),
        ("gate", Fraction::parse("0.01"))
    );
    // The signal's own variable comes first, and is the whole URL; the file comes before both.
    let own = (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://127.0.0.1:1/spans",
    );
    let at = |otlp: &str| {
        let settings = traces(otlp, &[base, own]).expect("good").expect("on");
        settings.collector.as_str().to_owned()
    };
    assert_eq!(at(""), "http://127.0.0.1:1/spans");
    assert_eq!(at("sample: 1"), "http://127.0.0.1:1/spans");
    assert_eq!(
        at("endpoint: http://127.0.0.1:2"),
        "http://127.0.0.1:2/v1/traces"
    );
    for off in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ] {
        assert_eq!(traces("", &[base, off]), Ok(None), "{off:?}");
    }
    assert!(matches!(
        traces(
            "",
            &[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]
        ),
        Ok(Some(_))
    ));
}

#[test]
fn what_is_no_collector_is_refused_and_not_shown() {
    let url = "must be an http or https URL without user, query and fragment, such as http://127.0.0.1:4318";
    let list =
        "must hold header fields as name=value with commas in between, values percent-encoded";
    for (otlp, variables, problem) in [
        (
            "sample: 1",
            &[][..],
            "SG-6003 telemetry.otlp.endpoint: is missing".to_owned(),
        ),
        (
            "endpoint: 'http://hunter2@a'",
            &[],
            format!("SG-6004 telemetry.otlp.endpoint: {url}"),
        ),
        (
            "",
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2")],
            format!("SG-6004 telemetry.otlp.endpoint: {url}"),
        ),
        (
            "endpoint: 'http://127.0.0.1:1', headers: { env: FIELDS }",
            &[("FIELDS", "hunter2")],
            format!("SG-6004 telemetry.otlp.headers: {list}"),
        ),
        (
            "endpoint: 'http://127.0.0.1:1'",
            &[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")],
            format!("SG-6004 telemetry.otlp.headers: {list}"),
        ),
        (
            "endpoint: 'http://127.0.0.1:1', sample: hunter2",
            &[],
            "SG-6004 telemetry.otlp.sample: must be a number from 0 to 1 with at most six decimals, such as 0.1".to_owned(),
        ),
        (
            "endpoint: 'http://127.0.0.1:1', service_name: ''",
            &[],
            "SG-6004 telemetry.otlp.service_name: must be a name of at most 255 bytes".to_owned(),
        ),
    ] {
        assert_eq!(traces(otlp, variables), Err(vec![problem]), "{otlp}");
    }
}
