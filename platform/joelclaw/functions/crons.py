"""
Crons: `@cron("0 4 * * *")` above a mutation or an action has it run by the clock.

The decorator notes what was declared, as all of them do; `CronReader` checks it when the app is
loaded, together with what `[crons]` of joelclaw.toml declares for functions of the app. What
comes of it is a `CronSpec` of the manifest.

Elsewhere: `values/calendars.py` knows the form of calendars, `system/crons.py` keeps when each
cron is due, `scheduler/crons.py` computes that and starts the runs.
"""

import difflib
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, TypeVar, overload

import msgspec

from joelclaw.errors import ArgumentsRefused, BadDuration, BadValue
from joelclaw.functions.contexts import ActionCtx, Duration, MutationCtx
from joelclaw.functions.decorators import Function
from joelclaw.functions.manifest import CronSpec, Place, Problem
from joelclaw.schema.text import did_you_mean
from joelclaw.values import wire
from joelclaw.values.calendars import calendar_problem
from joelclaw.values.durations import parse_duration

if TYPE_CHECKING:
    from joelclaw.config import Config
    from joelclaw.functions.app import LoadedFunction

NAME_LENGTH_MAX: Final = 100
EVERY_MS_MIN: Final = 1_000.0
"""A run is a transaction to begin and one to end; what has to be quicker is a loop in an action."""

EVERY_MS_MAX: Final = 3_650 * 86_400_000.0
"""Beyond, the next time would soon be none that a calendar has."""

_DECLARED: Final = "__joelclaw_crons__"
_EXAMPLE: Final = 'write a calendar, like "0 4 * * *", or every="30s"'


class CronDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """What was declared, right or wrong."""

    place: Place
    name: str | None = None
    function: str = ""
    """In joelclaw.toml: which one, in Python's spelling or the wire's. Otherwise it stands below the decorator."""

    calendar: Any = None
    every: Any = None
    tz: Any = None
    catch_up: Any = False
    args: dict[str, Any] = {}


class _Runnable(Protocol):
    """A mutation that is callable with the context alone: every parameter has a default."""

    kind: ClassVar[Literal["mutation"]]

    def __call__(self, ctx: MutationCtx, /) -> object: ...


class _RunnableAction(Protocol):
    """As `_Runnable`, for an action."""

    kind: ClassVar[Literal["action"]]

    def __call__(self, ctx: ActionCtx, /) -> Coroutine[Any, Any, object]: ...


C = TypeVar("C", bound=_Runnable | _RunnableAction)


class _Cron(Protocol):
    def __call__(self, fn: C, /) -> C: ...


@overload
def cron(calendar: str, /, *, tz: str = "UTC", catch_up: bool = False, name: str | None = None) -> _Cron: ...
@overload
def cron(*, every: Duration, catch_up: bool = False, name: str | None = None) -> _Cron: ...
def cron(
    calendar: Any = None,
    /,
    *,
    every: Any = None,
    tz: Any = None,
    catch_up: bool = False,
    name: str | None = None,
) -> Callable[[Any], Any]:
    """
    Run a mutation or an action by the clock; write it above `@mutation` or `@action`.

    `calendar` has five fields, minute, hour, day, month and weekday, and is read in the time
    zone `tz`. Or `every="30s"`: at the deploy that brings it, and then whenever so much time has
    passed. A cron never overlaps itself. Runs that were missed, because the one before took long
    or the server was down, are skipped; with `catch_up` they are made up for by one.

    `name` tells several crons of one function apart.
    """
    frame = sys._getframe(1)  # noqa: SLF001 (only the caller's frame knows the line of the decorator)
    declared = CronDeclaration(
        place=Place(frame.f_code.co_filename, frame.f_lineno),
        name=name,
        calendar=calendar,
        every=every,
        tz=tz,
        catch_up=catch_up,
    )

    def note(fn: Any) -> Any:
        setattr(fn, _DECLARED, [*getattr(fn, _DECLARED, ()), declared])
        return fn

    return note


