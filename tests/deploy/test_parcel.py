"""What a deploy sends: the same project is the same parcel, and nothing in one leads out of its folder."""

import os
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from joelclaw.config import load_config
from joelclaw.deploy.bundle import Bundles
from joelclaw.deploy.parcel import ENVELOPE_BYTES, FromEnvironment, Parcel, Settings, parcel_of, unpack
from joelclaw.deploy.requirements import read_lock
from joelclaw.deploy.sources import read_sources
from joelclaw.errors import CommandFailed, DeployRefused
from tests.deploy.workshop import NOTES, SCHEMA, save

LIMIT = 1_000_000


def parcel_in(root: Path) -> Parcel:
    config = load_config(root, None)
    return parcel_of(config, read_sources(config), read_lock(config))


def crafted(**fields: Any) -> bytes:
    """A parcel that `joelclaw deploy` would not have made."""
    settings = Settings(functions="app_functions", schema="schema.py", wire_names="camel")
    return Parcel(**{"files": {"schema.py": b""}, "settings": settings, **fields}).pack()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    save(tmp_path, "schema.py", SCHEMA)
    save(tmp_path, "app_functions/notes.py", NOTES)
    save(tmp_path, "app_functions/data/names.txt", "Ada")
    return tmp_path


def test_it_arrives_as_it_was_sent(project: Path) -> None:
    """Files, folders and settings come out as they went in, under the same name, ready to be loaded from."""
    sent = parcel_in(project)

    received = unpack(sent.pack(), LIMIT)

    assert received == sent
    assert received.digest == sent.digest
    bundle = Bundles(project / "bundles").put(*received.content)
    assert (bundle.root / "app_functions" / "data" / "names.txt").read_text() == "Ada"
    assert (bundle.digest, received.files_digest) == (sent.files_digest, sent.files_digest)


def test_the_name_tells_whether_anything_has_changed(project: Path) -> None:
    """The same files give the same digest, whenever they are read; another setting or file gives another."""
    first = parcel_in(project).digest
    assert parcel_in(project).digest == first
    save(project, "joelclaw.toml", '[auth.roles]\nowner = ["github:ada"]\n')
    with_role = parcel_in(project)
    save(project, "app_functions/data/names.txt", "Bob")
    with_name = parcel_in(project)

    assert len({first, with_role.digest, with_name.digest}) == 3
    assert with_role.files_digest != with_name.files_digest


def test_secrets_and_what_is_the_servers_stay_at_home(project: Path) -> None:
    """Of the declaration only what concerns the app travels; a value from the environment travels as its name."""
    save(
        project,
        "joelclaw.toml",
        '[server]\nadmin_key = "t|hunter2-hunter2-hunter2"\n[env]\nPLAIN = "a"\nKEY = { from = "SECRET" }\n'
        'MAYBE = { from = "MAYBE", optional = true }\n',
    )

    parcel = parcel_in(project)

    assert parcel.settings.env == {
        "PLAIN": "a",
        "KEY": FromEnvironment("SECRET"),
        "MAYBE": FromEnvironment("MAYBE", True),
    }
    assert b"hunter2" not in msgspec.msgpack.encode(parcel)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py",
        "app_functions/../../outside.py",
        "/etc/passwd",
        "app_functions//a.py",
        "./schema.py",
        "app_functions\\..\\a.py",
        "a\0.py",
        "",
        "x" * 256,
        "/".join(["long"] * 400),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    """A path that climbs, begins at the root, or that no file system takes is refused before anything is written."""
    for fields in ({"files": {name: b"x"}}, {"folders": (name,)}):
        with pytest.raises(DeployRefused, match="no path inside a project") as caught:
            unpack(crafted(**fields), LIMIT)
        assert caught.value.reason_code == "BadBundle"


def test_settings_do_not_lead_elsewhere_either() -> None:
    """The folder of functions and the schema's file are inside, too."""
    for functions, schema in (("../other", "schema.py"), ("app_functions", "/etc/schema.py")):
        settings = Settings(functions=functions, schema=schema, wire_names="camel")
        with pytest.raises(DeployRefused, match="no path inside a project"):
            unpack(crafted(settings=settings), LIMIT)


def test_a_file_is_no_folder() -> None:
    """What is a file and the folder of another file cannot be written; it is refused."""
    with pytest.raises(DeployRefused, match="is a file and a folder"):
        unpack(crafted(files={"a": b"", "a/b.py": b""}), LIMIT)
    with pytest.raises(DeployRefused, match="is a file and a folder"):
        unpack(crafted(files={"a": b""}, folders=("a",)), LIMIT)


def test_size_is_bounded() -> None:
    """Files larger than an app may be are refused, also when they come as a few bytes that unpack to very many."""
    unpack(crafted(files={"a": b"x" * LIMIT}), LIMIT)
    for size in (LIMIT + 1, LIMIT + ENVELOPE_BYTES + 1):
        with pytest.raises(DeployRefused, match=r"more than 1,000,000 bytes; raise limits\.code_bytes") as caught:
            unpack(crafted(files={"a": b"x" * size}), LIMIT)
        assert caught.value.reason_code == "BundleTooLarge"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no parcel",
        crafted()[:-5],
        crafted() + b"more",
        zlib.compress(b""),
        zlib.compress(msgspec.msgpack.encode({"format": 1})),
        zlib.compress(msgspec.msgpack.encode({"format": 2, "files": {}, "settings": {}})),
        crafted(format=2),
    ],
)
def test_what_is_damaged_or_foreign_is_refused(data: bytes) -> None:
    """Half a parcel, another program's bytes and another format are refused with a sentence."""
    with pytest.raises(DeployRefused, match="What was sent") as caught:
        unpack(data, LIMIT)
    assert caught.value.reason_code == "BadBundle"


def test_a_name_that_is_no_text_is_told(project: Path) -> None:
    """A file whose name is not UTF-8 cannot travel; it is named before anything is sent."""
    with open(os.path.join(os.fsencode(project), b"app_functions", b"\xff.txt"), "wb"):
        pass
    with pytest.raises(CommandFailed, match="has a name that is not UTF-8"):
        parcel_in(project)
