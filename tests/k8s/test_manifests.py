"""What runs a deployment in containers: right by Kubernetes' schemas, and one with what the server does."""

import copy
import os
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from joelclaw.auth.declaring import CREDENTIALS, kind_of, variable_part
from joelclaw.config import load_config
from joelclaw.server.uvicorn_server import SHUTDOWN_TIMEOUT_S
from tests.k8s.manifests import (
    BASE,
    K8S,
    ROOT,
    base,
    container_of,
    instructions,
    pod_of,
    ports_of,
    read,
    rendered,
    server,
    the,
)

VERSIONS = ["1.28", "1.33", "1.37"]
"""Of Kubernetes: an old one that clusters still have, one between, the newest whose schemas are known."""

FOREIGN = {"ServiceMonitor"}
"""Kinds of the Prometheus operator, whose schemas are not Kubernetes'."""

OVERLAYS = ["single-node", "single-node-monitored"]
CLOSING_S = 5
"""Left of the grace period when everything has taken as long as it may: to close the database."""


@pytest.fixture(scope="module")
def monitored() -> list[dict[str, Any]]:
    return rendered(K8S / "overlays" / "single-node-monitored")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_kubernetes_schemas(version: str) -> None:
    """Each document under k8s/ has the fields that Kubernetes knows, of the right types, and no others."""
    checked = set()
    for path in K8S.rglob("*.yaml"):
        for manifest in read(path):
            if not isinstance(manifest, dict) or manifest["kind"] in FOREIGN | {"Kustomization", "Component"}:
                continue
            kubernetes_validate.validate(manifest, version, strict=True)
            checked.add(path)
    assert checked >= {BASE / "statefulset.yaml", BASE / "secret.example.yaml", K8S / "restore.yaml"}


def test_a_wrong_manifest_is_noticed() -> None:
    """The check above refuses a field that nobody knows and a type that is not right: it looks inside pods."""
    statefulset = the("StatefulSet", "convex", base())
    misspelt = copy.deepcopy(statefulset)
    container_of(pod_of(misspelt))["readinessprobe"] = {}
    mistyped = copy.deepcopy(statefulset)
    pod_of(mistyped)["terminationGracePeriodSeconds"] = "75s"

    for manifest in (misspelt, mistyped):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_renders_to_what_kubernetes_takes(overlay: str) -> None:
    """kustomize puts each overlay together, in one namespace, with a tagged image, without the example Secret."""
    manifests = rendered(K8S / "overlays" / overlay)

    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "joelclaw"
    kinds = {manifest["kind"] for manifest in manifests}
    assert kinds >= {"Namespace", "StatefulSet", "Service", "ConfigMap", "NetworkPolicy", "PersistentVolumeClaim"}
    assert "Secret" not in kinds
    image = container_of(pod_of(the("StatefulSet", "convex", manifests)))["image"]
    assert re.fullmatch(r"joelclaw:\d+\.\d+\.\d+", image)


def test_a_change_of_the_declaration_restarts_the_server(monitored: list[dict[str, Any]]) -> None:
    """The pod mounts the ConfigMap under the name with the digest that kustomize gave it; it holds the very file."""
    (config,) = (one for one in monitored if one["kind"] == "ConfigMap")

    assert re.fullmatch(r"convex-config-[a-z0-9]{10}", config["metadata"]["name"])
    assert config["data"] == {"joelclaw.toml": (BASE / "joelclaw.toml").read_text("utf-8")}
    volumes = pod_of(the("StatefulSet", "convex", monitored))["volumes"]
    assert [volume["configMap"]["name"] for volume in volumes if "configMap" in volume] == [config["metadata"]["name"]]


def test_the_declaration_loads_and_fits_the_ports_and_volumes() -> None:
    """joelclaw.toml of the containers is accepted; its ports are the pod's, its paths lie on mounted volumes."""
    container = container_of(server())
    secrets = [one["name"] for one in container["env"] if "secretKeyRef" in one["valueFrom"]]
    config = load_config(BASE, dict.fromkeys(secrets, "joelclaw|0123456789abcdef"))
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}

    assert config.server.host == "0.0.0.0"
    assert ports_of(container) == {
        "api": config.server.api_port,
        "site": config.site_port,
        "metrics": config.server.metrics_port,
    }
    assert str(config.database.parent) == "/data"
    assert config.files_url == "file:///data/files"
    assert config.backup_urls == ("file:///backups",)
    assert config.backup.cron is not None
    assert config.auth == load_config(ROOT, None).auth, "people sign in as they do in development"
    for id in config.auth.providers:
        if kind_of(config, id).is_oauth:
            assert {name.format(variable_part(id)) for name in CREDENTIALS.values()} <= set(secrets)
    assert mounted == {"/data", "/backups", "/tmp", "/app/joelclaw.toml"}


