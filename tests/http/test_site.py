"""HTTP actions on real sockets: routing, bodies of every kind in both directions, and clients that leave."""

import gc
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from joelclaw.functions.manifest import Place, RouteSpec
from joelclaw.http.site import Routes
from tests.http.site_server import PATIENCE_S, SiteServer, read_to_end, served
from tests.saving import save

HOST = b"Host: a.test\r\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    """In production, behind a proxy on this machine."""
    folder = tmp_path_factory.mktemp("site")
    with served(folder, server='trusted_proxies = ["127.0.0.1"]\nsite_origin = "https://site.test"') as server:
        yield server


def head_and_body(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


# -- routing


def routes(*names: str) -> Routes:
    place = Place("a.py", 1)
    return Routes(
        [
            RouteSpec(
                method=name.split()[0],
                path=name.split()[1].rstrip("*"),
                is_prefix=name.endswith("*"),
                python_path=name,
                place=place,
            )
            for name in names
        ]
    )


@pytest.mark.parametrize(
    ("request_line", "found"),
    [
        ("GET /a/b", "GET /a/b"),
        ("GET /a/c", "GET /a/*"),
        ("GET /a/b/", "GET /a/b/*"),
        ("GET /a/b/c/d", "GET /a/b/*"),
        ("GET /a/", "GET /a/*"),
        ("GET /a", None),
        ("GET /A/b", None),
        ("GET //a/b", None),
        ("HEAD /a/b", "GET /a/b"),
        ("HEAD /a/x", "GET /a/*"),
        ("POST /a/b", "POST /*"),
        ("POST /", "POST /*"),
        ("OPTIONS /a/b", None),
        ("DELETE /a/b", None),
        ("GET /a/%62", "GET /a/*"),
    ],
)
def test_the_exact_path_then_the_longest_prefix(request_line: str, found: str | None) -> None:
    """
    Of the request's method only. A prefix does not match the path without its last slash; HEAD takes the
    routes of GET, and OPTIONS nobody's (HTTP-1, HTTP-2, HTTP-3, HTTP-4).
    """
    table = routes("GET /a/*", "GET /a/b/*", "GET /a/b", "POST /*")
    route = table.find(*request_line.split())
    assert (None if route is None else route.name) == found


def test_the_root_is_a_path_like_others(site: SiteServer) -> None:
    """And nothing is added to its answer (HTTP-5)."""
    answer = site.get("/", headers={"Origin": "https://b.test", "Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.text) == (200, "the root")
    assert sorted(answer.headers) == ["content-length", "content-type", "date", "x-answer"]


def test_unknown_paths_and_methods_are_not_found(site: SiteServer) -> None:
    """404 for both, in known words; no method is not allowed (HTTP-3)."""
    for method, path in [("GET", "/none"), ("DELETE", "/seen"), ("OPTIONS", "/seen"), ("GET", "/.files/x")]:
        answer = site.client.request(method, site.url + path)
        assert (answer.status_code, answer.text) == (404, "No matching routes found")
    assert site.client.head(f"{site.url}/echo").status_code == 404


def test_routes_of_one_path(site: SiteServer) -> None:
    """The exact one, the longest prefix, the shorter one, as they are declared (HTTP-1)."""
    assert site.get("/seen/exact").text == "exact"
    assert site.get("/seen/deeper/exact").text == "deeper: /seen/deeper/exact"
    assert site.get("/seen/other").json()["path"] == "/seen/other"


def test_head_is_get_without_the_body(site: SiteServer) -> None:
    """The same headers, its length among them, and the action sees HEAD (HTTP-4)."""
    head, body = head_and_body(site.say(b"HEAD / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"))
    assert b"content-length: 8" in head.lower()
    assert b"x-answer: root" in head.lower()
    assert body == b""
    # A stream is not even begun.
    head, body = head_and_body(site.say(b"HEAD /endless HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"))
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


def test_preflights_are_the_apps_own(site: SiteServer) -> None:
    """Answered where they have a route, with what it answers and nothing else."""
    answer = site.client.options(f"{site.url}/seen/exact", headers={"Origin": "https://b.test"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://a.test"
    assert "access-control-allow-methods" not in answer.headers
    assert "content-length" not in answer.headers


def test_the_same_actions_are_under_http_of_the_other_origin(site: SiteServer) -> None:
    """Where they see themselves at the root; and the client API is not on the site's port."""
    seen = site.client.get(f"{site.api_url}/http/seen/x?y=1").json()
    assert seen["url"] == f"{site.api_url}/seen/x?y=1"
    assert site.client.get(f"{site.api_url}/http/").text == "the root"
    assert site.get("/version").status_code == 404
    assert site.client.get(f"{site.api_url}/version").status_code == 200


