"""What proxies say of a request, and who is believed."""

from typing import Any

import pytest

from joelclaw.http.forwarding import Proxies, Seen

TRUSTED = ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32")


def scope(*headers: tuple[str, str], peer: str | None = "127.0.0.1", host: str = "site.test:3211") -> Any:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {
        "scheme": "http",
        "client": None if peer is None else (peer, 5),
        "server": ("127.0.0.1", 3211),
        "headers": [*([(b"host", host.encode("latin-1"))] if host else []), *raw],
    }


def seen(*headers: tuple[str, str], trusted: tuple[str, ...] = TRUSTED, **options: Any) -> Seen:
    return Proxies(trusted).seen(scope(*headers, **options))


def test_without_a_proxy_a_request_is_what_it_says() -> None:
    """Scheme of the socket, `Host`, the peer."""
    assert seen() == ("http", "site.test:3211", "127.0.0.1")
    assert seen(host="") == ("http", "127.0.0.1:3211", "127.0.0.1")
    assert seen(peer=None).client is None


@pytest.mark.parametrize("peer", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db9::1", "not an address"])
def test_whoever_is_not_trusted_is_not_believed(peer: str) -> None:
    """The headers are there for the app to read, and change nothing."""
    forged = [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.test"), ("x-forwarded-for", "1.2.3.4")]
    assert seen(*forged, ("forwarded", "proto=https;host=evil.test;for=1.2.3.4"), peer=peer) == (
        "http",
        "site.test:3211",
        peer,
    )
    assert seen(*forged, trusted=()).scheme == "http"


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    """By address or by network, of either version, mapped addresses included."""
    headers = [("x-forwarded-proto", "https"), ("x-forwarded-host", "a.test"), ("x-forwarded-for", "192.0.2.7")]
    assert seen(*headers, peer=peer) == ("https", "a.test", "192.0.2.7")
    assert seen(("forwarded", 'for="[2001:db9::1]:47";proto=https;host="a.test"'), peer=peer) == (
        "https",
        "a.test",
        "2001:db9::1",
    )


def test_the_client_is_the_first_that_is_no_proxy() -> None:
    """From the near end: what stands before it, its client may have written itself."""
    assert seen(("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.5")).client == "192.0.2.7"
    assert seen(("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7:80, 10.0.0.5")).client == "192.0.2.7"
    assert seen(("x-forwarded-for", "10.0.0.9, 10.0.0.5")).client == "10.0.0.9"
    assert seen(("x-forwarded-for", "unknown, 10.0.0.5")).client == "10.0.0.5"
    assert seen(("forwarded", "for=6.6.6.6, for=192.0.2.7;proto=http, for=10.0.0.5")).client == "192.0.2.7"


def test_the_nearest_proxy_says_scheme_and_host() -> None:
    """Where several have added to one list, and X-Forwarded-* before Forwarded."""
    headers = [("x-forwarded-proto", "http, https"), ("x-forwarded-host", "evil.test, a.test")]
    assert seen(*headers, ("forwarded", "proto=http;host=b.test"))[:2] == ("https", "a.test")
    assert seen(("forwarded", "proto=http;host=b.test, proto=https;host=c.test"))[:2] == ("https", "c.test")


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a?b", "[::1", "é", "a:123456", "a:b"])
def test_a_host_that_is_none_is_none(host: str) -> None:
    """Nothing of it gets into an address."""
    assert seen(host=host).host == ""
    assert seen(("x-forwarded-host", host)).host == ""


@pytest.mark.parametrize("host", ["a", "a.test:80", "127.0.0.1", "[::1]:80", "xn--bcher-kva.test"])
def test_hosts(host: str) -> None:
    """Names and addresses, with and without a port."""
    assert seen(host=host).host == host


def test_a_scheme_that_is_none_is_http() -> None:
    """A proxy that says something else is misconfigured."""
    assert seen(("x-forwarded-proto", "javascript")).scheme == "http"
