"""
Forwarding: where a request was really sent, and by whom, when a proxy stands between.

`X-Forwarded-Proto`, `-Host` and `-For`, and `Forwarded` (RFC 7239), are believed only if the peer is a
proxy that the deployment trusts: anybody else can write them, too. Of a header to which several
proxies have added, the nearest one's word counts for scheme and host; the client is the first
address, from the near end, that is not a trusted proxy itself.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, TypeAlias

from joelclaw.auth.addresses import is_loopback
from joelclaw.http.requests import Scope

Network: TypeAlias = IPv4Network | IPv6Network

_HOST: Final = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_SCHEMES: Final = frozenset({"http", "https"})
_BY_PROXIES: Final = frozenset({b"forwarded", b"via", b"x-real-ip"})
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"\s]*)\s*(?:[;,]|$)')


class Seen(NamedTuple):
    """A request as its client sees it."""

    scheme: str
    host: str
    """With the port, if one was named; empty if it is none that an address could have."""

    client: str | None
    """The client's address."""


class Proxies:
    """The proxies whose word counts."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """Each an address or a network: `10.0.0.0/8`."""
        self._networks: tuple[Network, ...] = tuple(ip_network(text, strict=False) for text in trusted)

    def seen(self, scope: Scope) -> Seen:
        """What a request looks like from outside."""
        headers = _read(scope)
        peer = scope["client"][0] if scope.get("client") else None
        host = headers.get("host", "")
        if not host and scope.get("server"):
            name, port = scope["server"][:2]
            host = f"{name}:{port}"
        scheme = scope.get("scheme", "http")
        if peer is None or not self._trusts(peer):
            return Seen(scheme, _valid(host), peer)
        said = _forwarded(headers.get("forwarded", ""))
        scheme = _nearest(headers.get("x-forwarded-proto")) or said.scheme or scheme
        host = _nearest(headers.get("x-forwarded-host")) or said.host or host
        route = _addresses(headers["x-forwarded-for"]) if "x-forwarded-for" in headers else said.route
        return Seen(scheme if scheme in _SCHEMES else "http", _valid(host), self._client(route, peer))

    def _client(self, route: list[str], peer: str) -> str:
        client = peer
        for address in reversed(route):
            if not _is_address(address):
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, text: str) -> bool:
        if not self._networks or not _is_address(text):
            return False
        address = _address(text)
        return any(address.version == network.version and address in network for network in self._networks)


def is_from_here(scope: Scope) -> bool:
    """
    Whether a request comes from a program on this machine that has asked for this machine.

    Not by a proxy, who says so in a header, nor by a name that somebody has let lead here (DNS rebinding).
    """
    headers = scope["headers"]
    if not scope.get("client") or not is_loopback(scope["client"][0]):
        return False
    if any(name in _BY_PROXIES or name.startswith(b"x-forwarded-") for name, _ in headers):
        return False
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    name = _without_port(hosts[0]).lower() if len(hosts) == 1 else ""
    return name == "localhost" or is_loopback(name)


class _Forwarded(NamedTuple):
    scheme: str
    host: str
    route: list[str]


def _forwarded(text: str) -> _Forwarded:
    """What a `Forwarded` header says: of scheme and host the last, of addresses all."""
    scheme, host, route = "", "", []
    for name, value in _PAIR.findall(text):
        value = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        match name.lower():
            case "proto":
                scheme = value.lower()
            case "host":
                host = value
            case "for":
                route.append(_without_port(value))
    return _Forwarded(scheme, host, route)


def _read(scope: Scope) -> dict[str, str]:
    """The headers that matter here; several of one name are one list."""
    wanted = {b"host", b"forwarded", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-for"}
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        if raw_name in wanted:
            name, value = raw_name.decode(), raw_value.decode("latin-1").strip()
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _nearest(text: str | None) -> str:
    return "" if text is None else text.rpartition(",")[2].strip()


def _addresses(text: str) -> list[str]:
    return [_without_port(part.strip()) for part in text.split(",")]


def _without_port(text: str) -> str:
    """The address of `[::1]:80`, `[::1]`, `10.0.0.1:80` or `::1`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _valid(host: str) -> str:
    return host if _HOST.fullmatch(host) else ""
