"""`joelclaw.limits`: the defaults, and how they are declared."""

import re
import typing
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused
from joelclaw.limits import DEFAULT_LIMITS, Limits, setting

DOCUMENTATION = Path(__file__).parent.parent / "docs" / "limits.md"

SETTING = re.compile(r"""setting\(["'](\w+)["']\)""")
NAMED = re.compile(r"raise limits\.(\w+)")

KIB = 2**10
MIB = 2**20

ECOSYSTEM: dict[str, Any] = {
    "transaction_time_s": 1.0,
    "documents_read": 32_000,
    "bytes_read": 16 * MIB,
    "ranges_read": 4_096,
    "documents_written": 16_000,
    "bytes_written": 16 * MIB,
    "scheduled_per_mutation": 1_000,
    "scheduled_args_bytes": 16 * MIB,
    "scheduled_call_bytes": 4 * MIB,
    "scheduled_outstanding": 1_000_000,
    "search_terms": 16,
    "search_filters": 8,
    "search_results": 1_024,
    "search_indexes_per_table": 4,
    "vector_filters": 64,
    "vector_results": 256,
    "vector_indexes_per_table": 4,
    "arguments_bytes": 16 * MIB,
    "result_bytes": 16 * MIB,
    "call_depth": 8,
    "log_lines": 256,
    "log_line_bytes": 32 * KIB,
    "action_time_s": 600.0,
    "action_operations": 1_000,
    "http_body_bytes": 20 * MIB,
    "document_bytes": MIB,
    "tables": 10_000,
    "indexes_per_table": 64,
    "fields_per_index": 16,
    "code_bytes": 32 * MIB,
    "env_variables": 1_000,
    "env_value_bytes": 8 * KIB,
}
"""What apps of this ecosystem are written for."""


def test_the_defaults_are_those_of_the_ecosystem() -> None:
    """An app that was written for another backend meets the same limits here."""
    defaults = msgspec.structs.asdict(DEFAULT_LIMITS)
    assert {name: defaults[name] for name in ECOSYSTEM} == ECOSYSTEM


def test_limits_are_declared(tmp_path: Path) -> None:
    """Each one is a setting of the same name; those that are not declared keep their defaults."""
    (tmp_path / "joelclaw.toml").write_text("[limits]\ndocuments_read = 7\naction_time_s = 2\n")
    limits = load_config(tmp_path, {}).limits
    assert limits == msgspec.structs.replace(DEFAULT_LIMITS, documents_read=7, action_time_s=2.0)


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(Limits)])
def test_each_limit_says_what_it_is(tmp_path: Path, name: str) -> None:
    """A wrong value is refused with file, line, and a sentence about this limit; docs/limits.md has a row for it."""
    (tmp_path / "joelclaw.toml").write_text(f"[limits]\n{name} = -1\n")
    with pytest.raises(ConfigRefused) as caught:
        load_config(tmp_path, {})
    hint = typing.get_type_hints(Limits, include_extras=True)[name]
    description = get_args(hint)[-1].description
    assert str(caught.value) == f"joelclaw.toml:2: limits.{name} is {description}; it says -1"
    assert f"| `{name}` |" in DOCUMENTATION.read_text("utf-8")


def test_every_setting_that_an_error_names_is_there() -> None:
    """No error sends people to a setting that does not exist."""
    package = Path(__file__).parent.parent / "platform" / "joelclaw"
    known = {field.name for field in msgspec.structs.fields(Limits)}
    named = {
        name
        for file in package.rglob("*.py")
        for name in [*SETTING.findall(file.read_text("utf-8")), *NAMED.findall(file.read_text("utf-8"))]
    }
    assert named
    assert named <= known
    assert setting("call_depth") == "raise limits.call_depth in joelclaw.toml"
