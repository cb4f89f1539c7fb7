"""
Issuers: who else's tokens count, as joelclaw.toml declares them.

    [[auth.issuers]]
    type = "oidc"
    domain = "https://verb-noun-00.clerk.accounts.dev"
    application_id = "convex"

A token is for the first entry whose issuer is its `iss` and whose application, if it names one, is in
its `aud`. Issuers are compared without a slash at the end and with `https://` where no scheme is
written: their own papers do not agree about either.

What is wrong with an entry is told when it is declared, with its line. What is merely unwise is
told as advice.

Elsewhere: `jwks.py` fetches keys; `tokens.py` verifies.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NoReturn, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from joelclaw.config import Config
from joelclaw.config_auth import Issuer as Declared
from joelclaw.errors import ConfigRefused

Algorithm: TypeAlias = Literal["RS256", "ES256", "EdDSA"]

_OIDC_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "EdDSA")
_HOST = re.compile(r"(localhost|\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+)(:[0-9]{1,5})?(/.*)?")


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose tokens count."""

    kind: Literal["oidc", "custom_jwt"]
    name: str
    """As `plain_name` of their tokens' `iss`."""

    application_id: str | None
    algorithms: tuple[Algorithm, ...]
    """What tokens are signed with, whatever they say themselves."""

    jwks: str | None
    """Where the keys are; None: where discovery says."""

    private_network: bool = False

    @property
    def discovery(self) -> str:
        """Where an OpenID issuer says where its keys are (OpenID Connect Discovery, section 4)."""
        return f"{self.name}/.well-known/openid-configuration"

    def __str__(self) -> str:
        """As people who look for their mistake know it from elsewhere."""
        if self.kind == "oidc":
            return f"OIDC(domain={self.name}, app_id={self.application_id})"
        return f"CustomJWT(issuer={self.name}, app_id={self.application_id})"


def plain_name(issuer: str) -> str:
    """An issuer's name as it is compared."""
    name = issuer.rstrip("/")
    return name if "://" in name else f"https://{name}"


def find_issuer(issuers: Iterable[Issuer], iss: str, audience: Any) -> Issuer | None:
    """The first whose token this could be."""
    name = plain_name(iss)
    audiences = audience if isinstance(audience, list) else [audience]
    return next(
        (
            issuer
            for issuer in issuers
            if issuer.name == name and (issuer.application_id is None or issuer.application_id in audiences)
        ),
        None,
    )


def issuers_of(config: Config, *, own: str | None, development: bool) -> tuple[Issuer, ...]:
    """
    What the declaration says. `own` is the name that the deployment's own tokens have, if it makes any.

    Raises:
        ConfigRefused: An entry is incomplete, unsafe, or a second one of the same tokens.
    """
    reader = _Reader(config, development=development)
    issuers = tuple(reader.read(place, declared) for place, declared in enumerate(config.auth.issuers))
    for place, issuer in enumerate(issuers):
        if own is not None and issuer.name == plain_name(own):
            reader.refuse(
                place, f"{issuer.name} is this deployment's own issuer; have the other one issue under an origin of its"
            )
        if any((issuer.name, issuer.application_id) == (one.name, one.application_id) for one in issuers[:place]):
            reader.refuse(place, f"{issuer} is declared twice; leave one of them out")
    return issuers


def advice_of(issuers: Iterable[Issuer]) -> Iterator[str]:
    """Sentences about entries that say what is hardly meant."""
    for issuer in issuers:
        # What has a path is a tenant, a project or a client; a custom one is somebody's own, often.
        if issuer.application_id is None and (issuer.kind == "oidc" or not urlsplit(issuer.name).path):
            yield (
                f"{issuer} takes the tokens that {issuer.name} makes for anybody's app; "
                f"write application_id, which is the `aud` of those for yours"
            )


def data_of(url: str) -> bytes:
    """
    What a `data:` URL holds (RFC 2397).

    Raises:
        ValueError: It is none.
    """
    head, comma, data = url.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("a data: URL has a comma before what it holds")
    content = unquote_to_bytes(data)
    return b64decode(content + b"=" * (-len(content) % 4)) if head.endswith(";base64") else content


class _Reader:
    """Reads entries of one declaration."""

    def __init__(self, config: Config, *, development: bool) -> None:
        self._source = config.source
        self._development = development

    def read(self, place: int, declared: Declared) -> Issuer:
        return self._oidc(place, declared) if declared.type == "oidc" else self._custom(place, declared)

    def _oidc(self, place: int, declared: Declared) -> Issuer:
        for name in ("issuer", "jwks", "algorithm"):
            if getattr(declared, name) is not None:
                self.refuse(place, f'{name} is for type = "custom_jwt"; an OpenID issuer is known by its domain', name)
        return Issuer(
            kind="oidc",
            name=self._name(place, declared, "domain"),
            application_id=declared.application_id,
            algorithms=_OIDC_ALGORITHMS,
            jwks=None,
            private_network=declared.private_network,
        )

    def _custom(self, place: int, declared: Declared) -> Issuer:
        if declared.domain is not None:
            self.refuse(place, 'domain is for type = "oidc"; write issuer instead', "domain")
        name = self._name(place, declared, "issuer")
        if declared.jwks is None:
            self.refuse(place, "jwks is missing: the address of its keys, or the keys themselves as a data: URL")
        if declared.algorithm is None:
            self.refuse(place, 'algorithm is missing: "RS256" or "ES256"')
        self._check_jwks(place, declared.jwks)
        return Issuer(
            kind="custom_jwt",
            name=name,
            application_id=declared.application_id,
            algorithms=(declared.algorithm,),
            jwks=declared.jwks,
            private_network=declared.private_network,
        )

    def _name(self, place: int, declared: Declared, setting: str) -> str:
        written = getattr(declared, setting)
        if written is None:
            self.refuse(place, f"{setting} is missing: who makes the tokens, like https://issuer.example.com")
        name = plain_name(written)
        if "://" not in written and not _HOST.fullmatch(written):
            self.refuse(place, f"{setting} is no address: {written!r:.80}; write it like https://example.com", setting)
        self._check_url(place, name, setting)
        return name

    def _check_url(self, place: int, url: str, setting: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("https", "http") or parts.username is not None or "#" in url:
            self.refuse(place, f"{setting} is no address: {url!r:.80}; write it like https://example.com", setting)
        if parts.scheme == "http" and not self._development:
            self.refuse(place, f"{setting} is http, which anybody on the way can change; write https://", setting)

    def _check_jwks(self, place: int, jwks: str) -> None:
        if not jwks.startswith("data:"):
            self._check_url(place, jwks, "jwks")
            return
        try:
            msgspec.json.decode(data_of(jwks), type=_KeySet)
        except msgspec.ValidationError:
            self.refuse(place, 'Invalid JWKS response body: it is no object with "keys"', "jwks")
        except (ValueError, RecursionError):
            self.refuse(place, "Invalid JWKS response body: the data: URL is not valid JSON", "jwks")

    def refuse(self, place: int, reason: str, setting: str | None = None) -> NoReturn:
        path = ("auth", "issuers", place) if setting is None else ("auth", "issuers", place, setting)
        line = self._source.line(*path)
        raise ConfigRefused(self._source.path.name, line, f"[[auth.issuers]]: {reason}")


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]
