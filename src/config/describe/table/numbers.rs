//! The sections `rate_limits`, `timeouts`, `limits`, `log` and `telemetry`.

use super::DEADLINE;
use super::Described;
use super::key;
use crate::config::describe::Default::Nothing;
use crate::config::describe::Default::Told;
use crate::config::describe::Default::Value;
use crate::config::describe::Form;
use crate::config::describe::Form::Duration;
use crate::config::describe::Form::Pattern;
use crate::config::describe::Form::Section;
use crate::config::describe::Form::Size;
use crate::config::describe::Form::Switch;
use crate::config::describe::Form::Whole;
use crate::config::describe::Form::Words;

pub(super) const NUMBERS: &[Described] = &[
    key(
        "rate_limits",
        Section,
        Nothing,
        "How often one client address (one /64 of IPv6) may do something; more get 429.",
    ),
    key(
        "rate_limits.sign_in",
        RATE,
        Told("300/1m, loopback not counted"),
        "Start a sign-in or switch the business unit.",
    ),
    key(
        "rate_limits.callback",
        RATE,
        Told("300/1m, loopback not counted"),
        "Come back from a sign-in.",
    ),
    key(
        "timeouts",
        Section,
        Nothing,
        "How long to wait for clients and upstreams.",
    ),
    key(
        "timeouts.tls_handshake",
        DEADLINE,
        Value("10s"),
        "From accept to the end of the handshake, a PROXY protocol header included.",
    ),
    key(
        "timeouts.first_byte",
        DEADLINE,
        Value("30s"),
        "Until the first byte; with HTTP/2, until the first request.",
    ),
    key(
        "timeouts.head",
        DEADLINE,
        Value("10s"),
        "From a head's first byte to its last.",
    ),
    key(
        "timeouts.body_progress",
        DEADLINE,
        Value("30s"),
        "A body that stops coming, an answer that is not read.",
    ),
    key(
        "timeouts.stream_idle",
        DEADLINE,
        Value("1h"),
        "A call that goes both ways (gRPC), once its answer has begun and all is silent.",
    ),
    key(
        "timeouts.keep_alive",
        DEADLINE,
        Value("75s"),
        "Between requests.",
    ),
    key(
        "timeouts.drain",
        DEADLINE,
        Value("8s"),
        "What is in hand has until then after SIGTERM.",
    ),
    key(
        "timeouts.drain_delay",
        Duration("0s to 24h"),
        Value("0s"),
        "After SIGTERM the readiness probe is red for this long, before nothing is accepted any more.",
    ),
    key(
        "timeouts.upstream_connect",
        DEADLINE,
        Value("5s"),
        "Name, TCP and TLS.",
    ),
    key(
        "timeouts.upstream_response",
        DEADLINE,
        Value("120s"),
        "From the request's end to the answer's head.",
    ),
    key(
        "timeouts.upstream_idle",
        DEADLINE,
        Value("50s"),
        "A kept connection without an exchange.",
    ),
    key("limits", Section, Nothing, "How much clients may ask for."),
    key(
        "limits.head_size",
        Size("8 KiB to 1024 KiB"),
        Value("32 KiB"),
        "A request's line and fields.",
    ),
    key(
        "limits.header_count",
        Whole(1, 1_000),
        Value("100"),
        "A request's fields.",
    ),
    key(
        "limits.target_length",
        Size("256 B to 65534 B"),
        Value("16 KiB"),
        "Path and query.",
    ),
    key(
        "limits.body_size",
        Size("1 to 1024 GiB"),
        Value("1 GiB"),
        "A request's body; a route may have its own.",
    ),
    key(
        "limits.connections",
        Whole(1, 10_000_000),
        Value("10000"),
        "Connections at once.",
    ),
    key(
        "limits.connections_per_address",
        Whole(1, 10_000_000),
        Value("1000"),
        "Of one IPv4 address or IPv6 /64, but loopback and trusted_proxies.",
    ),
    key(
        "limits.concurrent_streams",
        Whole(1, 1_000),
        Value("100"),
        "Requests at once on one HTTP/2 connection.",
    ),
    key(
        "limits.per_user",
        COUNT,
        Value("256"),
        "One person's requests under way at the tenant's API, once half of the tenant's are taken.",
    ),
    key(
        "limits.per_tenant",
        COUNT,
        Value("8192"),
        "All requests under way at a tenant's API.",
    ),
    key("log", Section, Nothing, "What is logged."),
    key(
        "log.level",
        Words(&["error", "warn", "info", "debug", "trace"]),
        Value("info"),
        "The least grave that is logged.",
    ),
    key(
        "log.format",
        Words(&["json", "text"]),
        Value("json"),
        "How lines look.",
    ),
    key(
        "log.access",
        Switch,
        Value("true"),
        "A record of every request.",
    ),
    key(
        "log.access_sample",
        FRACTION,
        Value("1"),
        "How many unremarkable requests leave a record; refusals, errors, slow ones and sign-ins all do.",
    ),
    key(
        "log.access_slow",
        DEADLINE,
        Value("1s"),
        "An answer whose head takes this long is remarkable.",
    ),
    key("telemetry", Section, Nothing, "What is told to others."),
    key(
        "telemetry.otlp",
        Section,
        Nothing,
        "Traces, by OTLP over HTTP (protobuf).",
    ),
    key(
        "telemetry.otlp.endpoint",
        Form::Text,
        Told("OTEL_EXPORTER_OTLP_ENDPOINT, else none are sent"),
        "The collector; `/v1/traces` is added.",
    ),
    key(
        "telemetry.otlp.headers",
        Form::Text,
        Told("OTEL_EXPORTER_OTLP_HEADERS"),
        "Header fields for the collector: `name=value,name=value`, values percent-encoded.",
    ),
    key(
        "telemetry.otlp.sample",
        FRACTION,
        Told("0.01"),
        "How many of the traces that begin here are followed.",
    ),
    key(
        "telemetry.otlp.service_name",
        Form::Text,
        Told("OTEL_SERVICE_NAME, else sidegate"),
        "The name of this service in traces.",
    ),
];

const FRACTION: Form = Form::Mixed("number from 0 to 1", r"^(0*1(\.0+)?|0+(\.[0-9]{1,6})?)$");

const RATE: Form = Pattern(
    "number/duration, or off",
    r"^(off|[1-9][0-9]* */ *([0-9]+ *)?[a-z].*)$",
);

const COUNT: Form = Whole(1, 1_000_000);
