"""
What joelclaw.toml says about sign-in, checked, in the form in which everybody else wants it.

Elsewhere: `config_auth.py` has the settings; `functions/sign_in.py` is what isolates are told.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from joelclaw.config import Config
from joelclaw.errors import ConfigRefused
from joelclaw.functions.manifest import Place
from joelclaw.functions.sign_in import SignIn, provider_field
from joelclaw.values.durations import parse_duration


class Kind(NamedTuple):
    """A type of sign-in method."""

    module: str
    """Has `open_method(id, toolbox)`. Imported where a deployment has one: some carry much."""

    is_oauth: bool = False
    """People are known by an id at the provider."""

    knows_email: bool = False
    """Nobody comes without an address."""


_OAUTH: Final = Kind("joelclaw.auth.oauth.method", is_oauth=True)

KINDS: Final[dict[str, Kind]] = {
    "anonymous": Kind("joelclaw.auth.anonymous"),
    "email-otp": Kind("joelclaw.auth.codes", knows_email=True),
    "magic-link": Kind("joelclaw.auth.links", knows_email=True),
    "password": Kind("joelclaw.auth.passwords", knows_email=True),
    **dict.fromkeys(("github", "gitlab", "google", "oauth2", "oidc"), _OAUTH),
}
"""By the type that a method's table says, or else by its id."""

CREDENTIALS: Final[Mapping[str, str]] = {"client_id": "AUTH_{}_ID", "client_secret": "AUTH_{}_SECRET"}
"""What a provider gives out, and the environment variables that have it unless the provider's table says more."""

_MINUTE_MS: Final = 60_000.0
_BOUNDS: Final = {
    "jwt_ttl": (10_000.0, 86_400_000.0, 'from "10s" to "24h"'),
    "session_total": (_MINUTE_MS, float("inf"), 'at least "1m"'),
    "session_idle": (_MINUTE_MS, float("inf"), 'at least "1m"'),
    "reuse_window": (0.0, 5 * _MINUTE_MS, 'from "0s" to "5m"'),
}


def sign_in_of(config: Config, issuer: str, stand_ins: Sequence[str] = ()) -> SignIn | None:
    """
    How people sign in; None: nobody can. For `stand_ins` a page of ours answers.

    Raises:
        ConfigRefused: A method is none that there is, or a time is out of its bounds.
    """
    auth = config.auth
    if not auth.providers:
        return None
    kinds = {id: kind_of(config, id) for id in auth.providers}
    times = {name: _time(config, name) for name in _BOUNDS}
    return SignIn(
        issuer=issuer,
        user_table=auth.user_table,
        user_table_place=_place(config, "user_table"),
        hook=auth.on_first_sign_in,
        hook_place=_place(config, "on_first_sign_in"),
        fills=tuple(sorted(frozenset.intersection(*(_fills(id, kind) for id, kind in kinds.items())))),
        stand_ins=tuple(stand_ins),
        jwt_ttl_ms=times["jwt_ttl"],
        session_total_ms=times["session_total"],
        session_idle_ms=times["session_idle"],
        reuse_window_ms=times["reuse_window"],
    )


def stand_ins_of(config: Config, environ: Mapping[str, str], *, development: bool) -> list[str]:
    """
    Providers that are declared and do not know this deployment yet: it has neither a client id nor a secret there.

    In development a page of ours answers for them. One that has only one of the two is declared wrong.

    Raises:
        ConfigRefused: A method is none that there is.
    """
    if not development:
        return []
    declared = [id for id in config.auth.providers if kind_of(config, id).is_oauth]
    return [id for id in declared if not any(has_credential(config, environ, id, part) for part in CREDENTIALS)]


def has_credential(config: Config, environ: Mapping[str, str], id: str, part: str) -> bool:
    """Whether a provider's client id, or its secret, is anywhere."""
    return part in config.auth.sign_in.get(id, {}) or bool(environ.get(CREDENTIALS[part].format(variable_part(id))))


def variable_part(id: str) -> str:
    """A provider's name in names of environment variables."""
    return id.upper().replace("-", "_")


def variables_of(id: str) -> str:
    """The environment variables that have what a provider has given out, for people."""
    return " and ".join(form.format(variable_part(id)) for form in CREDENTIALS.values())


def kind_of(config: Config, id: str) -> Kind:
    """
    The type of a declared method.

    Raises:
        ConfigRefused: There is none such.
    """
    table = config.auth.sign_in.get(id, {})
    name = table.get("type", id)
    if not isinstance(name, str) or name not in KINDS:
        _refuse_kind(config, id, table)
    return KINDS[name]


def _refuse_kind(config: Config, id: str, table: Mapping[str, Any]) -> NoReturn:
    known = ", ".join(sorted(KINDS))
    if "type" in table:
        _refuse(config, f"auth.sign_in.{id}.type is {table['type']!r:.80}; there are {known}", "sign_in", id, "type")
    near = difflib.get_close_matches(id, KINDS, n=1)
    hint = (
        f"did you mean '{near[0]}'?" if near else f"there are {known}, and others by their type in [auth.sign_in.{id}]"
    )
    _refuse(config, f"auth.providers names {id!r}, which is no sign-in method; {hint}", "providers")


def _fills(id: str, kind: Kind) -> frozenset[str]:
    fields = {provider_field(id)} if kind.is_oauth else set()
    return frozenset(fields | ({"email"} if kind.knows_email else set()))


def _time(config: Config, name: str) -> float:
    text: str = getattr(config.auth, name)
    lowest, highest, words = _BOUNDS[name]
    time_ms = parse_duration(text)
    if not lowest <= time_ms <= highest:
        _refuse(config, f'auth.{name} is {words}; it says "{text}"', name)
    return time_ms


def _place(config: Config, name: str) -> Place:
    return Place(config.source.path.name, config.source.line("auth", name) or 1)


def _refuse(config: Config, reason: str, *keys: Any) -> NoReturn:
    raise ConfigRefused(config.source.path.name, config.source.line("auth", *keys), reason)