def test_an_app_without_routes_says_so(tmp_path: Path) -> None:
    """In the words that clients know."""
    functions = tmp_path / "app" / "app_functions"
    functions.mkdir(parents=True)
    (functions / "__init__.py").touch()
    with served(tmp_path) as server:
        answer = server.get("/anything")
    assert (answer.status_code, answer.text) == (404, "This Convex deployment does not have HTTP actions enabled.")


# -- requests


def test_a_request_as_the_action_sees_it(site: SiteServer) -> None:
    """Method, address, parameters, headers, each as often as it is there, and the body (HTTP-8)."""
    headers = [("Content-Type", "text/x"), ("X-Twice", "1"), ("x-twice", "2")]
    seen = site.post("/seen?a=1&a=%20", b"\x00\xff", headers=headers).json()
    assert seen["method"] == "POST"
    assert seen["url"] == f"{site.url}/seen?a=1&a=%20"
    assert seen["query"] == {"a": ["1", " "]}
    assert (seen["type"], seen["twice"]) == ("text/x", ["1", "2"])
    assert seen["client"] == "127.0.0.1"
    assert seen["body"] == "\x00\xff"


@pytest.mark.parametrize("path", ["/seen/a%2Fb", "/seen/%C3%A9%20", "/seen/%", "/seen/a;b=c", "/seen/..%2f", "/seen//"])
def test_paths_reach_the_handler_as_they_were_sent(path: str, site: SiteServer) -> None:
    """Nothing is decoded, joined or cleaned on the way (HTTP-17)."""
    answer = site.say(f"GET {path}?q=%2F HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n")
    seen = msgspec.json.decode(head_and_body(answer)[1])
    assert (seen["path"], seen["url"]) == (path, f"http://a.test{path}?q=%2F")


def test_a_trusted_proxy_says_what_the_client_sees(site: SiteServer) -> None:
    """Scheme, host and client's address; the headers are still there to be read."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "site.test", "X-Forwarded-For": "192.0.2.7"}
    seen = site.get("/seen", headers=headers).json()
    assert (seen["url"], seen["client"]) == ("https://site.test/seen", "192.0.2.7")
    assert ["x-forwarded-for", "192.0.2.7"] in seen["headers"]


def test_a_request_without_a_host_that_could_be_one_is_refused(site: SiteServer) -> None:
    """Before anything runs."""
    answer = site.say(b"GET /seen HTTP/1.1\r\nHost: a/../b\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_000_000])
@pytest.mark.parametrize("path", ["/echo", "/stream"])
def test_bodies_of_every_size_reach_it_whole(path: str, size: int, site: SiteServer) -> None:
    """Empty and binary ones, too, read whole or as they come (HTTP-18)."""
    body = os.urandom(size)
    assert site.post(path, body).content == body
    chunked = iter([body[: size // 2], body[size // 2 :]])
    assert site.post(path, chunked).content == body


def test_bodies_of_get_are_not_passed_on(site: SiteServer) -> None:
    """They mean nothing (RFC 9110, section 9.3.1), and the connection goes on behind them."""
    body = b"x" * 100_000
    request = b"GET /seen HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answers = site.say(request + b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert b'"body":""' in answers
    assert answers.endswith(b"the root")


def test_json_that_is_none_fails_like_other_code(site: SiteServer) -> None:
    """And JSON that is some is parsed; the text is still there."""
    assert site.post("/json", b'{"a":1}').json() == {"text": '{"a":1}', "value": {"a": 1}}
    assert site.post("/json", b"{").status_code == 500


def test_an_action_may_answer_without_reading(site: SiteServer) -> None:
    """Whatever is not read is dropped, and the connection serves the next request."""
    for _ in range(2):
        assert site.post("/ignores", b"x" * 3_000_000).text == "ignored"


# -- responses


def test_several_headers_of_one_name_are_kept(site: SiteServer) -> None:
    """Set-Cookie, which no comma can join, above all; and no body is an empty one (HTTP-9)."""
    answer = site.get("/cookies")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.content == b""
    assert answer.headers["content-length"] == "0"


def test_a_response_streams_while_it_is_made(site: SiteServer) -> None:
    """Each event is there before the next one is made: its gate is opened by whoever has read this one."""
    with site.client.stream("GET", f"{site.url}/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line)
        for number in range(3):
            assert next(lines) == f"data: {number}"
            site.get(f"/gates/event{number}")
        assert list(lines) == []


def test_a_request_streams_into_a_response(site: SiteServer) -> None:
    """A piece comes back before the next one is sent, over one connection."""
    with site.connect() as peer:
        peer.sendall(b"POST /stream HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        received = b""
        for piece in (b"one", b"two", b"three"):
            peer.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            while piece not in received:
                received += peer.recv(1 << 16)
        peer.sendall(b"0\r\n\r\n")
        assert (received + read_to_end(peer)).endswith(b"0\r\n\r\n")


def test_it_calls_functions_as_actions_do(site: SiteServer) -> None:
    """Each mutation is committed when it returns (HTTP-10)."""
    before = site.post("/note", b"first").json()
    assert site.post("/note", b"second").json() == [*before, "second"]


def test_the_environment_knows_the_origins(site: SiteServer) -> None:
    """As they are declared, otherwise as they are listened on (HTTP-16)."""
    env = site.get("/env").json()
    assert (env["CONVEX_CLOUD_URL"], env["CONVEX_SITE_URL"]) == (site.api_url, "https://site.test")


# -- who asks


def test_a_token_gives_the_identity(site: SiteServer) -> None:
    """To the action and to what it calls; without a header it is nobody's (HTTP-11)."""
    assert site.get("/who").json() == [None, None]
    assert site.get("/who", headers={"Authorization": "Bearer ann"}).json() == ["ann", "ann"]


