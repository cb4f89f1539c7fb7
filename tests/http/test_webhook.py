"""The webhook of this repository's own app: who may report, when, and how often one report counts."""

import base64
import hashlib
import hmac
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.http.site_server import SiteServer, served

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = json.dumps({"name": "article/published", "data": {"slug": "café"}}, ensure_ascii=False).encode()


def lay_out(folder: Path) -> Path:
    (folder / "app").mkdir()
    shutil.copytree(
        ROOT / "app_functions", folder / "app" / "app_functions", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "schema.py", folder / "app")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    folder = lay_out(tmp_path_factory.mktemp("webhook"))
    admin = 'admin_key = "webhook|0123456789abcdef"'
    with served(folder, server=admin, env=f'INNGEST_WEBHOOK_SECRET = "{SECRET}"') as server:
        yield server


def signed(
    delivery_id: str, body: bytes = BODY, *, key: bytes = KEY, age_s: float = 0, version: str = "v1"
) -> dict[str, str]:
    """The headers of a report."""
    sent_at = str(int(time.time() - age_s))
    digest = hmac.digest(key, b".".join([delivery_id.encode(), sent_at.encode(), body]), hashlib.sha256)
    signature = f"{version},{base64.b64encode(digest).decode()}"
    return {"webhook-id": delivery_id, "webhook-timestamp": sent_at, "webhook-signature": signature}


def report(server: SiteServer, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
    return server.post("/inngest/webhook", body, headers=headers)


def received(server: SiteServer) -> list[tuple[str, str, str]]:
    call = {"path": "inngest:recent", "args": {}, "format": "json"}
    headers = {"Authorization": "Convex webhook|0123456789abcdef"}
    answer = server.client.post(f"{server.api_url}/api/query", json=call, headers=headers).json()
    return [(one["deliveryId"], one["event"], one["body"]) for one in answer["value"]]


def test_a_signed_report_is_kept(server: SiteServer) -> None:
    """With its event and the very text that was signed."""
    answer = report(server, signed("kept"))
    assert (answer.status_code, answer.json()) == (200, {"received": True, "repeated": False})
    assert ("kept", "article/published", BODY.decode()) in received(server)


def test_a_report_counts_once(server: SiteServer) -> None:
    """However often and however many at the same moment it comes; the sender hears that it is done."""
    headers = signed("repeated")
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: report(server, headers).json(), range(8)))
    assert sorted(answer["repeated"] for answer in answers) == [False] + [True] * 7
    assert [id for id, _, _ in received(server)].count("repeated") == 1


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda: signed("a", key=b"another"), "the signature is not ours"),
        (lambda: signed("a", BODY + b" "), "the signature is not ours"),
        (lambda: signed("a") | {"webhook-id": "b"}, "the signature is not ours"),
        (lambda: signed("a", version="v2"), "the signature is not ours"),
        (lambda: signed("a") | {"webhook-signature": ""}, "the signature is not ours"),
        (lambda: signed("a") | {"webhook-signature": "v1,\u00e9"}, "the signature is not ours"),
        (lambda: signed("a", age_s=301), "the report is too old, or of the future"),
        (lambda: signed("a", age_s=-330), "the report is too old, or of the future"),
        (lambda: signed("a") | {"webhook-timestamp": "9" * 5000}, "the report is too old, or of the future"),
        (lambda: signed("a") | {"webhook-timestamp": "now"}, "webhook-id and webhook-timestamp are missing"),
        (lambda: signed("") | {"webhook-id": ""}, "webhook-id and webhook-timestamp are missing"),
        (dict, "webhook-id and webhook-timestamp are missing"),
    ],
)
def test_what_is_not_signed_now_is_refused(
    forge: Callable[[], dict[str, str]], reason: str, server: SiteServer
) -> None:
    """Another key, another body, another id, another time: nothing of it is kept."""
    encoded = {name: value.encode("latin-1") for name, value in forge().items()}
    answer = server.post("/inngest/webhook", BODY, headers=encoded)
    assert (answer.status_code, answer.text) == (401, reason)
    assert "a" not in [id for id, _, _ in received(server)]


def test_one_of_several_signatures_is_enough(server: SiteServer) -> None:
    """While the secret is being changed."""
    headers = signed("rotated")
    old = signed("rotated", key=b"old")["webhook-signature"]
    assert report(server, headers | {"webhook-signature": f"{old} {headers['webhook-signature']}"}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name":5}', b'{"name":""}', b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_no_report_is_refused(body: bytes, server: SiteServer) -> None:
    """It is the sender's mistake, and is told so."""
    answer = report(server, signed("odd", body), body)
    assert (answer.status_code, answer.text) == (400, "the body is no report")


@pytest.mark.parametrize("env", ["", 'INNGEST_WEBHOOK_SECRET = "whsec_!"', 'INNGEST_WEBHOOK_SECRET = "whsec_"'])
def test_without_a_secret_nothing_is_believed(env: str, tmp_path: Path) -> None:
    """Least of all what is signed with no key; the sender is to try again."""
    with served(lay_out(tmp_path), env=env) as server:
        answer = report(server, signed("early", key=b""))
    assert (answer.status_code, answer.text) == (503, "webhooks are not configured")
