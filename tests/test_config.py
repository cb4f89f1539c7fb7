"""joelclaw.toml: defaults, values from the environment, and one sentence for whatever is wrong."""

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from joelclaw.config import Config, Source, load_config, read_table
from joelclaw.errors import ConfigRefused

DOCUMENTATION = Path(__file__).parent.parent / "docs" / "configuration.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app_functions").mkdir()
    (tmp_path / "schema.py").write_text("")
    return tmp_path


def declare(project: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    (project / "joelclaw.toml").write_text(text, "utf-8")
    return load_config(project, {} if environ is None else environ)


def refusal(project: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigRefused) as caught:
        declare(project, text, environ)
    return str(caught.value)


def test_every_value_has_a_default(project: Path) -> None:
    """A project without joelclaw.toml and one with an empty file are declared alike."""
    missing = load_config(project, {})
    empty = declare(project, "")

    assert msgspec.structs.replace(empty, source=missing.source) == missing
    assert (missing.app.functions, missing.app.schema, missing.server.api_port) == ("app_functions", "schema.py", 3210)
    assert missing.database == project / "data" / "joelclaw.db"
    assert missing.readers >= 1


def test_declared_values_arrive_in_their_types(project: Path) -> None:
    """Text, numbers, lists and tables of the file become the fields of the structs."""
    config = declare(
        project,
        """
        [app]
        name = "garden"
        wire_names = "as_written"
        [server]
        host = "0.0.0.0"
        api_port = 0
        api_origin = "https://api.example.com"
        allowed_origins = ["https://example.com"]
        [store]
        url = "sqlite:///kept/garden.db"
        durability = "normal"
        [env]
        GREETING = "hello"
        [codegen]
        typescript = ["site/convex/_generated"]
        [auth.roles]
        owner = ["github:joelhooks"]
        [limits]
        transaction_time_s = 2
        readers = 3
        """,
    )

    assert config.app.name == "garden"
    assert config.app.wire_names == "as_written"
    assert (config.server.host, config.server.api_port) == ("0.0.0.0", 0)
    assert config.server.api_origin == "https://api.example.com"
    assert config.server.allowed_origins == ("https://example.com",)
    assert config.store.durability == "normal"
    assert config.database == project / "kept" / "garden.db"
    assert config.env == {"GREETING": "hello"}
    assert config.typescript_folders == (project / "site/convex/_generated",)
    assert config.auth.roles == {"owner": ("github:joelhooks",)}
    assert config.limits.transaction_time_s == 2.0
    assert config.readers == 3


def test_an_absolute_database_path_stays_absolute(project: Path) -> None:
    """Four slashes name a file by its absolute path, three one inside the project."""
    config = declare(project, '[store]\nurl = "sqlite:////var/lib/garden.db"')

    assert config.database == Path("/var/lib/garden.db")
    assert config.store_url == "sqlite:////var/lib/garden.db"


class TestEnvironment:
    TEXT = '[server]\napi_port = { from = "PORT" }\n[env]\nKEY = { from = "SECRET" }\nPLAIN = "plain"\n'

    def test_values_come_from_the_environment(self, project: Path) -> None:
        """`{ from = "NAME" }` is replaced by the variable, as text or as the number that is asked for."""
        config = declare(project, self.TEXT, {"PORT": "8080", "SECRET": "s3cret"})

        assert config.server.api_port == 8080
        assert config.env == {"KEY": "s3cret", "PLAIN": "plain"}

    def test_an_unset_variable_is_named(self, project: Path) -> None:
        """A variable that is not set is refused with the setting, its line and the variable's name."""
        assert refusal(project, self.TEXT, {"PORT": "8080"}) == (
            "joelclaw.toml:4: env.KEY comes from the environment variable SECRET, which is not set; "
            "export it before you start joelclaw"
        )

    def test_an_optional_variable_may_be_missing(self, project: Path) -> None:
        """With `optional = true`, a variable that is not set leaves the setting as if it were not written."""
        text = (
            '[server]\napi_port = { from = "PORT", optional = true }\n[env]\nKEY = { from = "SECRET", optional = true }'
        )

        without = declare(project, text, {})
        given = declare(project, text, {"PORT": "8080", "SECRET": ""})

        assert (without.server.api_port, without.env) == (3210, {})
        assert (given.server.api_port, given.env) == (8080, {"KEY": ""})

    @pytest.mark.parametrize(
        "value", ["{ from = 3 }", '{ from = "A", optional = "yes" }', '{ from = "A", default = "b" }']
    )
    def test_a_reference_of_another_form_is_refused(self, project: Path, value: str) -> None:
        """Whatever is no name of a variable is told which forms there are."""
        assert refusal(project, f"[env]\nKEY = {value}", {"A": "a"}) == (
            "joelclaw.toml:2: env.KEY names no variable of the environment; "
            'write { from = "NAME" }, or { from = "NAME", optional = true }'
        )

    def test_the_environment_can_be_left_out(self, project: Path) -> None:
        """Without an environment its values are left out, and nothing is refused for lack of them."""
        (project / "joelclaw.toml").write_text(self.TEXT)
        config = load_config(project, None)

        assert config.server.api_port == 3210
        assert config.env == {"PLAIN": "plain"}

    def test_a_refused_secret_is_not_repeated(self, project: Path) -> None:
        """The message about a malformed secret does not contain it."""
        sentence = refusal(project, '[server]\nadmin_key = { from = "KEY" }', {"KEY": "hunter2"})

        assert sentence.startswith("joelclaw.toml:2: server.admin_key is ")
        assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\n\napi_prot = 1", "joelclaw.toml:3: server has no 'api_prot'; did you mean 'api_port'?"),
        ("[sever]\nhost = 'x'", "joelclaw.toml:1: there is no section or setting 'sever'; did you mean [server]?"),
        (
            "api_port = 1",
            (
                "joelclaw.toml:1: there is no section or setting 'api_port'; "
                "did you mean server.api_port, below a line [server]?"
            ),
        ),
        (
            "[store]\nzzz = 1",
            "joelclaw.toml:2: store has no 'zzz'; there are url, durability, allow_network_file_system",
        ),
        ("source = 1", "joelclaw.toml:1: there is no section or setting 'source'; did you mean [store]?"),
        (
            "[[server]]\nhost = 'x'",
            "joelclaw.toml:1: server is a section; write [server] on a line, and its settings below",
        ),
        (
            "# ports\n[server]\napi_port = 70000",
            (
                "joelclaw.toml:3: server.api_port is a port, a whole number from 0 to 65535 (0: any that is free); "
                "it says 70000"
            ),
        ),
        (
            "server.api_port = true",
            (
                "joelclaw.toml:1: server.api_port is a port, a whole number from 0 to 65535 (0: any that is free); "
                "it says true"
            ),
        ),
        (
            "[store]\nurl = 'sqlite:///:memory:'",
            'joelclaw.toml:2: store.url is "sqlite:///" and the path of a file; it says "sqlite:///:memory:"',
        ),
        ("[env]\nSIZE = 3", "joelclaw.toml:2: env.SIZE is text, not a number"),
        (
            "[limits]\ntransaction_time_s = nan",
            (
                "joelclaw.toml:2: limits.transaction_time_s is the seconds that one query or mutation may compute, "
                "up to 3600; it says nan"
            ),
        ),
        (
            "[app]\nname = 'a'\n\nschema = 'tables.py'",
            "joelclaw.toml:4: app.schema names the file 'tables.py', which is not there; create it or correct the name",
        ),
        (
            "[app]\nfunctions = 'functions'",
            (
                "joelclaw.toml:2: app.functions names the folder 'functions', which is not there; "
                "create it or correct the name"
            ),
        ),
        (
            "[app]\nfunctions = '../elsewhere'",
            'joelclaw.toml:2: app.functions is a folder inside the project; it says "../elsewhere"',
        ),
        ("[app]\nname = ", "joelclaw.toml:2: this is not TOML: invalid value"),
        (
            "[files]\nurl = 'data/files'",
            'joelclaw.toml:2: files.url is "file:///" and the path of a folder, '  # noqa: ISC004 (a pair, not a list)
            'or "s3://", a bucket and a prefix; it says "data/files"',
        ),
        (
            "[crons.nightly]\nfunction = 'a.b'\ncrno = '0 4 * * *'",
            "joelclaw.toml:3: crons.nightly has no 'crno'; did you mean 'cron'?",
        ),
        (
            "[crons]\nnightly = 5",
            "joelclaw.toml:2: crons.nightly is a section; write [crons.nightly] on a line, and its settings below",
        ),
        ("[crons.nightly]\nevery = 30", 'joelclaw.toml:2: crons.nightly.every is an interval, like "30s"; it says 30'),
        (
            "[crons.nightly]\nargs = [1]",
            "joelclaw.toml:2: crons.nightly.args is a table of arguments, like { limit = 10 }; it says [1]",
        ),
        (
            "[server]\ntrusted_proxies = ['127.0.0.1', 'nginx']",
            (
                "joelclaw.toml:2: server.trusted_proxies names 'nginx', which is neither an address nor a network; "
                'write it like "127.0.0.1" or "10.0.0.0/8"'
            ),
        ),
        (
            "[server]\ndashboard_port = 6791",
            (
                "joelclaw.toml:2: server.dashboard_port is for the dashboard, which this version does not have yet; "
                "leave it out"
            ),
        ),
        (
            "[auth]\njwt_ttl = '1'",
            (
                "joelclaw.toml:2: auth.jwt_ttl is how long a token holds before it is renewed, "
                'from "10s" to "24h", like "1h"; it says "1"'
            ),
        ),
        (
            "[auth.sign_in]\ngithub = 3",
            (
                "joelclaw.toml:2: auth.sign_in.github is a section; "
                "write [auth.sign_in.github] on a line, and its settings below"
            ),
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_line(project: Path, text: str, sentence: str) -> None:
    """Each kind of mistake is told with file, line, and the name or form that was meant."""
    assert refusal(project, text) == sentence


def test_http_actions_have_the_usual_port_unless_that_of_clients_is_any(project: Path) -> None:
    """Two servers that take any port must not meet at the other one."""
    assert load_config(project, {}).site_port == 3211
    for text, port in [("api_port = 0", 0), ("api_port = 0\nsite_port = 5", 5), ("site_port = 0", 0)]:
        (project / "joelclaw.toml").write_text(f"[server]\n{text}\n")
        assert load_config(project, {}).site_port == port


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    """A file in another encoding is refused as such."""
    (project / "joelclaw.toml").write_bytes(b"name = '\xe9'")

    with pytest.raises(ConfigRefused, match=r"^joelclaw.toml is not UTF-8 text; save it as UTF-8$"):
        load_config(project, {})


def test_a_file_that_cannot_be_read_is_refused(project: Path) -> None:
    """What the system says about an unreadable file is passed on, with its name."""
    (project / "joelclaw.toml").mkdir()

    with pytest.raises(ConfigRefused, match=r"^joelclaw.toml cannot be read: Is a directory$"):
        load_config(project, {})


class TestLines:
    TEXT = """\
# api_port = 1
title = '''
api_port = 2
'''
list = [
  "a", # api_port
  { api_port = 3 },
]

[server]
"api_port" = 4
hosts.first = "x"

[auth.roles]
owner = [
  "a:b",
]
"""

    @pytest.mark.parametrize(
        ("keys", "line"),
        [
            (("title",), 2),
            (("list",), 5),
            (("server",), 10),
            (("server", "api_port"), 11),
            (("server", "hosts", "first"), 12),
            (("auth",), 14),
            (("auth", "roles", "owner"), 15),
            (("api_port",), None),
            (("title", "api_port"), None),
        ],
    )
    def test_a_setting_is_found_on_its_line(self, keys: tuple[str, ...], line: int | None) -> None:
        """Comments, strings and arrays of several lines, quoted and dotted keys do not mislead."""
        assert Source(Path("joelclaw.toml"), self.TEXT).line(*keys) == line

    def test_carriage_returns_count_no_line(self, project: Path) -> None:
        """A file written on Windows has the same lines."""
        (project / "joelclaw.toml").write_bytes(b"[server]\r\n\r\nhost = 3\r\n")

        with pytest.raises(ConfigRefused, match=r"^joelclaw.toml:3: server.host is "):
            load_config(project, {})

    def test_a_default_has_the_file_for_its_place(self) -> None:
        """What the file does not say is placed in the file as a whole."""
        source = Source(Path("/srv/joelclaw.toml"), self.TEXT)
        assert source.place("server", "api_port") == "joelclaw.toml:11"
        assert source.place("store", "url") == "joelclaw.toml"


class Hub(msgspec.Struct, frozen=True):
    """The settings of a sign-in method, as it declares them."""

    client_id: Annotated[str, msgspec.Meta(min_length=1, description="the id of an app there")]
    base_url: Annotated[str | None, msgspec.Meta(description="where it is")] = None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("client_idd = 'x'", "joelclaw.toml:2: auth.sign_in.hub has no 'client_idd'; did you mean 'client_id'?"),
        ("client_id = 3", "joelclaw.toml:2: auth.sign_in.hub.client_id is the id of an app there; it says 3"),
        ("base_url = 'x'", "joelclaw.toml:1: [auth.sign_in.hub] needs client_id; write a line client_id = ..."),
    ],
)
def test_a_table_that_only_its_user_can_read_is_refused_with_its_line(project: Path, text: str, sentence: str) -> None:
    """What is wrong in the settings of a sign-in method is told as everything is."""
    config = declare(project, f"[auth.sign_in.hub]\n{text}\n")

    with pytest.raises(ConfigRefused) as refused:
        read_table(config.source, config.auth.sign_in["hub"], Hub, "auth", "sign_in", "hub")

    assert str(refused.value) == sentence


