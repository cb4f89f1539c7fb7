"""
A collector of the network map: nodes and pods, as a Kubernetes API lists them.

It lists both, page by page, and replaces the set; whatever goes wrong on the way, the set before stays. How often,
`[crons]` of a deployment that has a cluster says: every 30 s suits the map.

Inside of a cluster it finds the API and a service account's token where Kubernetes puts them; elsewhere
`K8S_API_URL`, `K8S_TOKEN` and, for a certificate that is not publicly known, `K8S_CA` (PEM) say. With none of this
it does nothing.
"""

import asyncio
import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from app_functions import network
from app_functions.network import MACHINES_MAX, Item
from joelclaw import ActionCtx, action

COLLECTOR: Final = "kubernetes"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER_URL: Final = "https://kubernetes.default.svc"

PAGE: Final = 250
ANSWER_TIMEOUT_S: Final = 10.0
COLLECT_TIMEOUT_S: Final = 25.0
BODY_BYTES_MAX: Final = 16 * 2**20
LISTINGS_MAX: Final = 2
"""A listing whose continuation has expired is begun anew so often."""

BROKEN: Final = frozenset({"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"})


class CannotCollect(Exception):
    """The API was not asked, or its answer is none. The set before stays."""


class Api(NamedTuple):
    """Where to ask, and as whom."""

    url: str
    token: str
    ca: str | None


@action
async def collect(ctx: ActionCtx) -> None:
    """Replace the set of machines by what the API lists, or say why not."""
    try:
        api = _api(ctx)
        if api is None:
            return
        async with asyncio.timeout(COLLECT_TIMEOUT_S):
            # Not at once: the API is small, and so are we.
            nodes = await asyncio.to_thread(_listed, api, "nodes")
            pods = await asyncio.to_thread(_listed, api, "pods")
        items = [*map(_node, nodes), *(_pod(pod) for pod in pods if not _is_over(pod))]
        if len(items) > MACHINES_MAX:
            raise CannotCollect(f"There are {len(items)} nodes and pods; the map has at most {MACHINES_MAX}.")
    except TimeoutError:
        await ctx.run_mutation(network.failed, COLLECTOR, "The Kubernetes API took too long.")
    except (CannotCollect, OSError) as error:
        await ctx.run_mutation(network.failed, COLLECTOR, str(error))
    else:
        await ctx.run_mutation(network.replace, COLLECTOR, items)


def _api(ctx: ActionCtx) -> Api | None:
    url = ctx.env.get("K8S_API_URL")
    if url is not None:
        return Api(url.rstrip("/"), ctx.env.get("K8S_TOKEN", ""), ctx.env.get("K8S_CA"))
    if not (ACCOUNT / "token").exists():
        return None
    # Read each time: Kubernetes replaces the token every hour.
    return Api(IN_CLUSTER_URL, (ACCOUNT / "token").read_text().strip(), (ACCOUNT / "ca.crt").read_text())


def _listed(api: Api, what: str) -> list[dict[str, Any]]:
    """
    All objects of a kind.

    Raises:
        CannotCollect: The API refuses, cannot be reached, or answers with something else.
    """
    for _ in range(LISTINGS_MAX):
        items: list[dict[str, Any]] = []
        after = ""
        while (page := _page(api, what, after)) is not None:
            items += page["items"]
            after = page["metadata"].get("continue") or ""
            if not after:
                return items
            if len(items) > MACHINES_MAX:
                raise CannotCollect(f"There are more than {MACHINES_MAX} {what}; that is more than a map can show.")
    raise CannotCollect(f"The list of {what} changes faster than the Kubernetes API lets us read it.")


def _page(api: Api, what: str, after: str) -> dict[str, Any] | None:
    """A page of a list; None if the place where it should go on has expired (410)."""
    query = urllib.parse.urlencode({"limit": PAGE, **({"continue": after} if after else {})})
    headers = {"Accept": "application/json", "Authorization": f"Bearer {api.token}"}
    request = urllib.request.Request(f"{api.url}/api/v1/{what}?{query}", headers=headers)
    context = ssl.create_default_context(cadata=api.ca) if api.url.startswith("https:") else None
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S, context=context) as response:
            body = response.read(BODY_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 410:
                return None
            raise CannotCollect(_refusal(error.code, what)) from None
    except TimeoutError:
        raise CannotCollect("The Kubernetes API does not answer in time.") from None
    except urllib.error.URLError as error:
        raise CannotCollect(f"The Kubernetes API cannot be reached: {error.reason}.") from None
    except http.client.HTTPException:
        raise CannotCollect("The Kubernetes API's answer was cut off.") from None
    return _parsed(body, what)


def _refusal(status: int, what: str) -> str:
    if status == 401:
        return "The Kubernetes API does not know our token (401)."
    if status == 403:
        return f"We may not list {what} (403): the service account needs a role for it."
    return f"The Kubernetes API answers {status} to a list of {what}."


def _parsed(body: bytes, what: str) -> dict[str, Any]:
    try:
        page: Any = json.loads(body)
        assert isinstance(page["items"], list)
        assert isinstance(page["metadata"], dict)
    except (ValueError, KeyError, TypeError, AssertionError):
        raise CannotCollect(f"What the Kubernetes API answers is no list of {what}.") from None
    found: dict[str, Any] = page
    return found


def _node(node: dict[str, Any]) -> Item:
    name = node["metadata"]["name"]
    status = node.get("status", {})
    ready = any(it.get("type") == "Ready" and it.get("status") == "True" for it in status.get("conditions", []))
    return Item(
        key=f"node/{name}",
        kind="node",
        name=name,
        state="ready" if ready else "failed",
        detail=str(status.get("nodeInfo", {}).get("kubeletVersion", "")),
    )


def _is_over(pod: dict[str, Any]) -> bool:
    """A job's pod that has done its work stays listed for a while; it runs on nothing any more."""
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def _pod(pod: dict[str, Any]) -> Item:
    about, status = pod["metadata"], pod.get("status", {})
    containers = status.get("containerStatuses", [])
    waits = [str(it.get("state", {}).get("waiting", {}).get("reason") or "") for it in containers]
    host = pod.get("spec", {}).get("nodeName")
    if status.get("phase") in ("Failed", "Unknown") or BROKEN.intersection(waits):
        state: Literal["ready", "waiting", "failed"] = "failed"
    elif containers and all(it.get("ready") for it in containers):
        state = "ready"
    else:
        state = "waiting"
    name = f"{about['namespace']}/{about['name']}"
    return Item(
        key=f"pod/{name}",
        kind="pod",
        name=name,
        state=state,
        detail=next(filter(None, waits), "" if state == "ready" else str(status.get("reason") or ""))[:300],
        runs_on=None if host is None else f"node/{host}",
    )
