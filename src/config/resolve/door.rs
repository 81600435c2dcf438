//! What clients may do at the listener: protocols, certificates, time and sizes.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawLimits;
use crate::config::raw::RawTimeouts;
use crate::net::settings::ClientCertificates;
use crate::net::settings::Clocks;
use crate::net::settings::Drain;
use crate::net::settings::Limits;
use crate::net::settings::Protocols;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;

impl Resolver<'_> {
    pub(super) fn protocols(
        &mut self,
        h2c: Option<String>,
        proxy_protocol: Option<String>,
        tls: Option<&Tls>,
        trusted: &TrustedProxies,
    ) -> Protocols {
        let (h2c_path, proxy_path) = (
            KeyPath::root().child("h2c"),
            KeyPath::root().child("proxy_protocol"),
        );
        let protocols = Protocols {
            h2c: self
                .optional(&h2c_path, h2c, values::boolean)
                .unwrap_or(false),
            proxy_protocol: self
                .optional(&proxy_path, proxy_protocol, values::boolean)
                .unwrap_or(false),
        };
        if protocols.h2c && tls.is_some() {
            self.findings
                .problem(Code::BadValue, &h2c_path, "is for a listener without tls")
                .hint("with tls, HTTP/2 is agreed on in the handshake");
        }
        if protocols.proxy_protocol && trusted.0.is_empty() {
            self.findings
                .problem(Code::BadValue, &proxy_path, "nobody may send the header")
                .hint("name your load balancers in trusted_proxies");
        }
        protocols
    }

    pub(super) fn client_certificates(
        &mut self,
        tls: &KeyPath,
        authorities: Option<String>,
        auth: Option<String>,
        told: Option<String>,
    ) -> Option<ClientCertificates> {
        let (file_path, auth_path) = (tls.child("client_ca_file"), tls.child("client_auth"));
        let words = [("optional", false), ("required", true)];
        let told_path = tls.child("client_cert_header");
        let told = self.optional(&told_path, told, values::boolean);
        if authorities.is_none() && auth.is_none() {
            if told == Some(true) {
                self.bad(
                    &told_path,
                    "needs client_ca_file: nobody is asked for a certificate",
                );
            }
            return None;
        }
        let hint = "optional or required";
        let required = self.required(&auth_path, auth, hint, |text| values::one_of(text, &words));
        let (authorities, _) = self.tls_file(&file_path, authorities)?;
        Some(ClientCertificates {
            authorities,
            required: required?,
            told: told.unwrap_or(false),
        })
    }

    pub(super) fn clocks(&mut self, raw: &mut RawTimeouts) -> (Clocks, Drain) {
        let path = KeyPath::root().child("timeouts");
        let mut read = |key: &str, text: &mut Option<String>, default: Duration| {
            self.optional(&path.child(key), text.take(), values::deadline)
                .unwrap_or(default)
        };
        let default = Clocks::default();
        let clocks = Clocks {
            tls_handshake: read(
                "tls_handshake",
                &mut raw.tls_handshake,
                default.tls_handshake,
            ),
            first_byte: read("first_byte", &mut raw.first_byte, default.first_byte),
            head: read("head", &mut raw.head, default.head),
            body_progress: read(
                "body_progress",
                &mut raw.body_progress,
                default.body_progress,
            ),
            stream_idle: read("stream_idle", &mut raw.stream_idle, default.stream_idle),
            keep_alive: read("keep_alive", &mut raw.keep_alive, default.keep_alive),
        };
        let default = Drain::default();
        let deadline = read("drain", &mut raw.drain, default.deadline);
        let delay_path = path.child("drain_delay");
        let delay = self.optional(&delay_path, raw.drain_delay.take(), values::delay);
        let delay = delay.unwrap_or(default.delay);
        (clocks, Drain { delay, deadline })
    }

    pub(super) fn limits(&mut self, raw: RawLimits) -> Limits {
        let path = KeyPath::root().child("limits");
        let default = Limits::default();
        let head_size = self.optional(&path.child("head_size"), raw.head_size, |text| {
            let size = usize::try_from(values::size(text)?).ok();
            // hyper reads into 8 KiB at least; a megabyte of head is an attack.
            size.filter(|size| (8 << 10..=1 << 20).contains(size))
                .ok_or("must be a size from 8 KiB to 1024 KiB")
        });
        let target_length = self.optional(
            &path.child("target_length"),
            raw.target_length,
            // hyper's own limit is 65,534.
            |text| {
                let size = usize::try_from(values::size(text)?).ok();
                size.filter(|size| (256..=65_534).contains(size))
                    .ok_or("must be a size from 256 B to 65534 B")
            },
        );
        let body_size = self.optional(&path.child("body_size"), raw.body_size, values::size);
        let mut count = |key: &str, text, most| {
            self.optional(&path.child(key), text, |text| values::count(text, 1..=most))
        };
        let header_count = count("header_count", raw.header_count, 1_000);
        let connections = count("connections", raw.connections, 10_000_000);
        let per_address = count(
            "connections_per_address",
            raw.connections_per_address,
            10_000_000,
        );
        let streams = count("concurrent_streams", raw.concurrent_streams, 1_000);
        Limits {
            head_size: head_size.unwrap_or(default.head_size),
            header_count: header_count.map_or(default.header_count, NonZeroUsize::get),
            target_length: target_length.unwrap_or(default.target_length),
            body_size: body_size.unwrap_or(default.body_size),
            connections: connections.unwrap_or(default.connections),
            connections_per_address: per_address.unwrap_or(default.connections_per_address),
            concurrent_streams: streams
                .and_then(|streams| u32::try_from(streams.get()).ok())
                .unwrap_or(default.concurrent_streams),
        }
    }
}
