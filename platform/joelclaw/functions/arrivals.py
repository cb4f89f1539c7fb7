"""
Arrivals: can a document be made for whoever signs in for the first time? Checked when the app is loaded.

Either the app's own mutation makes it (`[auth] on_first_sign_in`), or every field that a user must have
is one that sign-in fills, whichever method somebody comes by. Otherwise the deploy is refused: the
first visitor should not be the one who finds out.

Elsewhere: `system/auth/users.py` makes the documents.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from joelclaw.functions.app import LoadedFunction
from joelclaw.functions.calls import SYSTEM_PREFIX
from joelclaw.functions.manifest import Internal, Place, Problem
from joelclaw.functions.sign_in import INITIATING_USER, PROFILE_FIELDS, TOKEN_IDENTIFIER, SignIn
from joelclaw.schema.hints import SYSTEM_FIELDS, object_kind
from joelclaw.schema.tables import TableInfo
from joelclaw.schema.text import did_you_mean

SETTING: Final = "[auth] on_first_sign_in"

TAKEN: Final = frozenset({"auth:signIn", "auth:signOut", "auth:isAuthenticated"})
"""What clients call. An app has none of it, once people can sign in."""

_ALWAYS_FILLED: Final = frozenset({"name", TOKEN_IDENTIFIER})


class ArrivalReader:
    """Finds the mutation that makes users, and what keeps anybody from making them."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in
        self.problems: list[Problem] = []

    def read(
        self, functions: Iterable[LoadedFunction], tables: Mapping[str, TableInfo[Any]], *, complete: bool
    ) -> LoadedFunction | None:
        """The app's mutation, if it has one. Without all of its functions and tables nothing is missing for sure."""
        ours = (SYSTEM_PREFIX, *TAKEN)
        own = [function for function in functions if not function.path.startswith(ours)]
        table = tables.get(self._sign_in.user_table)
        if self._sign_in.hook is None:
            if table is not None:
                self._check_fields(table)
            return None
        hook = next(
            (function for function in own if self._sign_in.hook in (function.spec.python_path, function.path)), None
        )
        if hook is None:
            if complete:
                near = did_you_mean(self._sign_in.hook, [function.spec.python_path for function in own])
                self._report(self._sign_in.hook_place, self._sign_in.hook, "is no function of the app", near)
            return None
        self._check_hook(hook)
        if table is None and complete:
            self._report(
                self._sign_in.user_table_place,
                self._sign_in.user_table,
                f"is no table of the app, and {hook.spec.python_path} is to return ids of its documents",
                "name the app's table of users: [auth] user_table",
            )
        return hook

    def _check_hook(self, hook: LoadedFunction) -> None:
        spec = hook.spec
        if spec.kind != "mutation":
            self._report(spec.place, spec.python_path, f"is a {spec.kind}, and {SETTING} names a mutation", "")
        elif not isinstance(spec.allow, Internal):
            self._report(
                spec.place,
                spec.python_path,
                f"can be called by clients, and what {SETTING} names must not be: it believes what it is told",
                "leave allow= out",
            )
        known = [*PROFILE_FIELDS, INITIATING_USER]
        for field in spec.args.fields:
            if field.python_name not in known and not field.optional:
                self._report(
                    spec.place,
                    spec.python_path,
                    f"asks for {field.python_name!r}, which sign-in does not know",
                    did_you_mean(field.python_name, known),
                )

    def _check_fields(self, table: TableInfo[Any]) -> None:
        filled = _ALWAYS_FILLED | set(self._sign_in.fills) | set(SYSTEM_FIELDS)
        for field in object_kind(table.cls).fields:
            if not field.optional and field.python_name not in filled:
                self._report(
                    table.spec.place,
                    f"{table.cls.__name__}.{field.python_name}",
                    "is required, and sign-in does not know it of everybody who comes for the first time",
                    f"give it a default, or name a mutation that makes the document: {SETTING}",
                )

    def _report(self, place: Place, name: str, reason: str, advice: str) -> None:
        self.problems.append(Problem(place=place, name=name, reason=reason, advice=advice))
