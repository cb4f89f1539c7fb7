"""
Sign-in, put together: keys opened, methods, what clients call, what others read, what sockets are told.

Only for deployments that sign people in: what is imported here carries cryptography.
"""

import asyncio
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from joelclaw.auth.authenticator import Authenticator, NoProviders, UserVerifier
from joelclaw.auth.declaring import variables_of
from joelclaw.auth.departures import Departures
from joelclaw.auth.destinations import Destinations
from joelclaw.auth.keyring import Keyring, Seal, Sealed, SigningKey, file_key, new_server_key, secret_key
from joelclaw.auth.methods import Toolbox, open_methods
from joelclaw.auth.oauth.steps import Travelling
from joelclaw.auth.own_tokens import OwnFirst, OwnTokens
from joelclaw.auth.rotation import Rotation
from joelclaw.auth.sign_in import SIGN_IN, SIGN_OUT, Method, SignInService
from joelclaw.config import Config
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import CommandFailed
from joelclaw.functions.sign_in import SignIn
from joelclaw.http.api import Handler as ApiHandler
from joelclaw.http.auth_keys import AuthKeyRoutes
from joelclaw.http.sign_in import SignInRoutes
from joelclaw.http.site import Handler
from joelclaw.http.well_known import DISCOVERY, JWKS, WellKnown
from joelclaw.sync.socket import Sockets

ADOPT: Final = "_system/auth/keys:adopt"
LIST: Final = "_system/auth/keys:list"
REPLACE_ALL: Final = "_system/auth/keys:replaceAll"
NAME_ISSUER: Final = "_system/auth/keys:nameIssuer"

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

IMPORTED_KEY: Final = "JWT_PRIVATE_KEY"
"""An environment variable of projects that come from elsewhere: their key goes on signing."""

log = structlog.get_logger("joelclaw.auth")


@dataclass
class SignInParts:
    """What the rest of the server needs of it."""

    tokens: OwnTokens
    departures: Departures
    rotation: Rotation
    site_routes: Mapping[str, Handler]
    _methods: Mapping[str, Method]
    _audience: "Audience"

    def verifier(self, others: UserVerifier | None) -> UserVerifier:
        """Who tells whose a token is: ours we do, all others somebody else, if anybody."""
        return OwnFirst(self.tokens, others or NoProviders())

    async def aclose(self) -> None:
        """Ask no provider any more."""
        for method in self._methods.values():
            if isinstance(method, Travelling):
                await method.close()

    def tell(self, sockets: Sockets) -> None:
        """Tell these sockets what ends from now on."""
        self._audience.sockets = sockets

    def api_routes(self, authenticator: Authenticator) -> dict[str, dict[str, ApiHandler]]:
        """What administrators ask at the port of clients."""
        return {"/api/joelclaw/auth/rotate_keys": {"POST": AuthKeyRoutes(self.rotation, authenticator).rotate}}


@dataclass
class Audience:
    """Who is to be told, as soon as there is somebody."""

    sockets: Sockets | None = None

    def sessions_ended(self, sessions: Collection[str], by: Any) -> None:
        if self.sockets is not None:
            self.sockets.end_logins(sessions, by)

    def key_dropped(self, reason: str) -> None:
        if self.sockets is not None:
            self.sockets.end_all_logins(reason)