def cron_declarations(config: "Config") -> list[CronDeclaration]:
    """What `[crons]` of joelclaw.toml declares."""
    return [
        CronDeclaration(
            place=Place(config.source.path.name, config.source.line("crons", name) or 1),
            name=name,
            function=setting.function,
            calendar=setting.cron,
            every=setting.every,
            tz=setting.tz,
            catch_up=setting.catch_up,
            args=setting.args,
        )
        for name, setting in config.crons.items()
    ]


class CronReader:
    """Reads the crons of an app; `problems` grows with whatever is wrong."""

    def __init__(self, settings: Sequence[CronDeclaration]) -> None:
        """`settings` are those of joelclaw.toml."""
        self.problems: list[Problem] = []
        self._settings = settings
        self._specs: dict[str, CronSpec] = {}

    def look_through(self, module: ModuleType, *, is_helper: bool) -> None:
        """Find crons of what is no function of the app, and so would never run."""
        for name, value in vars(module).items():
            fn = value.fn if isinstance(value, Function) else value
            if not _is_declared_in(fn, module) or (isinstance(value, Function) and not is_helper):
                continue
            for declared in getattr(value, _DECLARED, ()):
                reason, advice = "is no function of the app", "write @mutation or @action below @cron"
                if isinstance(value, Function):
                    reason = "is in a file whose name begins with '_', and nothing in it can be called"
                    advice = "move it to a file of functions"
                self._report(declared.place, f"{name}, @cron", reason, advice)

    def read(self, functions: Mapping[Function, "LoadedFunction"], *, complete: bool) -> tuple[CronSpec, ...]:
        """The crons of these functions, those that are right; `complete`: they are all that the app has."""
        own = {function: loaded for function, loaded in functions.items() if not loaded.spec.path.startswith("_system")}
        for function, loaded in own.items():
            # In the order of the file: decorators are applied from the bottom up.
            for declared in reversed(getattr(function, _DECLARED, ())):
                self._read(declared, loaded, f"{loaded.spec.python_path}, @cron")
        for declared in self._settings:
            self._read_setting(declared, list(own.values()), complete=complete)
        return tuple(self._specs[name] for name in sorted(self._specs))

    def _read_setting(
        self, declared: CronDeclaration, functions: "Sequence[LoadedFunction]", *, complete: bool
    ) -> None:
        subject = f"crons.{declared.name}"
        names = {name: function for function in functions for name in (function.spec.path, function.spec.python_path)}
        if declared.function in names:
            self._read(declared, names[declared.function], subject)
        elif complete:
            known = [function.spec.python_path for function in functions if function.kind != "query"]
            reason = f"there is no function {declared.function!r}" if declared.function else "names no function"
            self._report(declared.place, subject, reason, did_you_mean(declared.function, known))

    def _read(self, declared: CronDeclaration, function: "LoadedFunction", subject: str) -> None:
        before = len(self.problems)
        name = function.spec.python_path if declared.name is None else declared.name
        every_ms = self._schedule(declared, subject)
        args = self._arguments(declared, function, subject)
        if not isinstance(declared.catch_up, bool):
            reason = f"catch_up={declared.catch_up!r:.40} is neither True nor False"
            self._report(declared.place, subject, reason, "write catch_up=True, or leave it out")
        if not isinstance(name, str) or not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
            advice = f"choose text of at most {NAME_LENGTH_MAX} characters"
            self._report(declared.place, subject, f"{name!r:.40} can be no name", advice)
        elif name in self._specs:
            other = self._specs[name].place
            self._report(
                declared.place, subject, f"is called {name!r}, and so is another cron ({other})", _rename(declared)
            )
        if len(self.problems) > before:
            return
        self._specs[name] = CronSpec(
            name=name,
            function=function.spec.path,
            args=args,
            calendar=declared.calendar or "",
            tz=(declared.tz or "UTC") if declared.calendar else "",
            every_ms=every_ms,
            catch_up=declared.catch_up,
            place=declared.place,
        )

    # -- when

    def _schedule(self, declared: CronDeclaration, subject: str) -> float:
        """Milliseconds of an interval, 0 for a calendar."""
        if (declared.calendar is None) == (declared.every is None):
            reason = "says no time" if declared.calendar is None else "has both a calendar and an interval"
            self._report(declared.place, subject, reason, _EXAMPLE)
            return 0.0
        if declared.every is not None:
            return self._interval(declared, subject)
        problem = calendar_problem(declared.calendar) if isinstance(declared.calendar, str) else None
        if problem is not None:
            self._report(declared.place, subject, *problem)
        elif not isinstance(declared.calendar, str):
            self._report(declared.place, subject, f"{declared.calendar!r:.40} is no calendar", _EXAMPLE)
        self._check_zone(declared, subject)
        return 0.0

    def _interval(self, declared: CronDeclaration, subject: str) -> float:
        if declared.tz is not None:
            self._report(declared.place, subject, "has an interval and a time zone", "leave tz out")
        every = declared.every
        try:
            every_ms = float(round(parse_duration(every)))
        except BadDuration as error:
            advice = "write '30s', '15m', '1h30m', or a timedelta"
            self._report(declared.place, subject, f"{_shown(every)} is no interval: {error.reason}", advice)
            return 0.0
        if every_ms < EVERY_MS_MIN:
            self._report(
                declared.place, subject, f"{_shown(every)} is shorter than a second", 'write every="1s" or more'
            )
        if every_ms > EVERY_MS_MAX:
            self._report(declared.place, subject, f"{_shown(every)} is longer than ten years", _EXAMPLE)
        return every_ms

    def _check_zone(self, declared: CronDeclaration, subject: str) -> None:
        from zoneinfo import ZoneInfo, available_timezones  # Late: no other part of an isolate needs it.

        zone = declared.tz
        try:
            if zone is not None:
                ZoneInfo(zone)
        except (LookupError, ValueError, TypeError, OSError):
            near = difflib.get_close_matches(str(zone), available_timezones(), n=1)
            advice = f"did you mean {near[0]!r}?" if near else "write one like 'America/Los_Angeles', or 'UTC'"
            self._report(declared.place, subject, f"{zone!r:.40} is no time zone", advice)

    # -- what

    def _arguments(self, declared: CronDeclaration, function: "LoadedFunction", subject: str) -> str:
        """The wire JSON of the argument object."""
        if function.kind == "query":
            self._report(
                declared.place, subject, "runs a query, which changes nothing", "make it a mutation or an action"
            )
            return ""
        spec = function.spec
        wire_names = {field.python_name: field.name for field in spec.args.fields}
        args = {wire_names.get(name, name): value for name, value in declared.args.items()}
        missing = [field.python_name for field in spec.args.fields if not field.optional and field.name not in args]
        if missing:
            where = "below args" if declared.function else "in the function"
            reason = f"is called without arguments, and {spec.python_path} needs {', '.join(missing)}"
            self._report(declared.place, subject, reason, f"give each a value {where}")
            return ""
        try:
            raw = wire.encode(args)
            function.decode_arguments(raw)
        except (ArgumentsRefused, BadValue) as error:
            self._report(declared.place, subject, f"its args do not fit {spec.python_path}: {error}", "correct them")
            return ""
        return raw.decode()

    def _report(self, place: Place, name: str, reason: str, advice: str) -> None:
        self.problems.append(Problem(place=place, name=name, reason=reason, advice=advice))


def _is_declared_in(value: object, module: ModuleType) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == module.__name__


def _rename(declared: CronDeclaration) -> str:
    return "rename one of them" if declared.function else "name them apart with @cron(..., name=...)"


def _shown(every: object) -> str:
    return str(every) if isinstance(every, timedelta) else f"{every!r:.40}"
