"""The manifests as Kubernetes would get them, and as the files have them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
K8S = ROOT / "k8s"
BASE = K8S / "base"

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document is not None]


def the(kind: str, name: str, manifests: list[Manifest]) -> Manifest:
    """The only one of that kind and name."""
    (found,) = (one for one in manifests if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def base() -> list[Manifest]:
    """What the base's kustomization lists, before kustomize."""
    (kustomization,) = read(BASE / "kustomization.yaml")
    return [manifest for name in kustomization["resources"] for manifest in read(BASE / name)]


def rendered(folder: Path) -> list[Manifest]:
    """What `kubectl apply -k` would send; it asks no cluster."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed; it has the kustomize that renders")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod_of(manifest: Manifest) -> Manifest:
    """The specification of the pods that a StatefulSet or Job makes."""
    pod: Manifest = manifest["spec"]["template"]["spec"]
    return pod


def server() -> Manifest:
    """The server's pod."""
    return pod_of(the("StatefulSet", "convex", base()))


def container_of(pod: Manifest) -> Manifest:
    (container,) = pod["containers"]
    assert isinstance(container, dict)
    return container


def ports_of(container: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's: each a word and the rest, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]