@pytest.mark.parametrize("value", ["Bearer forged", "Bearer", "x", "", "Basic YTpi", "Convex no|key", "Convex k:!"])
def test_a_foreign_header_fails_only_who_asks_for_the_identity(value: str, site: SiteServer) -> None:
    """It may be the app's own; looking at the identity raises then (HTTP-11)."""
    headers = {"Authorization": value}
    assert site.get("/header", headers=headers).text == value
    answer = site.get("/who", headers=headers)
    assert answer.status_code == 500
    assert "Uncaught TokenRefused: " in answer.json()["code"]


# -- failures


def test_an_uncaught_error_is_a_500_that_keeps_its_secrets(site: SiteServer) -> None:
    """In production: an id that is in the log, an AppError's data, nothing else (HTTP-12)."""
    answer = site.get("/fails/x")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    assert re.fullmatch(r"\[Request ID: [0-9a-f]{16}\] Server Error", answer.json().pop("code"))
    assert answer.json().keys() == {"code"}
    app_error = site.get("/fails/app").json()
    assert re.fullmatch(
        r'\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught ConvexError: \{"code":7\}', app_error["code"]
    )
    assert app_error["data"] == {"code": 7}
    assert "trace" not in app_error


def test_in_development_the_error_is_told(tmp_path: Path) -> None:
    """With message and trace (HTTP-12)."""
    with served(tmp_path, development=True) as server:
        told = server.get("/fails/x").json()
        wrong = server.get("/fails/type").json()
        injected = server.get("/fails/injected").json()
    assert re.fullmatch(r"\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught ValueError: secret", told["code"])
    assert re.fullmatch(r"    at fails \(app_functions/web.py:\d+\)", told["trace"])
    assert wrong["code"].endswith("an HTTP action returns a Response, and this one returned str")
    assert "X-Name takes one line of Latin-1 text" in injected["code"]


