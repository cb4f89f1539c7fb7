"""
joelclaw.toml: one deployment, declared.

Decoded into frozen structs, where every value has a default: an empty file works, and so
does none. Whatever is wrong is one sentence with the file, the line and, where one is near,
the name that was meant: `joelclaw.toml:7: server has no 'api_prot'; did you mean 'api_port'?`

A setting describes itself: its `description` finishes the sentence "server.api_port is ...",
and `docs/configuration.md` is tested against these structs. Secrets never stand in a message.

`{ from = "NAME" }` in place of a value takes it from the process environment; with
`optional = true` beside, a variable that is not set is as if the setting were not written.
Names of settings that belong to a later version are known, so that the sentence can say so.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from joelclaw.config_auth import Auth
from joelclaw.errors import ConfigRefused
from joelclaw.limits import Limits

FILE_NAME = "joelclaw.toml"

_ORIGIN = r"^https?://[^/\s?#]+$"
_FOLDER = r"^(?![/~])(?!(.*/)?\.\.(/|$))\S.*$"

SITE_PORT = 3211
"""Where HTTP actions are, where nobody says otherwise."""

Origin = Annotated[str, Meta(pattern=_ORIGIN)]
SettingPath = tuple[str | int, ...]
"""Where something stands: names of sections and settings, and places in lists."""

T = TypeVar("T", bound=msgspec.Struct)

_LATER: dict[SettingPath, str] = {
    ("server", "dashboard_port"): "the dashboard",
}


class App(msgspec.Struct, frozen=True, kw_only=True):
    """The app that is served."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="a name of letters, digits, '-' and '_'")
    ] = "joelclaw"
    functions: Annotated[str, Meta(pattern=_FOLDER, description="a folder inside the project")] = "app_functions"
    schema: Annotated[str, Meta(pattern=_FOLDER, description="a file inside the project")] = "schema.py"
    wire_names: Annotated[Literal["camel", "as_written"], Meta(description='"camel" or "as_written"')] = "camel"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where clients find it."""

    host: Annotated[str, Meta(min_length=1, description="an address of this machine")] = "127.0.0.1"
    api_port: Annotated[
        int, Meta(ge=0, le=65535, description="a port, a whole number from 0 to 65535 (0: any that is free)")
    ] = 3210
    api_origin: Annotated[
        Origin | None, Meta(description="where clients reach api_port from outside, like https://api.example.com")
    ] = None
    site_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="a port, a whole number from 0 to 65535 (0: any that is free)"),
    ] = None
    site_origin: Annotated[
        Origin | None, Meta(description="where site_port is reached from outside, like https://site.example.com")
    ] = None
    metrics_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="a port, a whole number from 0 to 65535 (0: any that is free)"),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description='"debug", "info", "warning" or "error"'),
    ] = "info"
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description='a list of addresses and networks, like ["127.0.0.1", "10.0.0.0/8"]'),
    ] = ()
    allowed_origins: Annotated[
        tuple[Origin, ...], Meta(description='a list of origins, like ["https://example.com"]')
    ] = ()
    admin_key: Annotated[
        Annotated[str, Meta(pattern=r"^([a-z]+:)?[A-Za-z0-9_-]+\|[^\s:|]{16,}$")] | None,
        Meta(
            description="a name, '|' and a secret of at least 16 characters, none of them ':'",
            extra={"secret": True},
        ),
    ] = None


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """Where the documents are kept."""

    url: Annotated[
        str,
        # In-memory databases are refused: the processes of a deployment would each see their own.
        Meta(pattern=r"^sqlite:///(?!:memory:)[^?]+$", description='"sqlite:///" and the path of a file'),
    ] = "sqlite:///data/joelclaw.db"
    durability: Annotated[Literal["full", "normal"], Meta(description='"full" or "normal"')] = "full"
    allow_network_file_system: Annotated[bool, Meta(description="true or false")] = False


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of what functions did, in a file beside the database."""

    keep_days: Annotated[
        float, Meta(gt=0, le=36_500, description="the days after which a logged run is forgotten, up to 36500")
    ] = 14.0
    keep_mb: Annotated[
        int, Meta(ge=1, le=1_048_576, description="the room for logged runs, in MB; the oldest give way")
    ] = 256
    quiet_queries: Annotated[
        bool, Meta(description="true or false: whether queries that succeed and log nothing are kept, too")
    ] = False


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes of stored files are kept."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(file:///[^?#]+|s3://[^/?#]+(/[^?#]*)?(\?[^#]*)?)$",
            description='"file:///" and the path of a folder, or "s3://", a bucket and a prefix',
        ),
    ] = "file:///data/files"
    access_key_id: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="the name of a key to the bucket")
    ] = None
    secret_access_key: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="that key's secret", extra={"secret": True})
    ] = None


