"""
The lock: which packages a project was written with, and whether a server has the same.

A server runs functions with the packages that are installed beside it, and a deploy brings none. So a
project that has a lock sends it along, and every line of it has to hold there: another version is what
"but it worked here" is made of.

A lock is a file in pip's format, `requirements.lock` or `requirements.txt` at the project's root, or the one
that `[deploy] lock` names; all tools write that format. Without one nothing is compared, and a package that
is missing is found when the code is imported.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from joelclaw.config import Config
from joelclaw.errors import CommandFailed
from joelclaw.schema.problems import Place, Problem

LOCKS: Final = ("requirements.lock", "requirements.txt")
"""Where a lock is looked for, in this order."""

_OPTIONS = re.compile(r"\s+--\S.*$")
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDED = re.compile(r"(-r|--requirement)[\s=]*(?P<name>\S+)$")


class Requirement(msgspec.Struct, frozen=True):
    """One line of a lock."""

    text: str
    file: str
    line: int


def read_lock(config: Config) -> tuple[Requirement, ...]:
    """
    What the project's lock asks for.

    Raises:
        CommandFailed: The lock that is declared is not there, or cannot be read.
    """
    declared = config.deploy.lock
    if declared is not None:
        return tuple(_read(config.root, Path(declared), set())) if declared else ()
    found = next((name for name in LOCKS if (config.root / name).is_file()), None)
    return () if found is None else tuple(_read(config.root, Path(found), set()))


def unmet(requirements: Sequence[Requirement]) -> list[Problem]:
    """Where what is installed for this process is not what was asked for."""
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Asked

    problems = []
    for requirement in requirements:
        place = Place(requirement.file, requirement.line)
        try:
            asked = Asked(requirement.text)
        except InvalidRequirement:
            reason = "is no requirement as pip reads them"
            problems.append(Problem(place=place, name=requirement.text[:80], reason=reason, advice="mend the line"))
            continue
        if asked.marker is not None and not asked.marker.evaluate():
            continue
        wanted = f"the lock asks for {asked.specifier}" if str(asked.specifier) else "the lock asks for it"
        try:
            installed = version(asked.name)
        except PackageNotFoundError:
            reason = f"the server does not have it, and {wanted}"
        else:
            if asked.specifier.contains(installed, prereleases=True):
                continue
            reason = f"the server has {installed}, and {wanted}"
        advice = f"install {requirement.file} where the server runs, or lock what is there"
        problems.append(Problem(place=place, name=asked.name, reason=reason, advice=advice))
    return problems


def _read(root: Path, name: Path, seen: set[Path]) -> Iterator[Requirement]:
    if name in seen:
        return
    seen.add(name)
    try:
        text = (root / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"the lock {name} cannot be read: {error}; [deploy] lock says which file it is") from error
    for number, line in _logical_lines(text):
        included = _INCLUDED.match(line)
        if included is not None:
            yield from _read(root, name.parent / included["name"], seen)
        elif line and not line.startswith(("-", ".", "/")):  # Options, and the project itself.
            yield Requirement(line, name.as_posix(), number)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what is continued on the next, without comments and options, each with its number."""
    begun, number = "", 0
    for here, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).rstrip()
        number = number or here
        begun += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield number, _OPTIONS.sub("", begun).strip()
            begun, number = "", 0
    if begun:
        yield number, _OPTIONS.sub("", begun).strip()