def test_a_table_that_only_its_user_can_read_has_what_the_environment_holds(project: Path) -> None:
    """`{ from = ... }` is replaced in it, and its struct has the rest of the values."""
    config = declare(project, "[auth.sign_in.hub]\nclient_id = { from = 'HUB_ID' }\n", {"HUB_ID": "id"})

    assert read_table(config.source, config.auth.sign_in["hub"], Hub, "auth", "sign_in", "hub") == Hub("id")


def settings(struct: Any = Config, prefix: str = "") -> list[str]:
    names = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and field.type is not Source:
            names += settings(field.type, f"{prefix}{field.name}.")
        elif field.type is not Source:
            names.append(f"{prefix}{field.encode_name}")
            many = [kind for kind in get_args(field.type) if get_origin(field.type) is tuple and isinstance(kind, type)]
            names += [name for kind in many for name in settings(kind, f"{prefix}{field.name}.")]
    return names


def test_every_setting_is_documented() -> None:
    """docs/configuration.md has a row for each setting, and its example is accepted."""
    text = DOCUMENTATION.read_text("utf-8")

    assert [name for name in settings() if f"`{name}" not in text] == []


def test_the_documented_example_is_accepted(project: Path) -> None:
    """The example file of docs/configuration.md is one that we read."""
    example = DOCUMENTATION.read_text("utf-8").split("```toml\n")[1].split("```")[0]

    config = declare(project, example, {"JOELCLAW_ADMIN_KEY": "joelclaw|" + "k" * 24, "INNGEST_SIGNING_KEY": "s"})

    assert config.env["INNGEST_SIGNING_KEY"] == "s"


