"""
Sign-in methods of a deployment, opened.

    [auth]
    providers = ["password", "google"]

    [auth.sign_in.google]
    type = "oidc"

A method's type is its name, unless its table says otherwise. What the table may say beside that is the
method's own business.

Elsewhere: `declaring.py` knows which types there are, `sign_in.py` says what a method does.
"""

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from joelclaw.auth.declaring import kind_of
from joelclaw.auth.destinations import Destinations
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.sign_in import Method
from joelclaw.clock import Clock
from joelclaw.config import Config, read_table
from joelclaw.engine.system_calls import SystemCalls

STAND_IN_MODULE: Final = "joelclaw.auth.oauth.stand_in"

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True)
class Toolbox:
    """What methods are made with."""

    config: Config
    environ: Mapping[str, str]
    """Of the process: where secrets are that the declaration does not mention."""

    system: SystemCalls
    tokens: OwnTokens
    """Makes ids of refresh tokens; its `keyring` seals what rows must not show."""

    clock: Clock
    site_origin: str
    """Where callbacks arrive and links of mails lead, as declared: never what a request says of its host."""

    destination: Destinations
    """Where a sign-in may end, by what a client asks for and the page it is on."""

    development: bool
    stand_ins: Collection[str] = ()
    """Providers that do not know this deployment yet, for which a page of ours answers in development."""

    local_origin: str = ""
    """Where this machine reaches the site."""

    roles: Callable[[], Mapping[str, Sequence[str]]] = dict
    """Who has which role, as it is declared now."""

    def settings(self, id: str, struct: type[S]) -> S:
        """
        A method's own table, without its `type`.

        Raises:
            ConfigRefused: Something in it is not as it has to be.
        """
        table = {name: value for name, value in self.config.auth.sign_in.get(id, {}).items() if name != "type"}
        return read_table(self.config.source, table, struct, "auth", "sign_in", id)


def open_methods(toolbox: Toolbox) -> dict[str, Method]:
    """
    The declared methods, by id.

    Raises:
        ConfigRefused: One of them is declared wrong.
    """
    methods: dict[str, Method] = {}
    for id in toolbox.config.auth.providers:
        name = STAND_IN_MODULE if id in toolbox.stand_ins else kind_of(toolbox.config, id).module
        module: Any = importlib.import_module(name)
        methods[id] = module.open_method(id, toolbox)
    return methods
