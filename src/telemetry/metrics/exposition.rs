//! What a scrape gets: `OpenMetrics` where it is asked for, as Prometheus does, else Prometheus' text
//! format 0.0.4, which older tools and `promtool check metrics` read.

use std::collections::HashMap;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus' text format.
    Text,
}

impl Format {
    /// The format that an `Accept` field asks for.
    pub fn of(accept: &str) -> Self {
        let ranges = accept.split(',').map(str::trim_start);
        let open = ranges
            .into_iter()
            .any(|range| range.starts_with("application/openmetrics-text"));
        if open { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics of `registry`.
pub fn render(registry: &Registry, format: Format) -> Result<String, std::fmt::Error> {
    let mut open = String::new();
    encode(&mut open, registry)?;
    let open = united(&open);
    Ok(match format {
        Format::OpenMetrics => open,
        Format::Text => to_text(&open),
    })
}

/// Each tenant writes all families. One may be told of once only (`OpenMetrics`, "`MetricSet`"), so their samples
/// are put together, in the order in which the families first came.
fn united(open: &str) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut families: HashMap<&str, String> = HashMap::new();
    let mut at = "";
    let mut first = true;
    for line in open.lines().filter(|line| *line != END) {
        let mut comment = line
            .strip_prefix("# ")
            .into_iter()
            .flat_map(|it| it.splitn(3, ' '));
        if let (Some("HELP"), Some(name)) = (comment.next(), comment.next()) {
            (at, first) = (name, !families.contains_key(name));
            if first {
                order.push(name);
            }
        }
        let repeated = line.starts_with("# ") && !first;
        let family = families.entry(at).or_default();
        if !repeated {
            family.push_str(line);
            family.push('\n');
        }
    }
    let told = order.iter().filter_map(|name| families.get(name));
    let mut whole: String = told.map(String::as_str).collect();
    whole.push_str(END);
    whole.push('\n');
    whole
}

const END: &str = "# EOF";

/// `OpenMetrics` names a family without the suffix of its samples; the older format names the samples,
/// and knows neither units nor the type `info`.
fn to_text(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let Some((name, help)) = comment
            .strip_prefix("HELP ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let kind = lines
            .peek()
            .and_then(|next| next.strip_prefix("# TYPE "))
            .and_then(|rest| rest.split_once(' '))
            .map_or("untyped", |(_, kind)| kind);
        let (suffix, kind) = match kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            other => ("", other),
        };
        text.extend([
            "# HELP ",
            name,
            suffix,
            " ",
            help,
            "\n# TYPE ",
            name,
            suffix,
            " ",
            kind,
            "\n",
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Events;
    use crate::telemetry::metrics::registry;
    use crate::time::UnixTime;

    #[test]
    fn both_formats_say_the_same() {
        let mut registry = registry(UnixTime::from_millis(1_700_000_000_500));
        let events = Events::default();
        events.register(&mut registry);
        events.came_late();
        let open = render(&registry, Format::OpenMetrics).expect("memory");
        let text = render(&registry, Format::Text).expect("memory");
        let samples = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(samples(&open), samples(&text));
        assert!(open.ends_with("\n# EOF\n"));
        for part in [
            "# HELP sidegate_build_info What is running.\n# TYPE sidegate_build_info gauge\n\
             sidegate_build_info{version=\"",
            "# TYPE sidegate_start_timestamp_seconds gauge\nsidegate_start_timestamp_seconds 1700000000.5\n",
            "# TYPE sidegate_token_refresh_late_comers_total counter\n\
             sidegate_token_refresh_late_comers_total 1\n",
            "# TYPE sidegate_session_cookie_bytes histogram\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            !text.contains("# UNIT") && !text.contains("# EOF"),
            "{text}"
        );
    }

    #[test]
    fn a_family_is_told_of_once_however_many_tenants_have_it() {
        let mut registry = registry(UnixTime::from_millis(0));
        for tenant in ["acme", "globex"] {
            let events = Events::default();
            events.signed_out();
            let label = ("tenant".into(), tenant.into());
            events.register(registry.sub_registry_with_label(label));
        }
        let open = render(&registry, Format::OpenMetrics).expect("memory");
        let once = "# TYPE sidegate_sign_outs counter\n\
                    sidegate_sign_outs_total{tenant=\"acme\"} 1\n\
                    sidegate_sign_outs_total{tenant=\"globex\"} 1\n";
        assert!(open.contains(once), "{open}");
        let heads: Vec<_> = open.lines().filter(|line| line.starts_with('#')).collect();
        let unique: std::collections::HashSet<_> = heads.iter().collect();
        assert_eq!(heads.len(), unique.len(), "{open}");
        assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    }

    #[test]
    fn prometheus_asks_for_what_it_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(Format::of(prometheus), Format::OpenMetrics);
        for other in ["", "*/*", "text/plain", "text/html, */*;q=0.8"] {
            assert_eq!(Format::of(other), Format::Text, "{other}");
        }
    }
}