def test_sections_of_which_there_are_many(project: Path) -> None:
    """`[[auth.issuers]]` begins another each time, with settings of its own."""
    first, second = declare(
        project,
        """
        [[auth.issuers]]
        domain = { from = "DOMAIN" }
        [[auth.issuers]]
        type = "custom_jwt"
        """,
        {"DOMAIN": "https://a.example.com"},
    ).auth.issuers

    assert (first.type, first.domain) == ("oidc", "https://a.example.com")
    assert (second.type, second.domain) == ("custom_jwt", None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[[auth.issuers]]\ndomain = 'a'\n[[auth.issuers]]\ndomian = 'b'",
            "joelclaw.toml:4: auth.issuers has no 'domian'; did you mean 'domain'?",
        ),
        (
            "[[auth.issuers]]\ndomain = 'a'\n[[auth.issuers]]\n\nalgorithm = 'HS256'",
            'joelclaw.toml:5: auth.issuers.algorithm is "RS256" or "ES256"; it says "HS256"',
        ),
        (
            "\n[auth.issuers]\ndomain = 'a'",
            (
                "joelclaw.toml:2: auth.issuers are sections; "
                "write [[auth.issuers]] on a line, and the settings of each below"
            ),
        ),
        (
            "[auth]\nissuers = ['a']",
            (
                "joelclaw.toml:2: auth.issuers are sections; "
                "write [[auth.issuers]] on a line, and the settings of each below"
            ),
        ),
    ],
)
def test_what_is_wrong_in_one_of_many_is_told_with_its_line(project: Path, text: str, sentence: str) -> None:
    """The line says which one it is."""
    assert refusal(project, text) == sentence