@pytest.mark.parametrize("path", ["/fails/late", "/fails/piece", "/fails/short"])
def test_an_error_after_the_start_cuts_the_body(path: str, site: SiteServer) -> None:
    """The status was sent; the end of the body is missing, so that no client takes it for whole (HTTP-13)."""
    answer = site.say(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert not answer.endswith(b"0\r\n\r\n")


# -- size, and clients that are slow or gone


def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """
    At once if its length is declared, otherwise where it passes the limit; a response likewise (HTTP-14).

    What is as large as allowed passes.
    """
    with served(tmp_path, limits="http_body_bytes = 200_000") as server:
        assert server.post("/echo", b"x" * 200_000).content == b"x" * 200_000
        declared = server.post("/echo", b"x" * 200_001)
        assert (declared.status_code, declared.json()["code"]) == (413, "RequestTooLarge")
        too_large = "The request's body is larger than 200,000 bytes; raise limits.http_body_bytes in joelclaw.toml"
        assert declared.json()["message"] == f"{too_large}, or send less"
        chunked = server.post("/echo", iter([b"x" * 50_000] * 5))
        assert chunked.status_code == 413
        assert "The request's body is larger than 200,000 bytes" in chunked.json()["code"]
        assert server.get("/fails/large").status_code == 500
        with server.connect() as peer:
            peer.sendall(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
            cut = read_to_end(peer)
        assert 150_000 < len(cut) < 210_000
        assert not cut.endswith(b"0\r\n\r\n")


def test_an_action_goes_on_when_its_client_is_gone(site: SiteServer) -> None:
    """What it does is done, what it answers is dropped (HTTP-15)."""
    with site.connect() as peer:
        peer.sendall(b"GET /goes-on HTTP/1.1\r\n" + HOST + b"\r\n")
        site.get("/await/going%20on")
    site.get("/gates/go%20on")
    site.get("/await/went%20on")
    assert "went on" in site.post("/note", b"last").json()


@pytest.mark.parametrize("stream", ["endless", "waits"])
def test_a_stream_whose_client_is_gone_is_closed(stream: str, site: SiteServer) -> None:
    """Its `finally` blocks run, as nobody will read it; also if it is waiting, and not for its client."""
    with site.connect() as peer:
        peer.sendall(b"GET /" + stream.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert peer.recv(1000)
    assert site.get(f"/await/{stream}%20closed").status_code == 200


def test_an_action_is_told_of_a_body_that_ends_early(site: SiteServer) -> None:
    """Its client left in the middle of it."""
    with site.connect() as peer:
        peer.sendall(b"POST /half HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nhalf")
    assert site.get("/await/half").json()["ClientGone"] == 1


def test_a_slow_client_slows_the_stream(site: SiteServer) -> None:
    """What is made ahead of a client that does not read is bounded by what lies on the way."""
    with site.connect() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        peer.sendall(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
        peer.recv(1000)
        before = settled_pieces(site)
        for _ in range(100):
            peer.recv(50_000)
        assert settled_pieces(site) > before
    # 50 kB each: the window, the socket's buffers, and nothing like what an endless stream makes.
    assert before < 200


def settled_pieces(site: SiteServer) -> int:
    """How many pieces the endless stream has made, once it makes no more."""
    site.get("/gates/count")
    made = -1
    while made != (now := site.get("/await/count").json()["pieces"]):
        made = now
    return made


def peak_bytes(pid: int) -> int:
    """The most that a process has had in memory since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> int:
    """Begin to count anew; what it has in memory now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_bytes(pid)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read where Linux keeps it")
def test_large_bodies_pass_through_bounded_memory(tmp_path: Path) -> None:
    """200 MB up and down again, and neither the gateway nor the actor has grown by a twentieth of it."""
    size = 200_000_000
    piece = b"x" * 1_000_000
    with served(tmp_path, limits="http_body_bytes = 1_000_000_000") as server, server.connect() as peer:
        actor = server.get("/env").json()["pid"]
        gc.collect()
        before = {pid: forget_peak(pid) for pid in (os.getpid(), actor)}

        def upload() -> None:
            peer.sendall(b"POST /stream HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(piece)):
                peer.sendall(piece)

        sending = threading.Thread(target=upload)
        sending.start()
        received, buffer = 0, bytearray(1 << 20)
        while received < size:
            count = peer.recv_into(buffer)
            assert count, "the response ended early"
            received += count
        sending.join()
        grown = {pid: peak_bytes(pid) - memory for pid, memory in before.items()}
    print(f"grown by {[f'{bytes_ / 1e6:.1f} MB' for bytes_ in grown.values()]}")
    assert max(grown.values()) < size / 20


def test_stopping_answers_what_runs(tmp_path: Path) -> None:
    """An action that does not end in its time is cancelled: its client hears of it, and the server leaves."""
    answers: list[Any] = []
    with served(tmp_path, limits="action_drain_s = 0.1") as server:
        waiting = threading.Thread(target=lambda: answers.append(server.get("/goes-on")))
        waiting.start()
        server.get("/await/going%20on")
    waiting.join()
    [answer] = answers
    assert answer.status_code == 503
    assert "The server is shutting down" in answer.json()["code"]


def test_a_crash_fails_what_ran_and_nothing_else(tmp_path: Path) -> None:
    """A request without a head yet gets a 500 that says so, a body that was begun is cut, and a new process answers."""
    with served(tmp_path, development=True) as server:
        died = server.get("/dies/at once")
        assert died.status_code == 500
        assert "The process that ran this action ended before it answered" in died.json()["code"]
        assert server.get("/").text == "the root"
        with server.connect() as peer:
            peer.sendall(b"GET /dies/late HTTP/1.1\r\n" + HOST + b"\r\n")
            begun = b""
            while b"begun" not in begun:
                begun += peer.recv(1000)
            server.get("/gates/die")
            assert not (begun + read_to_end(peer)).endswith(b"0\r\n\r\n")
        assert server.get("/").text == "the root"


def test_routes_change_with_a_save(tmp_path: Path) -> None:
    """New ones answer, those that are gone do not, and a response that was begun goes on on its old code."""
    with served(tmp_path, development=True) as server, server.connect() as peer:
        peer.sendall(b"GET /events HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        received = b""
        while b"data: 0" not in received:
            received += peer.recv(1000)
        web = tmp_path / "app" / "app_functions" / "web.py"
        save(web, web.read_text().replace('"/cookies"', '"/biscuits"').replace("data: %d", "new: %d"))
        assert server.live_again.wait(PATIENCE_S)
        assert server.get("/biscuits").status_code == 200
        assert server.get("/cookies").status_code == 404
        peer.shutdown(socket.SHUT_RDWR)
