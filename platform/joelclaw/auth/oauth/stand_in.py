"""
A stand-in for a provider that does not know this deployment yet: a page of ours asks people who they want to be.

So a button works before anybody has registered an app at GitHub, and whoever works on what owners may do is the
owner by choosing their login. Everything before and after the page is as with the provider itself.

It is for the machine that the server is on, and lets nobody in anywhere else:

- `joelclaw serve` opens none: it does not start with a provider that has no client id;
- the page and its answer are for browsers on this machine (`http/sign_in.py` refuses all others);
- flows and accounts are kept as `dev:github`, which no provider is called. A number of an account is negative,
  which no provider's is. Its address links it to nobody;
- tokens are for an audience of their own, and only a server for which the page still answers takes them, or
  renews a session: not one in production on the same database, nor one that has got its client id.

Elsewhere: `functions/sign_in.py` has the names, `auth/declaring.py` says for whom it stands in.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import ClassVar, Final

from joelclaw.auth.addresses import is_loopback, parse_address
from joelclaw.auth.methods import Toolbox
from joelclaw.auth.oauth.flow import FlowMethod
from joelclaw.auth.oauth.settings import GithubSettings, read_settings
from joelclaw.auth.oauth.steps import CALLBACK_PATH, Ask, Suggestion
from joelclaw.auth.sign_in import Attempt, Granted, Pending, Redirect
from joelclaw.errors import ProviderFailed, SignInRefused
from joelclaw.functions.sign_in import stand_in
from joelclaw.system.auth.accounts import Profile

LOGIN_LENGTH_MAX: Final = 80
_GITHUB_LOGIN: Final = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")
_EMAIL: Final = "email:"

NOBODYS: Final = "stand-in"
"""In place of a client id and a secret. Nobody is ever shown them."""


class StandIn(FlowMethod):
    """Answers in development for one provider."""

    only_here: ClassVar[bool] = True

    def __init__(self, id: str, toolbox: Toolbox, *, has_logins: bool) -> None:
        super().__init__(
            id,
            toolbox.system,
            toolbox.tokens,
            kept_as=stand_in(id),
            # Where it listens, whatever is declared: its browsers are here.
            origin=toolbox.local_origin,
            destination=toolbox.destination,
        )
        self._has_logins = has_logins
        self._roles = toolbox.roles

    async def sign_in(self, attempt: Attempt) -> Redirect | Granted | Pending:
        """As with a provider, from this machine."""
        if not is_loopback(attempt.origin.address):
            raise SignInRefused("PROVIDER_NOT_CONFIGURED", f"{_unknown(self.id)}, and it answers on this machine alone")
        return await super().sign_in(attempt)

    async def close(self) -> None:
        """It asks nobody."""

    async def send_away(self, state: str, destination: str) -> Ask:  # noqa: ARG002 (nobody fails here)
        """To the page that asks."""
        return Ask(
            provider=self.id,
            action=f"{CALLBACK_PATH}{self.id}",
            state=state,
            asks_for="Login" if self._has_logins else "Name",
            pattern=_GITHUB_LOGIN.pattern if self._has_logins else "",
            hint="Letters and digits, and single hyphens between them: 39 at most" if self._has_logins else "",
            suggestions=tuple(self._suggestions()),
        )

    async def ask(self, said: Mapping[str, str], state: str) -> Profile:  # noqa: ARG002 (it was claimed)
        """Whoever the browser says."""
        if "error" in said:
            raise ProviderFailed(self.callback_url, "was told that somebody has changed their mind")
        login, email = said.get("login", "").strip(), said.get("email", "").strip() or None
        if not self._is_login(login):
            raise ProviderFailed(self.callback_url, "was told no name that anybody could have")
        try:
            address = None if email is None else parse_address(email)
        except SignInRefused:
            raise ProviderFailed(self.callback_url, "was told an address that is none") from None
        return Profile(
            provider=stand_in(self.id),
            account_id=made_up_id(self.id, login),
            kind="oauth",
            name=login,
            email=address,
            email_verified=address is not None,
            trusted=False,
            claims={"development": True, **({"login": login} if self._has_logins else {})},
        )

    def _is_login(self, text: str) -> bool:
        if self._has_logins:
            return _GITHUB_LOGIN.fullmatch(text) is not None
        return 0 < len(text) <= LOGIN_LENGTH_MAX and text.isprintable()

    def _suggestions(self) -> list[Suggestion]:
        """Those who have a role, as far as their entry says whom to be."""
        roles: dict[tuple[str, str], list[str]] = {}
        for role, members in self._roles().items():
            for member in members:
                whom = self._whom(member)
                if whom is not None:
                    roles.setdefault(whom, []).append(role)
        return [Suggestion(login, email, ", ".join(names)) for (login, email), names in roles.items()]

    def _whom(self, member: str) -> tuple[str, str] | None:
        """The login and the address that make somebody this member."""
        if member.startswith(_EMAIL):
            email = member.removeprefix(_EMAIL)
            login = re.sub(r"[^A-Za-z0-9]+", "-", email.partition("@")[0]).strip("-")
            return (login, email) if self._is_login(login) else None
        login = member.removeprefix(f"{self.id}:")
        # A number is an id at the provider, and nobody's here.
        if login == member or not self._has_logins or login.isdecimal() or not self._is_login(login):
            return None
        return login, ""


def made_up_id(provider: str, login: str) -> str:
    """The id of an account that nobody has: always the same for a login, and below zero, where providers have none."""
    digest = hashlib.sha256(f"{provider}|{login.casefold()}".encode()).digest()
    return str(-1 - int.from_bytes(digest[:5], "big"))


def open_method(id: str, toolbox: Toolbox) -> StandIn:
    """
    A stand-in for a provider as it is declared.

    Raises:
        ConfigRefused: It is declared wrong, apart from what it has given out.
    """
    settings = read_settings(toolbox.config, toolbox.environ, id, unknown=NOBODYS)
    return StandIn(id, toolbox, has_logins=isinstance(settings, GithubSettings))


def _unknown(id: str) -> str:
    return f"Provider `{id}` has no client id and secret yet; a page of development answers in its place"
