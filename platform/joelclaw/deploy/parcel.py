"""
Parcels: what a deploy sends.

The app's files; what joelclaw.toml says about the app itself; the lock of its packages. What the file says
about a server (ports, database, limits, sign-in) stays at home: each server has a declaration of its own.
Secrets do, too: `{ from = "NAME" }` travels as it is written and is looked up where the code will run.

A parcel is msgpack, packed by zlib, and named by the digest of its contents: the same code with the same
settings is the same parcel. It comes over the network, so it is unpacked within a limit, and no name in it
can lead out of the folder that it is written to. Links have no form in it.

Elsewhere: `bundle.py` keeps files for isolates to load from, `versions.py` takes parcels into service.
"""

import tomllib
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import msgspec

from joelclaw.config import Config
from joelclaw.deploy.bundle import digest_of
from joelclaw.deploy.requirements import Requirement
from joelclaw.deploy.sources import Sources
from joelclaw.errors import CommandFailed, DeployRefused
from joelclaw.functions.crons import CronDeclaration, cron_declarations
from joelclaw.limits import MIB, setting

FORMAT: Final = 1

ENVELOPE_BYTES: Final = 4 * MIB
"""What a parcel may have beside files: their names, settings, a lock."""

NAME_BYTES_MAX: Final = 1_024
PART_BYTES_MAX: Final = 255
"""Of a path, and of each step of it: what file systems take."""


class FromEnvironment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that is a variable of the process that serves."""

    name: str
    optional: bool = False
    """The app does without it. Left out where it is not so: digests of earlier parcels stay what they were."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What joelclaw.toml says about the app."""

    functions: str
    schema: str
    wire_names: Literal["camel", "as_written"]
    env: dict[str, str | FromEnvironment] = {}
    roles: dict[str, tuple[str, ...]] = {}
    crons: tuple[CronDeclaration, ...] = ()


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """An app, on its way."""

    format: int = FORMAT
    files: dict[str, bytes]
    """By path from the project's root, with slashes."""

    folders: tuple[str, ...] = ()
    """Those that have to be there, with files or without."""

    settings: Settings
    requirements: tuple[Requirement, ...] = ()

    @property
    def digest(self) -> str:
        """What names it."""
        return sha256(msgspec.msgpack.encode(self, order="deterministic")).hexdigest()

    @property
    def files_digest(self) -> str:
        """What names its files alone."""
        return digest_of(*self.content)

    @property
    def content(self) -> tuple[dict[Path, bytes], list[Path]]:
        """Files and folders, as a bundle has them."""
        return {Path(name): content for name, content in self.files.items()}, [Path(name) for name in self.folders]

    def pack(self) -> bytes:
        """As it travels, and as it is kept."""
        return zlib.compress(msgspec.msgpack.encode(self, order="deterministic"), 6)


def parcel_of(config: Config, sources: Sources, requirements: Sequence[Requirement]) -> Parcel:
    """
    The project as it is now, with what its lock asks for.

    Raises:
        CommandFailed: A name in it cannot travel.
    """
    try:
        return Parcel(
            files={_travelling(name): content for name, content in sources.files.items()},
            folders=tuple(sorted(_travelling(folder.relative_to(config.root)) for folder in sources.folders)),
            settings=Settings(
                functions=PurePosixPath(config.app.functions).as_posix(),
                schema=PurePosixPath(config.app.schema).as_posix(),
                wire_names=config.app.wire_names,
                env=_env(config.source.text),
                roles=dict(config.auth.roles),
                crons=tuple(cron_declarations(config)),
            ),
            requirements=tuple(requirements),
        )
    except UnicodeEncodeError as error:
        raise CommandFailed(f"{error.object!r} has a name that is not UTF-8; rename it") from error


def _travelling(name: Path) -> str:
    text = name.as_posix()
    text.encode()  # Names that are no text are found here, not at the other end.
    return text


def _env(text: str) -> dict[str, str | FromEnvironment]:
    """`[env]` as it is written; it has been checked already."""
    declared: Mapping[str, str | dict[str, Any]] = tomllib.loads(text).get("env", {})
    return {
        name: value if isinstance(value, str) else FromEnvironment(value["from"], value.get("optional", False))
        for name, value in declared.items()
    }


def unpack(data: bytes, code_bytes: int) -> Parcel:
    """
    What was packed elsewhere, checked.

    Raises:
        DeployRefused: It is damaged, larger than an app may be, or names places that are not its own.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, code_bytes + ENVELOPE_BYTES)
    except zlib.error:
        raise DeployRefused("BadBundle", "What was sent is damaged; deploy again") from None
    if unpacker.unconsumed_tail:
        raise _too_large(code_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise DeployRefused("BadBundle", "What was sent ends in the middle; deploy again")
    try:
        parcel = msgspec.msgpack.decode(text, type=Parcel)
    except (msgspec.DecodeError, UnicodeDecodeError):
        reason = "What was sent is no deploy of this version; use the same joelclaw there as on the server"
        raise DeployRefused("BadBundle", reason) from None
    if parcel.format != FORMAT:
        reason = (
            f"What was sent has format {parcel.format}, and this server knows {FORMAT}; update the older of the two"
        )
        raise DeployRefused("BadBundle", reason)
    if sum(map(len, parcel.files.values())) > code_bytes:
        raise _too_large(code_bytes)
    _check_names(parcel)
    return parcel


def _check_names(parcel: Parcel) -> None:
    settings = parcel.settings
    for name in (*parcel.files, *(name for name in parcel.folders if name != "."), settings.functions, settings.schema):
        if not _stays_inside(name):
            raise DeployRefused("BadBundle", f"{name[:80]!r} is no path inside a project; a deploy has no others")
    inner = {str(parent) for name in (*parcel.files, *parcel.folders) for parent in PurePosixPath(name).parents}
    for name in parcel.files:
        if name in inner or name in parcel.folders:
            raise DeployRefused("BadBundle", f"{name[:80]!r} is a file and a folder; it can be one of them")


def _stays_inside(name: str) -> bool:
    steps = name.removesuffix("/").split("/")  # An absolute path has an empty first one.
    return (
        name.isprintable()
        and "\\" not in name
        and len(name.encode()) <= NAME_BYTES_MAX
        and all(step not in ("", ".", "..") and len(step.encode()) <= PART_BYTES_MAX for step in steps)
    )


def _too_large(code_bytes: int) -> DeployRefused:
    reason = f"The app's files have more than {code_bytes:,} bytes; {setting('code_bytes')} of the server"
    return DeployRefused("BundleTooLarge", reason)
