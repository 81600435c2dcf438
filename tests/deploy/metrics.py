"""Alerts and dashboard against a real Prometheus that scrapes a real gateway: each query is one, each series that
it names is there, with the labels that it names."""

import json
import re
import urllib.parse

import harness
from harness import DEPLOY
from harness import Browser
from harness import World
from harness import answers
from harness import free_port
from harness import get
from harness import program
from harness import run
from harness import swap
from harness import until

RULES = DEPLOY / "prometheus"
PANELS = DEPLOY / "grafana" / "sidegate.json"


def test_rules_are_sound():
    promtool = program("promtool")
    run(promtool, "check", "config", "prometheus.yaml", cwd=RULES)
    said = run(promtool, "check", "rules", "alerts.yaml", cwd=RULES)
    assert f"{len(alerts())} rules found" in said, said
    run(promtool, "test", "rules", "alerts.test.yaml", cwd=RULES)
    # Every alert is made to fire there.
    bad_day = (RULES / "alerts.test.yaml").read_text()
    assert f"value: {len(alerts())} " in bad_day, "the bad day fires another number of alerts"


def test_every_alert_leads_to_its_entry():
    assert len(alerts()) > 10
    drawn = [panel for panel in json.loads(PANELS.read_text())["panels"] if panel["type"] != "row"]
    assert f"{len(alerts())} alerts, {len(drawn)} panels" in (DEPLOY / "README.md").read_text()
    for alert in alerts():
        file, anchor = alert["annotations"]["runbook_url"].split("#")
        assert anchor in anchors(file), alert["alert"]
        assert alert["labels"]["severity"] in ("page", "ticket"), alert["alert"]


def test_every_query_finds_what_it_names():
    prometheus, redis = program("prometheus"), program("redis-server")
    with World() as world:
        store, port = free_port(), free_port()
        world.start(
            "redis", store, redis, "--port", str(store), "--bind", "127.0.0.1", "--save", "", "--dir", str(world.directory)
        )
        world.gateway = world.public
        example = (DEPLOY / "proxies" / "sidegate.yaml").read_text()
        world.start_gateway(
            swap(example, ("session:\n", "tls: self_signed\nsession:\n  refresh_coordination: "
                           f'{{ redis: {{ url: "redis://127.0.0.1:{store}" }} }}\n'))
        )
        ada = Browser(world.public)
        ada.sign_in("/", "ada")
        assert ada.fetch("/").status == 200
        config = swap(
            (RULES / "prometheus.yaml").read_text(),
            ("127.0.0.1:9901", f"127.0.0.1:{world.admin}"),
            ("alerts.yaml", str(RULES / "alerts.yaml")),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        )
        (world.directory / "prometheus.yaml").write_text(config)
        world.start(
            "prometheus", port, prometheus, f"--config.file={world.directory}/prometheus.yaml",
            f"--storage.tsdb.path={world.directory}/data", f"--web.listen-address=127.0.0.1:{port}",
        )
        # It listens before it has read its own log of the past.
        until(lambda: answers(port, "/-/ready"), "Prometheus to be ready")
        until(lambda: ask(port, "count_over_time(sidegate_sessions_sealed_total[1m]) >= 3"), "three scrapes")
        rules = until(lambda: evaluated(port), "the rules to be evaluated")
        assert len(rules) == len(alerts()), rules
        for rule in rules:
            assert rule["health"] == "ok", rule
            assert rule["state"] == "inactive", f"a healthy gateway fires {rule}"
        queries = [alert["expr"] for alert in alerts()] + panels()
        assert len(queries) > 30
        named = set()
        for query in queries:
            ask(port, query)
            named |= selectors(query)
        for selector in sorted(named):
            assert ask(port, selector), f"no series is {selector}"
        # What is exposed and asked for nowhere would be noise, or is missing.
        families = set(re.findall(r"^# TYPE (\S+) ", get(world.admin, "/metrics"), re.MULTILINE))
        asked = {re.sub(r"_bucket$", "", selector.split("{")[0]) for selector in named}
        unasked = families - asked - UNASKED
        assert not unasked, unasked


def anchors(file):
    """Under which names a page's headings are linked to."""
    titles = re.findall(r"^#+ (.+)$", (DEPLOY.parent / file).read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


# How old a secret is, `sidegate check` says better: this one begins anew with each start. What became of spans is for
# whoever looks after the collector, and there only where traces are sent.
UNASKED = {"sidegate_client_secret_in_use_since_timestamp_seconds", "sidegate_traces_spans_total"}


def alerts():
    yaml = harness.module("yaml")
    document = yaml.safe_load((RULES / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels():
    """The dashboard's queries as Grafana would send them."""
    document = json.loads(PANELS.read_text())
    variables = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
    queries = []
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in variables.items():
                text = text.replace(name, value)
            assert "$" not in text, text
            queries.append(text)
    return queries


def selectors(query):
    """The series that a query names, each with its labels."""
    found = set(re.findall(r"\b((?:sidegate_\w+|up)\b(?:\{[^}]*\})?)", query))
    assert found, query
    # Values of a closed list are looked for one by one.
    several = set()
    for selector in found:
        choice = re.search(r'code=~"([^"]+)"', selector)
        for value in choice[1].split("|") if choice else [None]:
            several.add(selector.replace(choice[0], f'code="{value}"') if choice else selector)
    return several


def ask(port, query):
    answer = json.loads(get(port, "/api/v1/query?" + urllib.parse.urlencode({"query": query})))
    assert answer["status"] == "success", (query, answer)
    return answer["data"]["result"]


def evaluated(port):
    groups = json.loads(get(port, "/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None


if __name__ == "__main__":
    harness.main(globals())
