"""
Outbound requests: what the gateway asks of others who know who people are.

Where it asks is partly somebody else's word: discovery names endpoints, a name leads to an address.
So nothing is followed or believed by itself:

- https, outside development;
- no redirects, no cookies, no proxies from the environment, no compression;
- 10 seconds for all of it, and a mebibyte;
- public addresses only, unless an entry of the declaration allows a private network. It is the
  address of the connection that is judged, not a look-up before it, so that a name cannot
  lead elsewhere in between.

An error names scheme, host and path: never a query, a header or a body, where the secrets are.

httpcore is what httpx is built upon. It has none of what would have to be switched off, and lets us
say where connections go.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpcore
import msgspec

from joelclaw.errors import ProviderFailed

TOTAL_S: Final = 10.0
ANSWER_BYTES: Final = 2**20
CONNECTIONS_MAX: Final = 32
KEEP_ALIVE_S: Final = 30.0

_USER_AGENT: Final = "joelclaw"
"""GitHub refuses requests without one."""

_NAT64: Final = IPv6Network("64:ff9b::/96")


class Reply(NamedTuple):
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    """By name in small letters."""

    body: bytes
    place: str
    """Where it is from, for errors."""

    def json(self) -> Any:
        """
        The body, decoded.

        Raises:
            ProviderFailed: It is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            kind = self.headers.get("content-type", "no content type")
            raise ProviderFailed(self.place, f"answered {self.status} with what is no JSON ({kind[:80]!r})") from None

    def fields(self) -> dict[str, Any]:
        """
        The JSON object of a success.

        Raises:
            ProviderFailed: It is none, or no success.
        """
        if self.status != 200:
            raise ProviderFailed(self.place, f"answered with status {self.status}")
        said = self.json()
        if not isinstance(said, dict):
            raise ProviderFailed(self.place, "answered with what is no JSON object")
        return said


class Outbound:
    """Asks others. One for a server, in its event loop."""

    def __init__(self, *, development: bool, total_s: float = TOTAL_S) -> None:
        self._development = development
        self._total_s = total_s
        self._pools: dict[bool, httpcore.AsyncConnectionPool] = {}

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, private: bool = False) -> Reply:
        """
        Ask for something. `private` addresses only if the declaration says so.

        Raises:
            ProviderFailed: It may not be asked, or there is no whole answer in time.
        """
        return await self._ask("GET", url, headers or {}, None, private=private)

    async def post_form(self, url: str, body: str, headers: Mapping[str, str], *, private: bool = False) -> Reply:
        """
        Post a form that is already encoded.

        Raises:
            ProviderFailed: As for `get`.
        """
        typed = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", url, typed, body.encode(), private=private)

    async def close(self) -> None:
        """Hang up."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def refusal(self, url: str) -> str | None:
        """Why an address is never asked, as far as it can be told from itself."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
            return "is no address of a web server"
        if parts.scheme == "http" and not self._development:
            return "is not https, which is for development only"
        return None

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, private: bool
    ) -> Reply:
        place = place_of(url)
        refusal = self.refusal(url)
        if refusal is not None:
            raise ProviderFailed(place, refusal)
        # The order matters: the first of a name wins with some servers.
        sent = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with asyncio.timeout(self._total_s):
                return await self._exchange(method, url, sent, body, private, place)
        except TimeoutError:
            raise ProviderFailed(place, f"did not answer within {self._total_s:g} s") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise ProviderFailed(place, f"cannot be reached: {type(error).__name__}: {error}"[:300]) from error

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, private: bool, place: str
    ) -> Reply:
        pool = self._pool(private)
        async with pool.stream(method, url, headers=list(headers.items()), content=body) as response:
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if told.get("content-encoding", "identity") != "identity":
                raise ProviderFailed(place, "compresses its answer, which it was not asked for")
            received = bytearray()
            async for piece in response.aiter_stream():
                received += piece
                if len(received) > ANSWER_BYTES:
                    raise ProviderFailed(place, f"answers with more than {ANSWER_BYTES:,} bytes")
            return Reply(response.status, told, bytes(received), place)

    def _pool(self, private: bool) -> httpcore.AsyncConnectionPool:
        if private not in self._pools:
            self._pools[private] = httpcore.AsyncConnectionPool(
                ssl_context=_trusting(),
                max_connections=CONNECTIONS_MAX,
                keepalive_expiry=KEEP_ALIVE_S,
                network_backend=_Network(private=private),
            )
        return self._pools[private]


class _Network(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that may be connected to, and no others."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's name for it)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        allowed = [address for address in addresses if self._private or is_public(address)]
        if not allowed:
            raise ProviderFailed(
                host, "leads into a private network; if it is meant to, write private_network = true in its table"
            )
        failed: Exception | None = None
        for address in allowed:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failed = error
        assert failed is not None
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def is_public(text: str) -> bool:
    """Whether an address is somewhere on the internet, also of one that stands for another."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    meant = _meant(address) if isinstance(address, IPv6Address) else []
    return _is_global(address) and all(_is_global(one) for one in meant)


def place_of(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:200]


def _meant(address: IPv6Address) -> list[IPv4Address]:
    """The addresses that one of the other kind leads to: mapped, 6to4, NAT64."""
    meant = [found for found in (address.ipv4_mapped, address.sixtofour) if found is not None]
    if address in _NAT64:
        meant.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return meant


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return True  # Judged by what it stands for; Pythons differ about the form itself.
    return address.is_global and not address.is_multicast


def _trusting() -> ssl.SSLContext:
    """The system's certificates, or `SSL_CERT_FILE`; those of certifi where a system has none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return ssl.create_default_context()
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
