"""Image, Compose, Kubernetes and Helm: read by the real kubectl and the real Helm library, held against the schemas of
Kubernetes, and what they give the gateway checked by the gateway itself. No cluster and no container engine is
asked: that an image builds and that Pods start is not shown here."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.request

import harness
from harness import DEPLOY
from harness import ROOT
from harness import SIDEGATE
from harness import World
from harness import module
from harness import program
from harness import run
from harness import until

# The oldest that knows native sidecars by default, and what is new.
VERSIONS = ["1.29", "1.37"]


def test_dockerfile():
    run(program("hadolint"), "--failure-threshold", "info", str(DEPLOY / "Dockerfile"))
    text = (DEPLOY / "Dockerfile").read_text()
    last = text.split("\nFROM ")[-1]
    assert "\nUSER 65532:65532\n" in last and "RUN" not in last
    assert re.search(r"(?s)auditable build --locked .* --dump-section .*&& cargo build --release --locked .* --add-section", text)
    # What the health check runs is a command that there is, and it can fail.
    check = re.search(r'^HEALTHCHECK .* CMD \["/usr/local/bin/sidegate", "(\w+)"\]$', last, re.MULTILINE)
    assert re.search(rf"^  {check[1]} ", run(SIDEGATE, "help"), re.MULTILINE)
    # The oldest Rust that the package allows is not newer than what builds it.
    wanted = re.search(r'^rust-version = "(\d+)\.(\d+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    image = re.search(r"^FROM rust:(\d+)\.(\d+)\.(\d+)-", text, re.MULTILINE)
    assert tuple(map(int, image.groups()))[:2] >= tuple(map(int, wanted.groups()))
    # And what the program is compiled by was taken with the same.
    release = ".".join(image.groups())
    assert list((DEPLOY / "profile").glob(f"{release}-?????????-x86_64-unknown-linux-gnu.profdata"))


def test_health_check():
    with World() as world:
        world.start_gateway((DEPLOY / "proxies" / "sidegate.yaml").read_text())
        # It listens a moment before it is ready.
        check = [SIDEGATE, "ready", f"127.0.0.1:{world.admin}"]
        until(lambda: subprocess.run(check, capture_output=True, timeout=60).returncode == 0, "the health check")
        for probe in ("startupz", "livez", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{world.admin}/{probe}", timeout=10) as answer:
                assert answer.status == 200, probe
        try:
            run(SIDEGATE, "ready", f"127.0.0.1:{world.gateway}")
        except AssertionError as error:
            assert "is not ready" in str(error), error
        else:
            raise AssertionError("the public listener, which refuses, is ready")


def test_compose():
    compose_spec, yaml = module("compose_spec"), module("yaml")
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    compose_spec.PyCompose.from_yaml(text)
    document = yaml.safe_load(text)
    for kind in ("configs", "secrets", "networks", "volumes"):
        used = set()
        for service in document["services"].values():
            for entry in service.get(kind, []):
                used.add(entry["source"] if isinstance(entry, dict) else entry.split(":")[0])
        assert used == set(document[kind]), (kind, used)
    for name in ("sidegate", "redis"):
        service = document["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] != "0", name
    folder = DEPLOY / "compose"
    build = document["services"]["sidegate"]["build"]
    assert (folder / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).exists()
    usable((folder / document["configs"]["sidegate"]["file"]).read_text())


def test_kustomize():
    kubectl, yaml = program("kubectl"), module("yaml")
    for name, kinds in (
        ("base", {"ConfigMap", "Deployment", "NetworkPolicy", "Service"}),
        ("several", {
            "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service",
        }),
    ):
        built = run(kubectl, "kustomize", str(DEPLOY / "kubernetes" / name))
        documents = list(yaml.safe_load_all(built))
        assert {document["kind"] for document in documents} == kinds and len(documents) == len(kinds), built
        sound(documents, sidecar=True)


def test_helm():
    helm = module("helm_python")
    yaml = module("yaml")
    chart = DEPLOY / "helm" / "sidegate"
    base = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "sidegate.yaml").read_text())
    config = {key: value for key, value in base.items() if key not in ("listen", "admin_listen")}
    tool = {
        "name": "tool", "image": "your-tool:1",
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
    }
    several = {
        "config": config, "autoscaling": {"enabled": True}, "disruptionBudget": {"enabled": True},
        "tool": {"containers": [tool], "volumes": [{"name": "scratch", "emptyDir": {}}]},
        "imagePullSecrets": [{"name": "registry"}], "podAnnotations": {"a": "b"}, "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}},
        "service": {"annotations": {"a": "b"}},
        "networkPolicy": {"egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}]},
    }
    few = {"Deployment", "ConfigMap", "Service", "NetworkPolicy"}
    for values, kinds in (
        ({"config": config}, few),
        ({"config": config, "networkPolicy": {"enabled": False}}, few - {"NetworkPolicy"}),
        (several, few | {"HorizontalPodAutoscaler", "PodDisruptionBudget"}),
    ):
        with helm.Chart.load(str(chart)) as loaded:
            rendered = loaded.render(values, name="mine", namespace="prod")
        documents = [document for text in rendered.values() for document in yaml.safe_load_all(text) if document]
        assert {document["kind"] for document in documents} == kinds, rendered.keys()
        sound(documents, sidecar="tool" in values)
    report = helm.lint(str(chart), {"config": config}, strict=True)
    assert not report.get("errors") and report.get("passed", True) is not False, report
    # The schema of the values refuses what would be ignored or has no chance.
    for wrong in ({}, {"config": {**config, "listen": "x"}}, {"config": config, "replica": 3}):
        try:
            with helm.Chart.load(str(chart)) as loaded:
                loaded.render(wrong, name="mine", namespace="prod")
        except helm.HelmError:
            continue
        raise AssertionError(f"{wrong} is taken")


def test_the_index_leads_to_what_there_is():
    text = (DEPLOY / "README.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > 8
    for link in links:
        assert (DEPLOY / link).exists(), link
    # Nothing in deploy/ is left out of it.
    for entry in DEPLOY.iterdir():
        assert f"({entry.name}" in text or entry.name == "README.md", entry


def sound(documents, sidecar):
    """What holds for anything that is meant for a cluster."""
    validate = module("kubernetes_validate").validate
    for document in documents:
        for version in VERSIONS:
            validate(document, version, strict=True)
    by_kind = {document["kind"]: document for document in documents}
    deployment = by_kind["Deployment"]
    pod = deployment["spec"]["template"]
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    containers = spec.get("initContainers", []) + spec["containers"]
    gateway = next(container for container in containers if container["name"] == "sidegate")
    assert (gateway.get("restartPolicy") == "Always") == sidecar == ("initContainers" in spec)
    # Pod Security Standards, restricted; and more than they ask.
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for container in containers:
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"] and not context["allowPrivilegeEscalation"], container
        assert context["readOnlyRootFilesystem"], container
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {mount["name"] for mount in gateway["volumeMounts"]} <= volumes.keys()
    assert "env" not in gateway, "secrets are files"
    config = by_kind["ConfigMap"]
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    text = config["data"]["sidegate.yaml"]
    usable(text)
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    settings = module("yaml").safe_load(text)
    assert settings["listen"] == f"0.0.0.0:{ports['http']}"
    assert settings["admin_listen"] == f"0.0.0.0:{ports['admin']}"
    for probe, path in (("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        assert gateway[probe]["httpGet"] == {"path": path, "port": "admin"}
    drain = int(settings["timeouts"]["drain_delay"].removesuffix("s")) + 8
    assert spec["terminationGracePeriodSeconds"] > drain
    service = by_kind["Service"]["spec"]
    assert service["selector"].items() <= labels.items() and service["ports"][0]["targetPort"] == "http"
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    if "NetworkPolicy" in by_kind:
        policy = by_kind["NetworkPolicy"]["spec"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    if "PodDisruptionBudget" in by_kind:
        assert by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    if "HorizontalPodAutoscaler" in by_kind:
        assert "replicas" not in deployment["spec"], "the autoscaler and the Deployment would undo each other"
        scaled = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        assert scaled["name"] == deployment["metadata"]["name"]


def usable(text):
    """The gateway takes the configuration, with secrets where it says."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sidegate-check-"))
    try:
        (folder / "session-key").write_text(run(SIDEGATE, "keygen"))
        (folder / "client-secret").write_text("s")
        if "tls-crt" in text:
            run(
                program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=tool.example.com", "-addext", "subjectAltName=DNS:tool.example.com",
                "-keyout", str(folder / "tls-key"), "-out", str(folder / "tls-crt"),
            )
        for file in folder.iterdir():
            file.chmod(0o600)
        text = text.replace("/run/secrets/sidegate/", f"{folder}/").replace("/run/secrets/", f"{folder}/")
        (folder / "sidegate.yaml").write_text(text)
        run(SIDEGATE, "check", "--config", str(folder / "sidegate.yaml"))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    harness.main(globals())