async def open_sign_in(
    engine: Engine, config: Config, sign_in: SignIn, *, local_origin: str, development: bool
) -> SignInParts:
    """
    Have a deployment sign people in, whose site this machine reaches at `local_origin`. The engine serves its first
    release already.

    Raises:
        CommandFailed: Its keys cannot be opened.
        ConfigRefused: A method is declared wrong.
    """
    system = SystemCalls(engine)
    seal, keyring = await open_keyring(engine, config, os.environ)
    until = engine.clock.now_ms() + 2 * sign_in.jwt_ttl_ms
    earlier = await system.tell(NAME_ISSUER, issuer=sign_in.issuer, until=until)
    tokens = OwnTokens(
        keyring,
        engine.clock,
        issuer=sign_in.issuer,
        earlier_issuers=frozenset(earlier),
        ttl_ms=sign_in.jwt_ttl_ms,
        stand_ins=sign_in.stand_ins,
    )
    audience = Audience()
    departures = Departures(system, tokens, engine.clock, audience.sessions_ended)
    await departures.begin()
    toolbox = Toolbox(
        config=config,
        environ=os.environ,
        system=system,
        tokens=tokens,
        clock=engine.clock,
        site_origin=sign_in.issuer,
        destination=Destinations(config.server.allowed_origins, config.auth.redirects, development=development),
        development=development,
        stand_ins=sign_in.stand_ins,
        local_origin=local_origin,
        roles=lambda: engine.roles,
    )
    methods = open_methods(toolbox)
    _tell_callbacks(methods)
    service = SignInService(system, tokens, methods, departures.note)
    engine.answer(SIGN_IN, service.sign_in)
    engine.answer(SIGN_OUT, service.sign_out)
    well_known = WellKnown(tokens)
    routes: dict[str, Handler] = {
        DISCOVERY: well_known.discovery,
        JWKS: well_known.jwks,
        **SignInRoutes(methods).routes,
    }
    rotation = Rotation(system, keyring, seal, engine.clock, ttl_ms=sign_in.jwt_ttl_ms, tell_all=audience.key_dropped)
    return SignInParts(tokens, departures, rotation, routes, methods, audience)


def _tell_callbacks(methods: Mapping[str, Method]) -> None:
    """Say what has to be pasted elsewhere, and nothing more."""
    for id, method in methods.items():
        if isinstance(method, Travelling) and method.only_here:
            log.warning(
                f"{id} does not know this deployment yet: until you export {variables_of(id)}, a page of development "
                f"answers in its place, and whoever is on this machine signs in as anybody"
            )
        elif isinstance(method, Travelling):
            log.info(f"people sign in with {id}; the address to register there is {method.callback_url}")
            parts = urlsplit(method.callback_url)
            if parts.scheme != "https" and parts.hostname not in LOOPBACK:
                log.warning("codes come back readable; put TLS in front, and declare server.site_origin with https://")


async def open_keyring(engine: Engine, config: Config, environ: Mapping[str, str]) -> tuple[Seal, Keyring]:
    """
    The deployment's keys, and what they are sealed with; made at the first start.

    Raises:
        CommandFailed: They were sealed with another key than ours.
    """
    system = SystemCalls(engine)
    if config.auth.key is not None:
        secret, is_new = secret_key(config.auth.key), False
    else:
        secret, is_new = await asyncio.to_thread(file_key, config.auth_key_file)
    seal = Seal(secret)
    rows = await system.ask(LIST)
    if not rows or is_new:
        if rows:
            log.warning(
                "the key of sign-in was not there, and a new one was made; everybody has to sign in again",
                file=str(config.auth_key_file),
            )
        made = await asyncio.to_thread(_make_keys, seal, environ)
        rows = await system.tell(REPLACE_ALL if rows else ADOPT, keys=[msgspec.to_builtins(key) for key in made])
    try:
        return seal, Keyring.opened([msgspec.convert(row, Sealed) for row in rows], seal, engine.clock)
    except ValueError as error:
        raise CommandFailed(_other_key(config)) from error


def _make_keys(seal: Seal, environ: Mapping[str, str]) -> list[Sealed]:
    imported = environ.get(IMPORTED_KEY)
    try:
        signing = SigningKey.generate() if imported is None else SigningKey.from_pem(imported)
    except ValueError as error:
        raise CommandFailed(f"{IMPORTED_KEY} is no private key in PKCS#8 form; mend or unset it") from error
    return [new_server_key(seal), signing.sealed(seal)]


def _other_key(config: Config) -> str:
    if config.auth.key is not None:
        place = config.source.place("auth", "key")
        return f"{place}: the keys in the database were sealed with another auth.key; declare that one"
    file = config.auth_key_file
    return (
        f"{file} is not the file that belongs to this database; put that one back, "
        f"or move {file.name} away and start again, after which everybody has to sign in anew"
    )
