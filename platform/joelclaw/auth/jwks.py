"""
Key sets of other issuers: fetched, kept as long as they say, and kept longer when they cannot be had.

    fresh         as long as the answer's own headers say, at least a minute, at most a day
    stale         used for another day while nothing better can be had, and asked for again twice a minute
    unknown key   asked for again at once, at most once a minute: issuers publish a key before they sign
                  with it, and whoever makes up names of keys makes nobody ask more

One request is under way for an address at any time, and whoever waits for it may give up without the others
noticing. A set that was fetched again and is the same stays the same object, so that what was
verified with it need not be verified again.

A key belongs to one algorithm, by its own kind; nothing in a token chooses it. What is in a set beside
public keys that we can use is left out, symmetric keys above all.

Elsewhere: `outbound.py` has the rules of asking others; `tokens.py` uses keys.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from joelclaw.auth.issuers import Algorithm, Issuer, data_of, plain_name
from joelclaw.auth.outbound import Outbound, Reply
from joelclaw.clock import Clock
from joelclaw.errors import ProviderFailed

FRESH_S_MIN: Final = 60.0
FRESH_S_MAX: Final = 86_400.0
FRESH_S: Final = 600.0
"""Of an answer that does not say."""

STALE_S_MAX: Final = 86_400.0
ASK_AGAIN_S: Final = 60.0
"""For an unknown key."""

RETRY_S: Final = 30.0
"""After a failure, while an old copy serves."""

RETRY_EMPTY_S: Final = 2.0
"""After a failure, while nobody can be let in."""

KEYS_MAX: Final = 100
HELD_MAX: Final = 256
RSA_BITS_MIN: Final = 2_048

T = TypeVar("T")
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

log = structlog.get_logger("joelclaw.auth")


class Key:
    """A public key of an issuer."""

    def __init__(self, kid: str | None, algorithm: Algorithm, public: PublicKey) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._public = public

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Was this signed with its private half?"""
        try:
            match self._public:
                case RSAPublicKey() as key:
                    key.verify(signature, signed, PKCS1v15(), SHA256())
                case Ed25519PublicKey() as key:
                    key.verify(signature, signed)
                case EllipticCurvePublicKey() as key:
                    key.verify(_der(signature), signed, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def _der(signature: bytes) -> bytes:
    """RFC 7518, section 3.4: two numbers of 32 bytes, which libraries want in another form."""
    if len(signature) != 64:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


class KeySet:
    """The keys of an issuer at one time."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)

    def find(self, kid: str) -> tuple[Key, ...]:
        """The keys of this name: one, or one for each algorithm."""
        return tuple(key for key in self.keys if key.kid == kid)


def read_key_set(body: bytes) -> KeySet:
    """
    The keys in a JWK Set (RFC 7517, section 5) that tokens can be verified with.

    Raises:
        ValueError: It is none.
    """
    try:
        described = msgspec.json.decode(body, type=_Described).keys
    except msgspec.ValidationError:
        raise ValueError('Invalid JWKS response body: it is no object with "keys"') from None
    except (ValueError, RecursionError):
        raise ValueError("Invalid JWKS response body: it is not valid JSON") from None
    if len(described) > KEYS_MAX:
        raise ValueError(f"Invalid JWKS response body: it has more than {KEYS_MAX} keys")
    return KeySet(key for key in map(_read_key, described) if key is not None)


class _Described(msgspec.Struct):
    keys: list[dict[str, Any]]


def _read_key(described: Mapping[str, Any]) -> Key | None:
    """A key, if it is of a kind that we know and meant for signatures."""
    kid, use, meant_for = (described.get(name) for name in ("kid", "use", "alg"))
    if use not in (None, "sig") or not isinstance(kid, (str, type(None))):
        return None
    try:
        found = _public_key(described)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if found is None or meant_for not in (None, found[0]):
        return None
    return Key(kid, *found)


def _public_key(described: Mapping[str, Any]) -> tuple[Algorithm, PublicKey] | None:
    fields: Any = dict(described)
    match described.get("kty"):
        case "RSA":
            rsa = RSAKey.import_key(fields).public_key
            return ("RS256", rsa) if rsa.key_size >= RSA_BITS_MIN else None
        case "EC":
            curve = ECKey.import_key(fields).public_key
            return ("ES256", curve) if isinstance(curve.curve, SECP256R1) else None
        case "OKP":
            edwards = OKPKey.import_key(fields).public_key
            return ("EdDSA", edwards) if isinstance(edwards, Ed25519PublicKey) else None
    return None


# -- fetched


class _Held(Generic[T]):
    """What is known of one address."""

    def __init__(self) -> None:
        self.document: T | None = None
        self.body = b""
        self.validators: dict[str, str] = {}
        self.fresh_until = 0.0
        self.asked_at = float("-inf")
        self.failure: ProviderFailed | None = None
        """Why the last answer was none."""

        self.fetching: asyncio.Task[None] | None = None


class KeySets:
    """The key sets of all issuers, and where they are. One for a server, in its event loop."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._held: dict[tuple[str, bool], _Held[Any]] = {}
        self._given: dict[str, KeySet] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def aclose(self) -> None:
        """Hang up."""
        await self._outbound.close()

    async def get(self, issuer: Issuer, *, again: bool = False) -> KeySet:
        """
        The keys of an issuer. `again`: one is missing in those that there are; ask, if that is not long ago.

        Raises:
            ProviderFailed: They cannot be had now, and none are kept.
        """
        url = issuer.jwks
        if url is None:
            url = await self._document(issuer, issuer.discovery, lambda reply: _key_address(reply, issuer))
        if url.startswith("data:"):
            if url not in self._given:
                self._given[url] = read_key_set(data_of(url))
            return self._given[url]
        return await self._document(issuer, url, _fetched_key_set, again=again)

    async def _document(self, issuer: Issuer, url: str, read: Callable[[Reply], T], *, again: bool = False) -> T:
        key = url, issuer.private_network
        if key not in self._held and len(self._held) >= HELD_MAX:
            self._held.clear()  # Addresses that discovery has named once. Those in use come back.
        held: _Held[T] = self._held.setdefault(key, _Held())
        if self._is_due(held, again=again):
            if held.fetching is None:
                held.fetching = asyncio.create_task(self._fetch(held, url, read, private=issuer.private_network))
                held.fetching.add_done_callback(lambda _: setattr(held, "fetching", None))
            # Whoever gives up waiting must not take the answer from the others.
            await asyncio.shield(held.fetching)
        if held.document is not None and self._clock.now_ms() < held.fresh_until + STALE_S_MAX * 1000:
            return held.document
        failure = held.failure or ProviderFailed(url, "has not answered")
        raise ProviderFailed(failure.place, failure.reason)  # A new one each time: tracebacks grow.

    def _is_due(self, held: _Held[Any], *, again: bool) -> bool:
        now = self._clock.now_ms()
        since_ms = now - held.asked_at
        if since_ms < 0:
            return True  # The clock was set back: what it said of freshness means nothing.
        if held.failure is not None:
            return since_ms >= (RETRY_EMPTY_S if held.document is None else RETRY_S) * 1000
        return now >= held.fresh_until or (again and since_ms >= ASK_AGAIN_S * 1000)

    async def _fetch(self, held: _Held[T], url: str, read: Callable[[Reply], T], *, private: bool) -> None:
        try:
            reply = await self._outbound.get(url, held.validators, private=private)
            if reply.status != 304 or held.document is None:
                self._take(held, reply, read)
        except ProviderFailed as error:
            held.asked_at, held.failure = self._clock.now_ms(), error
            log.warning("an issuer's keys could not be fetched", reason=str(error), kept=held.document is not None)
        else:
            held.asked_at, held.failure = self._clock.now_ms(), None
            held.fresh_until = held.asked_at + fresh_s(reply.headers, held.asked_at) * 1000

    @staticmethod
    def _take(held: _Held[T], reply: Reply, read: Callable[[Reply], T]) -> None:
        if reply.status != 200:
            raise ProviderFailed(reply.place, f"answered with status {reply.status}")
        if held.document is None or reply.body != held.body:
            held.document, held.body = read(reply), reply.body
        asking = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        held.validators = {asks: reply.headers[name] for name, asks in asking.items() if name in reply.headers}


def _key_address(reply: Reply, issuer: Issuer) -> str:
    said = reply.fields()
    named, url = said.get("issuer"), said.get("jwks_uri")
    if not isinstance(named, str) or plain_name(named) != issuer.name:
        raise ProviderFailed(reply.place, f"is the discovery document of another issuer: {named!r:.80}")
    if not isinstance(url, str) or url.startswith("data:"):
        raise ProviderFailed(reply.place, "does not say where its keys are: it has no jwks_uri")
    return url


def _fetched_key_set(reply: Reply) -> KeySet:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/jwk-set+json"):
        raise ProviderFailed(reply.place, f"answered with {kind[:80]!r}, which is no content type of a key set")
    try:
        return read_key_set(reply.body)
    except ValueError as error:
        raise ProviderFailed(reply.place, f"has no key set: {error}") from None


def fresh_s(headers: Mapping[str, str], now_ms: float) -> float:
    """How long an answer may be used, by its own headers (RFC 9111, sections 4.2.1 and 5.2.2) and within our bounds."""
    return min(max(_declared_s(headers, now_ms), FRESH_S_MIN), FRESH_S_MAX)


def _declared_s(headers: Mapping[str, str], now_ms: float) -> float:
    directives = {
        name.strip().lower(): value.strip(' "')
        for name, _, value in (one.partition("=") for one in headers.get("cache-control", "").split(","))
    }
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    if "max-age" in directives:
        age = headers.get("age", "0")
        return _whole(directives["max-age"]) - _whole(age)
    if "expires" in headers:
        try:
            return parsedate_to_datetime(headers["expires"]).timestamp() - now_ms / 1000
        except (ValueError, OverflowError):
            return 0.0
    return FRESH_S


def _whole(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0.0
