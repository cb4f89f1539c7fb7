"""
What the doctor looks at of sign-in at others: each declared provider, as a browser and the server will meet it.

A provider is asked what a sign-in would ask it, with a code that is nobody's: it refuses the code if it knows us,
and us if it does not.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from joelclaw.auth.declaring import CREDENTIALS, has_credential, variables_of
from joelclaw.auth.oauth.client import Trial, try_credentials
from joelclaw.auth.oauth.providers import make_provider
from joelclaw.auth.oauth.settings import KINDS, Settings, addresses_of, read_settings
from joelclaw.auth.oauth.steps import callback_url
from joelclaw.auth.outbound import Outbound
from joelclaw.cli.checks import LOCAL, Finding
from joelclaw.clock import SystemClock
from joelclaw.config import Config
from joelclaw.errors import ConfigRefused, ProviderFailed

OFFSET_S_MAX: Final = 30.0
"""A token is refused beyond a minute, and a provider tells the time in whole seconds."""

Try: TypeAlias = Callable[[str, Settings, str], Trial]
"""Asks a provider, by its id, what it thinks of its settings and our callback. Raises `ProviderFailed`."""


def over_the_network(id: str, settings: Settings, callback: str) -> Trial:
    """A `Try` that really asks."""

    async def ask() -> Trial:
        # As in development: that an address is plain http is told by itself.
        outbound = Outbound(development=True)
        try:
            endpoints = await make_provider(id, settings, outbound, SystemClock()).endpoints()
            return await try_credentials(
                outbound, endpoints.token, endpoints.credentials, callback, private=settings.private_network
            )
        finally:
            await outbound.close()

    return asyncio.run(ask())


def check_providers(
    config: Config, environ: Mapping[str, str], now_ms: float, attempt: Try = over_the_network
) -> Iterator[Finding]:
    """Callback, reachability, credentials and clock of every provider."""
    for id in config.auth.providers:
        if str(config.auth.sign_in.get(id, {}).get("type", id)) in KINDS:
            yield from _check_provider(config, environ, now_ms, id, attempt)


def _check_provider(
    config: Config, environ: Mapping[str, str], now_ms: float, id: str, attempt: Try
) -> Iterator[Finding]:
    check = f"sign-in with {id}"
    try:
        settings = read_settings(config, environ, id)
    except ConfigRefused as error:
        if not any(has_credential(config, environ, id, part) for part in CREDENTIALS):
            yield _tell_stand_in(check, id, config)
        else:
            yield Finding(check, "problem", str(error), "correct it, and ask again")
        return
    callback = callback_url(_site_origin(config), id)
    yield _check_callback(check, callback, config)
    yield from _check_addresses(check, settings)
    try:
        trial = attempt(id, settings, callback)
    except ProviderFailed as error:
        yield Finding(check, "problem", str(error), "correct its address, or let this machine reach it")
        return
    yield _judge(check, id, trial)
    if trial.date is not None:
        yield from _check_offset(check, trial.date, now_ms)


def _tell_stand_in(check: str, id: str, config: Config) -> Finding:
    said = f"{id} does not know this deployment: a page of `joelclaw dev` answers in its place, `serve` does not start"
    callback = callback_url(_site_origin(config), id)
    return Finding(check, "warning", said, f"register the callback {callback} there, and export {variables_of(id)}")


def _check_callback(check: str, callback: str, config: Config) -> Finding:
    parts = urlsplit(callback)
    elsewhere = [origin for origin in config.server.allowed_origins if urlsplit(origin).hostname not in LOCAL]
    if parts.hostname in LOCAL and elsewhere:
        said = f"whoever signs in on {elsewhere[0]} would come back to their own machine: the callback is {callback}"
        return Finding(check, "problem", said, "declare server.site_origin, the address of the site port from outside")
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        advice = "put a proxy with TLS in front, and declare server.site_origin with https://"
        return Finding(check, "problem", f"codes would come back readable, to {callback}", advice)
    if parts.scheme != "https":
        return Finding(check, "ok", f"for this machine alone, register the callback {callback}")
    return Finding(check, "ok", f"register the callback {callback}")


def _check_addresses(check: str, settings: Settings) -> Iterator[Finding]:
    """What is declared is https; what is discovered, the server sees to itself."""
    for name, address in addresses_of(settings).items():
        if urlsplit(address).scheme != "https":
            said = f"{name} is {address}, which works in development alone"
            yield Finding(check, "warning", said, "write https://")


def _judge(check: str, id: str, trial: Trial) -> Finding:
    if trial.accepted is None:
        said = f"{id} is reached, and does not say whether it accepts the client id and secret"
        return Finding(check, "warning", said, "sign in once to be sure")
    if trial.accepted:
        return Finding(check, "ok", f"{id} is reached, and accepts the client id and secret")
    return Finding(check, "problem", f"{id} does not accept the client id and secret", "copy both from there once more")


def _check_offset(check: str, date: str, now_ms: float) -> Iterator[Finding]:
    try:
        offset_s = now_ms / 1_000 - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    if abs(offset_s) > OFFSET_S_MAX:
        said = (
            f"this machine's clock is {abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} the provider's"
        )
        yield Finding(check, "problem", said, "keep it by NTP: what providers sign holds for minutes")


def _site_origin(config: Config) -> str:
    """Where the site is reached, as far as the declaration tells."""
    server = config.server
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    return server.site_origin or f"http://{f'[{host}]' if ':' in host else host}:{config.site_port}"