class Codegen(msgspec.Struct, frozen=True, kw_only=True):
    """What is written for the app's clients."""

    typescript: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description='a list of folders, like ["site/convex/_generated"]'),
    ] = ()


class Cron(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the app that runs by the clock. What it may say is checked with the app (`functions/crons.py`)."""

    function: Annotated[str, Meta(description="a function of the app, like comments.forget_resolved")] = ""
    cron: Annotated[str | None, Meta(description='a calendar, like "0 4 * * *"')] = None
    every: Annotated[str | None, Meta(description='an interval, like "30s"')] = None
    tz: Annotated[str | None, Meta(description='a time zone, like "America/Los_Angeles"')] = None
    catch_up: Annotated[bool, Meta(description="true or false")] = False
    args: Annotated[dict[str, Any], Meta(description="a table of arguments, like { limit = 10 }")] = {}


_KEPT = "how many, a whole number from 0 to 10000"


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Of how many days, weeks and months the newest backup is kept."""

    daily: Annotated[int, Meta(ge=0, le=10_000, description=_KEPT)] = 7
    weekly: Annotated[int, Meta(ge=0, le=10_000, description=_KEPT)] = 4
    monthly: Annotated[int, Meta(ge=0, le=10_000, description=_KEPT)] = 0


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """When backups are made, where they are kept, and for how long."""

    cron: Annotated[Annotated[str, Meta(min_length=1)] | None, Meta(description='a calendar, like "0 4 * * *"')] = None
    drill: Annotated[Literal["weekly", "always", "never"], Meta(description='"weekly", "always" or "never"')] = "weekly"
    tz: Annotated[str, Meta(min_length=1, description='a time zone, like "America/Los_Angeles"')] = "UTC"
    to: Annotated[
        tuple[
            Annotated[str, Meta(pattern=r"^(file:///[^?#]+|s3://[^/?#]+(/[^?#]*)?(\?[^#]*)?)$")],
            ...,
        ],
        Meta(description='a list of places, like ["file:///data/backups", "s3://bucket/prefix"]'),
    ] = ("file:///data/backups",)
    keep: Keep = Keep()


class Deploy(msgspec.Struct, frozen=True, kw_only=True):
    """How `joelclaw deploy` is checked, and what is kept of it."""

    keep: Annotated[
        int, Meta(ge=2, le=1_000, description="how many versions' code is kept, a whole number from 2 to 1000")
    ] = 10
    lock: Annotated[
        Annotated[str, Meta(pattern=r"^((?![/~])(?!(.*/)?\.\.(/|$))\S.*)?$")] | None,
        Meta(description='a file inside the project, or "" for none'),
    ] = None


class Source(msgspec.Struct, frozen=True):
    """The file itself, kept to say where in it something stands."""

    path: Path
    text: str = ""

    def line(self, *keys: str | int) -> int | None:
        """
        The line on which a setting begins, or a section's first mention; None when it is not in the file.

        A prefix of a TOML file is itself TOML exactly where a statement ends, so the parser
        finds the borders of statements for us: no second grammar that disagrees with it about
        quotes, dots and strings of several lines. Quadratic, and only for messages.
        """
        lines = self.text.split("\n")
        begins = 0
        for end in range(1, len(lines) + 1):
            try:
                document = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue
            if _holds(document, keys):
                return begins + 1
            begins = end
        return None

    def place(self, *keys: str | int) -> str:
        """`joelclaw.toml:7`, or the file alone for what is not written in it."""
        line = self.line(*keys)
        return self.path.name if line is None else f"{self.path.name}:{line}"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as declared. Paths are as written; the properties make them absolute."""

    app: App = App()
    server: Server = Server()
    store: Store = Store()
    files: Files = Files()
    logs: Logs = Logs()
    env: dict[str, Annotated[str, Meta(description="text", extra={"secret": True})]] = {}
    codegen: Codegen = Codegen()
    auth: Auth = Auth()
    crons: dict[str, Cron] = {}
    backup: Backup = Backup()
    deploy: Deploy = Deploy()
    limits: Limits = Limits()
    source: Source

    @property
    def root(self) -> Path:
        """The project's folder, absolute."""
        return self.source.path.parent

    @property
    def store_url(self) -> str:
        """`store.url` with an absolute path: processes need not agree about their working directory."""
        return f"sqlite:///{self.database}"

    @property
    def database(self) -> Path:
        """The database's file, absolute."""
        return self.root / self.store.url.removeprefix("sqlite:///")

    @property
    def files_url(self) -> str:
        """`files.url` with an absolute path, like `store_url`."""
        folder = self.files.url.removeprefix("file:///")
        return self.files.url if folder == self.files.url else f"file://{self.root / folder}"

    @property
    def files_credentials(self) -> dict[str, str]:
        """What opens the bucket, as far as it is declared."""
        declared = {"access_key_id": self.files.access_key_id, "secret_access_key": self.files.secret_access_key}
        return {name: value for name, value in declared.items() if value is not None}

    @property
    def backup_urls(self) -> tuple[str, ...]:
        """`backup.to` with absolute paths, like `store_url`."""
        return tuple(
            f"file://{self.root / url.removeprefix('file:///')}" if url.startswith("file:///") else url
            for url in self.backup.to
        )

    @property
    def site_port(self) -> int:
        """The port of HTTP actions: as declared, otherwise the usual one, or any if that of clients is any."""
        if self.server.site_port is not None:
            return self.server.site_port
        return 0 if self.server.api_port == 0 else SITE_PORT

    @property
    def logs_file(self) -> Path:
        """Where runs are logged, beside the database and named after it."""
        return self.database.with_name(f"{self.database.name}-logs")

    @property
    def bundles(self) -> Path:
        """The folder of the code that serves, beside the database and named after it."""
        return self.database.with_name(f"{self.database.name}-bundles")

    @property
    def transfers(self) -> Path:
        """The folder of exports and uploads, beside the database and named after it."""
        return self.database.with_name(f"{self.database.name}-transfers")

    @property
    def admin_key_file(self) -> Path:
        """Where a development server keeps its admin key for the command line, beside the database."""
        return self.database.parent / "admin_key"

    @property
    def auth_key_file(self) -> Path:
        """Where the key is that the keys of sign-in are sealed with, beside the database; never in its backups."""
        return self.database.parent / "auth_key"

    @property
    def typescript_folders(self) -> tuple[Path, ...]:
        return tuple(self.root / folder for folder in self.codegen.typescript)

    @property
    def readers(self) -> int:
        """How many processes run queries: as declared, otherwise one a core but for the writer's."""
        return self.limits.readers or max(1, (os.cpu_count() or 1) - 1)


def load_config(root: Path, environ: Mapping[str, str] | None) -> Config:
    """
    The deployment declared in this folder.

    `environ` is the process environment; None leaves out what would come from there, which
    is right for commands that only look at the app and should not need its secrets.

    Raises:
        ConfigRefused: The file cannot be read, or something in it is not as it has to be.
    """
    source = _read(root.resolve() / FILE_NAME)
    document = _parse(source)
    if "source" in document:
        _refuse_unknown(source, (), "source", [])
    sections = _Decoder(source, environ).fields(Config, document, ())
    config = Config(**sections, source=source)
    _check_references(config)
    return config


def read_table(source: Source, table: dict[str, Any], struct: type[T], *path: str) -> T:
    """
    A table of the file that only its user can read, `config.auth.sign_in["github"]` for one, as a struct.

    `path` is where it stands. What the environment holds is in it already, as text.

    Raises:
        ConfigRefused: Something in it is not as it has to be, or something that it needs is missing.
    """
    fields = _Decoder(source, None).fields(struct, table, path)
    missing = [field.name for field in msgspec.structs.fields(struct) if field.required and field.name not in fields]
    if missing:
        raise ConfigRefused(
            source.path.name,
            source.line(*path),
            f"[{'.'.join(path)}] needs {missing[0]}; write a line {missing[0]} = ...",
        )
    return struct(**fields)


def _read(path: Path) -> Source:
    try:
        return Source(path, path.read_text("utf-8"))
    except FileNotFoundError:
        return Source(path)
    except UnicodeDecodeError as exc:
        raise ConfigRefused(path.name, None, "is not UTF-8 text; save it as UTF-8") from exc
    except OSError as exc:
        raise ConfigRefused(path.name, None, f"cannot be read: {os.strerror(exc.errno or 0)}") from exc


def _parse(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as exc:
        # Before Python 3.14 the place is in the message only: "Invalid value (at line 3, column 5)".
        reason, _, place = str(exc).partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else source.text.rstrip().count("\n") + 1
        raise ConfigRefused(source.path.name, line, f"this is not TOML: {reason[:1].lower()}{reason[1:]}") from exc


class _Decoder:
    """From the parsed file to structs, refusing the first thing that is wrong."""

    def __init__(self, source: Source, environ: Mapping[str, str] | None) -> None:
        self._source = source
        self._environ = environ

    def fields(self, struct: type[msgspec.Struct], table: dict[str, Any], path: SettingPath) -> dict[str, Any]:
        """The fields of a struct that the table sets, decoded."""
        # `encode_name`: a setting may be called what no attribute can be, `from`.
        known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        decoded = {}
        for name, raw in table.items():
            here = (*path, name)
            if here in _LATER:
                self._refuse(
                    here,
                    f"{_shown_path(here)} is for {_LATER[here]}, which this version does not have yet; leave it out",
                )
            if name not in known:
                _refuse_unknown(self._source, path, name, list(known))
            value = self.value(known[name].type, raw, here)
            if value is not None:
                decoded[known[name].name] = value
        return decoded

    def value(self, kind: Any, raw: Any, path: SettingPath) -> Any:
        """One setting, or a section; None when the environment does not have it, or is left out."""
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return kind(**self.fields(kind, self._table(raw, path), path))
        if get_origin(kind) is dict:
            element = get_args(kind)[1]
            values = {name: self.value(element, item, (*path, name)) for name, item in self._table(raw, path).items()}
            return {name: value for name, value in values.items() if value is not None}
        if get_origin(kind) is tuple and issubclass(element := get_args(kind)[0], msgspec.Struct):
            return tuple(
                element(**self.fields(element, table, (*path, place)))
                for place, table in enumerate(self._tables(raw, path))
            )
        strict = True
        if isinstance(raw, dict) and "from" in raw:
            raw = self._from_environment(raw, path)
            if raw is None:
                return None
            strict = False  # An environment holds text only; a port is a number all the same.
        try:
            return msgspec.convert(raw, kind, strict=strict)
        except msgspec.ValidationError as exc:
            self._refuse(path, f"{_shown_path(path)} is {_expectation(kind)}{_shown_value(kind, raw)}", exc)

    def _table(self, raw: Any, path: SettingPath) -> dict[str, Any]:
        if not isinstance(raw, dict):
            name = _dotted(path)
            self._refuse(path, f"{name} is a section; write [{name}] on a line, and its settings below")
        return raw

    def _tables(self, raw: Any, path: SettingPath) -> list[dict[str, Any]]:
        if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
            name = _dotted(path)
            self._refuse(path, f"{name} are sections; write [[{name}]] on a line, and the settings of each below")
        return raw

    def _from_environment(self, raw: dict[str, Any], path: SettingPath) -> str | None:
        name, optional = raw["from"], raw.get("optional", False)
        if not isinstance(name, str) or not isinstance(optional, bool) or not raw.keys() <= {"from", "optional"}:
            self._refuse(
                path,
                f"{_shown_path(path)} names no variable of the environment; "
                f'write {{ from = "NAME" }}, or {{ from = "NAME", optional = true }}',
            )
        if self._environ is None:
            return None
        if name not in self._environ and not optional:
            self._refuse(
                path,
                f"{_shown_path(path)} comes from the environment variable {name}, which is not set; "
                f"export it before you start joelclaw",
            )
        return self._environ.get(name)

    def _refuse(self, path: SettingPath, reason: str, cause: Exception | None = None) -> NoReturn:
        raise ConfigRefused(self._source.path.name, self._source.line(*path), reason) from cause


def _refuse_unknown(source: Source, path: SettingPath, name: str, known: list[str]) -> NoReturn:
    """Refuse a name that no setting has, with the one that was meant where it can be told."""
    what = f"{_dotted(path)} has no '{name}'" if path else f"there is no section or setting '{name}'"
    raise ConfigRefused(source.path.name, source.line(*path, name), what + _suggestion(path, name, known))


def _suggestion(path: SettingPath, name: str, known: list[str]) -> str:
    sections = {field.name: field.type for field in msgspec.structs.fields(Config) if field.name != "source"}
    structs = {section: get_args(kind)[1] if get_origin(kind) is dict else kind for section, kind in sections.items()}
    settings = {
        section: [field.name for field in msgspec.structs.fields(kind)]
        for section, kind in structs.items()
        if isinstance(kind, type)
    }
    beside = known if path else list(sections)
    if near := difflib.get_close_matches(name, beside, n=1):
        return f"; did you mean '{near[0]}'?" if path else f"; did you mean [{near[0]}]?"
    for section, names in settings.items():
        if name in names:
            return f"; did you mean {section}.{name}, below a line [{section}]?"
    return f"; there are {', '.join(beside)}"


def _check_references(config: Config) -> None:
    """Refuse a folder or file that the declaration names and that is not there, and a proxy that can be none."""
    for proxy in config.server.trusted_proxies:
        _check_proxy(config, proxy)
    for setting, name, exists, kind in (
        ("functions", config.app.functions, Path.is_dir, "folder"),
        ("schema", config.app.schema, Path.is_file, "file"),
    ):
        line = config.source.line("app", setting)
        if line is not None and not exists(config.root / name):
            raise ConfigRefused(
                config.source.path.name,
                line,
                f"app.{setting} names the {kind} '{name}', which is not there; create it or correct the name",
            )


def _check_proxy(config: Config, text: str) -> None:
    # Not at the top: most commands that read the declaration serve nothing.
    from ipaddress import ip_network

    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ConfigRefused(
            config.source.path.name,
            config.source.line("server", "trusted_proxies"),
            f"server.trusted_proxies names {text!r:.80}, which is neither an address nor a network; "
            f'write it like "127.0.0.1" or "10.0.0.0/8"',
        ) from None


def _holds(document: Any, keys: SettingPath) -> bool:
    for key in keys:
        if isinstance(key, int):
            if not isinstance(document, list) or key >= len(document):
                return False
        elif not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True


def _shown_path(path: SettingPath) -> str:
    return f"[{path[0]}]" if len(path) == 1 else _dotted(path)


def _dotted(path: SettingPath) -> str:
    """A setting's name as people write it; which of several it is, the line tells."""
    return ".".join(name for name in path if isinstance(name, str))


def _expectation(kind: Any) -> str:
    meta = get_args(kind)[-1]
    return str(meta.description)


def _shown_value(kind: Any, raw: Any) -> str:
    """What is written instead; nothing for a secret, which must not reach a terminal or a log."""
    meta = get_args(kind)[-1]
    if (meta.extra or {}).get("secret"):
        return f", not {_toml_kind(raw)}" if not isinstance(raw, str) else ""
    shown = repr(raw) if isinstance(raw, float) else msgspec.json.encode(raw).decode()
    return f"; it says {shown if len(shown) <= 60 else shown[:60] + '...'}"


def _toml_kind(raw: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(raw), "a date or time")
