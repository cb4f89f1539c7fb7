"""Crons as declared: what becomes of `@cron` and `[crons]`, and everything that can be wrong with them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from joelclaw.config import load_config
from joelclaw.errors import AppRefused
from joelclaw.functions.crons import CronDeclaration, cron_declarations
from joelclaw.functions.loader import load_app
from joelclaw.functions.manifest import CronSpec, Place
from tests.functions.deployment import write_app

HEAD = "from datetime import timedelta\nfrom joelclaw import *\n\n"
FUNCTION = "@mutation\ndef clean(ctx: MutationCtx, days: int = 30, keep_last: bool = True) -> None: ...\n"


def load(folder: Path, body: str, crons: Any = ()) -> list[CronSpec]:
    return list(load_app(write_app(folder, {"notes.py": HEAD + body}), crons=crons).manifest.crons)


def told(folder: Path, body: str, crons: Any = ()) -> list[str]:
    with pytest.raises(AppRefused) as refused:
        load(folder, body, crons)
    return [str(problem) for problem in refused.value.problems]


def setting(folder: Path, text: str) -> list[CronDeclaration]:
    """`[crons]` of a joelclaw.toml."""
    write_app(folder, {"schema.py": ""})
    (folder / "joelclaw.toml").write_text(text)
    return cron_declarations(load_config(folder, {}))


# -- what is right


def test_a_calendar(tmp_path: Path) -> None:
    """A function has a cron of its own name, at the times of a calendar in a zone (SCH-27)."""
    [cron] = load(tmp_path, '@cron("0 4 * * *", tz="America/Los_Angeles", catch_up=True)\n' + FUNCTION)

    assert cron == CronSpec(
        name="notes.clean",
        function="notes:clean",
        calendar="0 4 * * *",
        tz="America/Los_Angeles",
        catch_up=True,
        place=Place("app_functions/notes.py", 4),
    )
    assert cron.schedule == "0 4 * * * America/Los_Angeles"


@pytest.mark.parametrize(
    ("every", "schedule"),
    [('"30s"', "every 30s"), ("timedelta(minutes=90)", "every 1h30m"), ('"1.5s"', "every 1s500ms")],
)
def test_an_interval(tmp_path: Path, every: str, schedule: str) -> None:
    """An action every so often; the time in words is complete."""
    [cron] = load(tmp_path, f"@cron(every={every})\n@action\nasync def poll(ctx: ActionCtx) -> None: ...\n")

    assert (cron.function, cron.calendar, cron.schedule) == ("notes:poll", "", schedule)


def test_several_crons_of_a_function(tmp_path: Path) -> None:
    """They are told apart by name; above or below @mutation is the same."""
    body = '@cron("0 4 * * *", name="nightly")\n@cron("0 5 * * 0", name="weekly")\n'
    crons = load(tmp_path, body + FUNCTION.replace("@mutation\n", '@mutation\n@cron(every="1h")\n'))

    assert [(cron.name, cron.schedule) for cron in crons] == [
        ("nightly", "0 4 * * * UTC"),
        ("notes.clean", "every 1h"),
        ("weekly", "0 5 * * 0 UTC"),
    ]


def test_joelclaw_toml_has_crons_with_arguments(tmp_path: Path) -> None:
    """Functions and arguments are spelt as in Python or as on the wire; a section is a cron of its name."""
    crons = setting(
        tmp_path,
        """
        [crons.nightly]
        function = "notes.clean"
        cron = "0 4 * * *"
        tz = "Europe/Berlin"
        catch_up = true
        args = { days = 7, keep_last = false }

        [crons.often]
        function = "notes:clean"
        every = "5m"
        """,
    )
    nightly, often = load(tmp_path, FUNCTION, crons)

    assert (nightly.name, nightly.function, nightly.schedule) == ("nightly", "notes:clean", "0 4 * * * Europe/Berlin")
    assert (nightly.args, nightly.catch_up) == ('{"days":7,"keepLast":false}', True)
    assert nightly.place == Place("joelclaw.toml", 2)
    assert (often.args, often.schedule, often.place.line) == ("{}", "every 5m", 9)


def test_an_app_without_crons_loads_no_time_zones(tmp_path: Path) -> None:
    """Isolates carry neither the library of calendars nor zones, whatever the app declares."""
    import subprocess
    import sys

    write_app(tmp_path, {"notes.py": HEAD + '@cron("0 4 * * *", tz="Europe/Berlin")\n' + FUNCTION})
    program = (
        f"import sys; from joelclaw.functions.loader import load_app; load_app({str(tmp_path)!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "joelclaw.system.crons" in done.stdout.split()
    assert "croniter" not in done.stdout.split()


# -- what is wrong


@pytest.mark.parametrize(
    ("decorator", "sentence"),
    [
        ('@cron("0 25 * * *")', "the hour '25' is none; an hour is a whole number from 0 to 23"),
        ('@cron("0 0 * * 7")', "the weekday '7' is none; write 0 for Sunday, or sun"),
        ('@cron("0 0 * * *", tz="Europe/Belrin")', "'Europe/Belrin' is no time zone; did you mean 'Europe/Berlin'?"),
        ('@cron("0 0 * * *", tz="")', "'' is no time zone; write one like"),
        ('@cron("0 0 * * *", tz="../etc/passwd")', "'../etc/passwd' is no time zone; write one like"),
        ('@cron("0 0 * * *", tz="America")', "'America' is no time zone"),
        ('@cron("0 0 * * *", tz=5)', "5 is no time zone"),
        ("@cron(5)", '5 is no calendar; write a calendar, like "0 4 * * *", or every="30s"'),
        ("@cron()", 'says no time; write a calendar, like "0 4 * * *", or every="30s"'),
        ('@cron("0 0 * * *", every="30s")', "has both a calendar and an interval; write a calendar"),
        ('@cron(every="30s", tz="UTC")', "has an interval and a time zone; leave tz out"),
        ('@cron(every="0s")', "'0s' is shorter than a second; write every=\"1s\" or more"),
        ('@cron(every="999ms")', "'999ms' is shorter than a second"),
        ('@cron(every="3651d")', "'3651d' is longer than ten years; write a calendar, like"),
        ('@cron(every="1h", catch_up="yes")', "catch_up='yes' is neither True nor False; write catch_up=True"),
        ("@cron(every=timedelta(0))", "0:00:00 is shorter than a second"),
        ("@cron(every=timedelta(seconds=-1))", "-1 day, 23:59:59 is no interval: it is negative"),
        ('@cron(every="-5s")', "'-5s' is no interval: it is negative; write '30s', '15m', '1h30m', or a timedelta"),
        ("@cron(every=30)", "30 is no interval: a number does not say its unit"),
        ('@cron(every="soon")', "'soon' is no interval: the units are"),
        ('@cron(every="1h", name="")', "'' can be no name; choose text of at most 100 characters"),
        ('@cron(every="1h", name="a\\nb")', "'a\\nb' can be no name"),
    ],
)
def test_what_is_wrong_with_a_time_is_told(tmp_path: Path, decorator: str, sentence: str) -> None:
    """File, line and function, what is wrong, and what to write instead (SCH-24)."""
    [problem] = told(tmp_path, f"{decorator}\n{FUNCTION}")

    assert problem.startswith(f"app_functions/notes.py:4: notes.clean, @cron: {sentence}")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            '@cron(every="1h")\n@mutation\ndef clean(ctx: MutationCtx, days: int, room: str) -> None: ...\n',
            (
                "notes.clean, @cron: is called without arguments, and notes.clean needs days, room; "
                "give each a value in the function"
            ),
        ),
        (
            '@cron(every="1h")\n@query\ndef seen(ctx: QueryCtx) -> None: ...\n',
            "notes.seen, @cron: runs a query, which changes nothing; make it a mutation or an action",
        ),
        (
            '@cron(every="1h")\ndef plain() -> None: ...\n',
            "plain, @cron: is no function of the app; write @mutation or @action below @cron",
        ),
    ],
)
def test_what_cannot_be_run_is_told(tmp_path: Path, body: str, sentence: str) -> None:
    """A cron runs a mutation or an action that is callable with the context alone."""
    assert told(tmp_path, body) == [f"app_functions/notes.py:4: {sentence}"]


def test_a_cron_in_a_helper_would_never_run(tmp_path: Path) -> None:
    """A file whose name begins with `_` exposes nothing, so a cron in it is a mistake."""
    write_app(tmp_path, {"_later.py": HEAD + '@cron(every="1h")\n' + FUNCTION})

    assert told(tmp_path, "") == [
        (
            "app_functions/_later.py:4: clean, @cron: is in a file whose name begins with '_', and nothing in it can "
            "be called; move it to a file of functions"
        )
    ]


def test_two_crons_of_one_name_are_told(tmp_path: Path) -> None:
    """Two crons without a name on one function, and one that meets another's name (SCH-24)."""
    other = '\n@cron(every="2h", name="notes.clean")\n@mutation\ndef tidy(ctx: MutationCtx) -> None: ...\n'

    assert told(tmp_path, '@cron(every="1h")\n@cron("0 4 * * *")\n' + FUNCTION + other) == [
        (
            "app_functions/notes.py:5: notes.clean, @cron: is called 'notes.clean', and so is another cron "
            "(app_functions/notes.py:4); name them apart with @cron(..., name=...)"
        ),
        (
            "app_functions/notes.py:9: notes.tidy, @cron: is called 'notes.clean', and so is another cron "
            "(app_functions/notes.py:4); name them apart with @cron(..., name=...)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('function = "notes.cleen"\nevery = "1h"', "there is no function 'notes.cleen'; did you mean 'notes.clean'?"),
        ('every = "1h"', "names no function; there is notes.clean"),
        ('function = "_system/crons:plan"\nevery = "1h"', "there is no function '_system/crons:plan'"),
        ('function = "notes.clean"', "says no time; write a calendar"),
        ('function = "notes.clean"\ncron = "x"', "'x' has 1 fields, and a calendar has five"),
        ('function = "notes.clean"\ncron = "0 0 * * *"\ntz = "Mars"', "'Mars' is no time zone"),
        ('function = "notes.clean"\nevery = "1h"\nargs = { dyas = 1 }', "its args do not fit notes.clean: "),
        ('function = "notes.clean"\nevery = "1h"\nargs = { days = "x" }', "its args do not fit notes.clean: "),
        ('function = "notes.clean"\nevery = "1h"\nargs = { days = 2026-01-01 }', "its args do not fit notes.clean: "),
        ('function = "notes.seen"\nevery = "1h"', "runs a query, which changes nothing"),
        ('function = "notes.sent"\nevery = "1h"', "is called without arguments, and notes.sent needs text; give each"),
    ],
)
def test_what_is_wrong_in_joelclaw_toml_is_told_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    """As with the decorator, and the line is the one of the section."""
    others = """
@query
def seen(ctx: QueryCtx) -> None: ...
@mutation
def sent(ctx: MutationCtx, text: str) -> None: ...
"""
    [problem] = told(tmp_path, FUNCTION + others, setting(tmp_path, f"[app]\n\n[crons.nightly]\n{text}\n"))

    assert problem.startswith(f"joelclaw.toml:3: crons.nightly: {sentence}")


def test_a_section_that_meets_a_decorator(tmp_path: Path) -> None:
    """Names are one world: a section called like a function with a cron of its own is refused."""
    crons = setting(tmp_path, '[crons."notes.clean"]\nfunction = "notes.clean"\nevery = "1h"\n')

    assert told(tmp_path, '@cron(every="1h")\n' + FUNCTION, crons) == [
        (
            "joelclaw.toml:1: crons.notes.clean: is called 'notes.clean', and so is another cron "
            "(app_functions/notes.py:4); rename one of them"
        )
    ]


def test_a_broken_function_is_told_once(tmp_path: Path) -> None:
    """A section whose function does not load is not told that there is none."""
    crons = setting(tmp_path, '[crons.nightly]\nfunction = "notes.clean"\nevery = "1h"\n')
    [problem] = told(tmp_path, FUNCTION.replace("days: int = 30", "days: set = 30"), crons)

    assert "crons.nightly" not in problem


def test_words_of_an_interval() -> None:
    """Two intervals with the same words are the same."""
    spec = CronSpec(
        name="x", function="x:y", every_ms=timedelta(days=1, seconds=1) / timedelta(milliseconds=1), place=Place("x", 1)
    )

    assert spec.schedule == "every 1d1s"
