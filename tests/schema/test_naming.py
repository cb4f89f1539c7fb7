"""`joelclaw.schema.naming`: how Python's names look on the wire."""

from collections.abc import Iterator

import pytest

from joelclaw.schema.naming import choose_wire_names, naming_of


@pytest.fixture(autouse=True)
def _camel_again() -> Iterator[None]:
    yield
    choose_wire_names("camel")


def test_names_are_camel_case_unless_told_otherwise() -> None:
    """The deployment's choice holds for its own modules and never for the platform's."""
    assert naming_of("schema")("quote_text") == "quoteText"

    choose_wire_names("as_written")

    assert naming_of("schema")("quote_text") == "quote_text"
    assert naming_of("joelclaw.schema.pagination")("num_items") == "numItems"
    assert naming_of("joelclaws")("num_items") == "num_items"