def test_the_pod_may_do_nothing_that_it_need_not() -> None:
    """The pod runs as the image's user, without capabilities, on a read-only root, with no token of Kubernetes."""
    pod = server()
    container = container_of(pod)
    (user,) = (rest for word, rest in instructions() if word == "USER")

    security = pod["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}" == "10001:10001"
    assert security["fsGroup"] == security["runAsGroup"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_probes_ask_what_answers() -> None:
    """All three probes ask for health at a declared port, and a start may last ten minutes."""
    container = container_of(server())

    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    assert {probe["port"] for probe in asked.values()} <= set(ports_of(container))
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600


def test_nobody_is_killed_before_the_drain_is_over() -> None:
    """The grace periods of Kubernetes and Compose outlast the preStop, the requests and the actions."""
    pod = server()
    config = load_config(BASE, None)
    (command, seconds) = container_of(pod)["lifecycle"]["preStop"]["exec"]["command"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    drain_s = SHUTDOWN_TIMEOUT_S + config.limits.action_drain_s + CLOSING_S

    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= max(60, int(seconds) + drain_s)
    assert int(compose["services"]["joelclaw"]["stop_grace_period"].removesuffix("s")) >= drain_s


def test_the_server_is_one_with_a_volume_that_stays() -> None:
    """There is one server, on a claim of 5Gi that outlives it, and its backups are on another claim."""
    spec = the("StatefulSet", "convex", base())["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    mounts = {one["mountPath"]: one["name"] for one in container_of(server())["volumeMounts"]}
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"]
        for one in server()["volumes"]
        if "persistentVolumeClaim" in one
    }

    assert spec["replicas"] == 1
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert mounts["/data"] == claim["metadata"]["name"]
    assert claims[mounts["/backups"]] == the("PersistentVolumeClaim", "convex-backups", base())["metadata"]["name"]


def test_a_restore_has_the_rights_and_volumes_of_the_server() -> None:
    """The Job that restores runs the same image as the same user, as confined, on the same two claims."""
    (job,) = read(K8S / "restore.yaml")
    pod, serving = pod_of(job), server()
    (claim,) = the("StatefulSet", "convex", base())["spec"]["volumeClaimTemplates"]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one]

    for name in ("securityContext", "serviceAccountName", "automountServiceAccountToken"):
        assert pod[name] == serving[name]
    for name in ("securityContext", "workingDir"):
        assert container_of(pod)[name] == container_of(serving)[name]
    assert all(one in container_of(serving)["env"] for one in container_of(pod)["env"])
    assert claims == [f"{claim['metadata']['name']}-convex-0", "convex-backups"]
    (tagged,) = read(K8S / "overlays" / "single-node" / "kustomization.yaml")
    (image,) = tagged["images"]
    assert container_of(pod)["image"] == f"{image['newName']}:{image['newTag']}"


def test_services_lead_to_the_server_and_metrics_stay_inside(monitored: list[dict[str, Any]]) -> None:
    """`convex-svc` has only the ports of clients; Prometheus has its own Service, which the ServiceMonitor finds."""
    labels = the("StatefulSet", "convex", monitored)["spec"]["template"]["metadata"]["labels"]
    clients = the("Service", "convex-svc", monitored)
    metrics = the("Service", "convex-metrics", monitored)
    watch = the("ServiceMonitor", "convex", monitored)["spec"]

    assert the("StatefulSet", "convex", monitored)["spec"]["serviceName"] == "convex-svc"
    for service in (clients, metrics):
        assert service["spec"]["selector"] == labels
    assert {(port["port"], port["targetPort"]) for port in clients["spec"]["ports"]} == {(3210, "api"), (3211, "site")}
    assert [port["name"] for port in metrics["spec"]["ports"]] == [watch["endpoints"][0]["port"]]
    assert watch["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items()
    assert watch["endpoints"][0]["path"] == "/metrics"


def test_the_network_lets_in_the_proxy_and_prometheus(monitored: list[dict[str, Any]]) -> None:
    """Each rule names its sources; those of clients do not reach the metrics; the outside proxy is a trusted one."""
    spec = the("NetworkPolicy", "convex", monitored)["spec"]
    opened = [({port["port"] for port in rule["ports"]}, rule["from"]) for rule in spec["ingress"]]
    blocks = [peer["ipBlock"]["cidr"] for _, peers in opened for peer in peers if "ipBlock" in peer]

    assert [ports for ports, _ in opened] == [{"api", "site"}, {"metrics"}]
    assert all(peers for _, peers in opened)
    assert spec["policyTypes"] == ["Ingress"]
    assert blocks
    assert set(blocks) <= set(load_config(BASE, None).server.trusted_proxies)
    assert set().union(*(ports for ports, _ in opened)) == set(ports_of(container_of(server())))


def test_the_secret_is_an_example_only() -> None:
    """The example has the name and the keys that the pod asks for, and no kustomization applies it."""
    (secret,) = read(BASE / "secret.example.yaml")
    asked = [one["valueFrom"]["secretKeyRef"] for one in container_of(server())["env"]]

    assert {one["name"] for one in asked} == {secret["metadata"]["name"]}
    assert [one["key"] for one in asked] == list(secret["stringData"])
    for path in K8S.rglob("kustomization.yaml"):
        assert "secret" not in path.read_text("utf-8").lower()


def test_the_image_holds_what_it_names() -> None:
    """The Dockerfile copies files that are there and that .dockerignore lets through, and no folder of data."""
    let_through = [
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    ]
    copied = {
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }

    assert copied == set(let_through)
    assert all((ROOT / name).exists() for name in copied)
    assert {"app_functions", "schema.py", "k8s/base/joelclaw.toml"} <= copied
    assert "data" not in copied


def test_image_and_pod_start_the_same() -> None:
    """The image's command and folder are the pod's, and its health check asks a path and port that are served."""
    said = dict(instructions())
    container = container_of(server())
    health = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z/]+)", said["HEALTHCHECK"])

    assert yaml.safe_load(said["CMD"]) == container["command"] == ["joelclaw", "serve"]
    assert said["WORKDIR"] == container["workingDir"] == "/app"
    assert sorted(int(port) for port in said["EXPOSE"].split()) == sorted(ports_of(container).values())
    assert health is not None
    assert int(health[1]) in ports_of(container).values()
    assert health[2] == container["livenessProbe"]["httpGet"]["path"]


def test_the_proxy_leads_each_name_to_its_port() -> None:
    """The Caddyfile's host names are the declared origins, each at the port that serves it, in Compose as well."""
    config = load_config(BASE, None)
    text = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    sites = dict(re.findall(r"^([a-z.-]+\.com) \{\n(?:\t#.*\n)*\timport upstream \{\$(\w+):", text, re.MULTILINE))
    outside = compose["services"]["caddy"]["environment"]

    assert {f"https://{host}" for host in sites} == {config.server.api_origin, config.server.site_origin}
    for host, variable in sites.items():
        port = config.server.api_port if f"https://{host}" == config.server.api_origin else config.site_port
        assert f"{{${variable}:127.0.0.1:{port}}}" in text
        assert outside[variable] == f"joelclaw:{port}"
    assert str(config.server.metrics_port) not in text


def test_compose_is_as_careful_as_the_pod() -> None:
    """The composed server has a read-only root, no capabilities, no port of the host, and the pod's volumes."""
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["joelclaw"]

    assert composed["read_only"] is True
    assert composed["cap_drop"] == ["ALL"]
    assert "ports" not in composed
    assert {volume.split(":")[1] for volume in composed["volumes"]} == {"/data", "/backups"}
    assert list(composed["environment"]) == [one["name"] for one in container_of(server())["env"]]


def test_the_page_names_files_that_are_there() -> None:
    """Each path of the repository that docs/kubernetes.md names exists."""
    page = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    named = set(re.findall(r"\b(?:k8s|deploy)/[\w./-]+\b", page))

    assert named
    assert [name for name in sorted(named) if not os.path.exists(ROOT / Path(name))] == []
