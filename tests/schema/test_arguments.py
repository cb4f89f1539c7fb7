"""`joelclaw.schema.shapes`: the arguments of functions."""

from typing import Annotated, Any

import pytest
from msgspec import NODEFAULT, UNSET, UnsetType

from joelclaw.errors import HintRefused, ValueRefused
from joelclaw.schema.hints import Scope
from joelclaw.schema.marks import Arg, Id
from joelclaw.schema.shapes import ArgumentsShape, argument_of
from joelclaw.schema.structs import Object
from joelclaw.values.names import camel
from tests.schema.strategies import TABLES, User, id_of

SCOPE = Scope(__name__, globals())


class Anchor(Object):
    paragraph: str
    quote_start: int = 0


def arguments(**parameters: Any) -> ArgumentsShape:
    """`name=hint`, or `name=(hint, default)`."""
    fields = []
    for name, parameter in parameters.items():
        hint, default = parameter if isinstance(parameter, tuple) else (parameter, NODEFAULT)
        fields.append(argument_of(name, hint, SCOPE, camel, default))
    return ArgumentsShape(fields, TABLES)


def test_arguments_come_as_keywords_of_their_types() -> None:
    """The argument object, in camelCase, becomes Python keywords; defaults are filled in."""
    tested = arguments(article=str, anchor=Anchor, page_size=(int, 20), note=(str | UnsetType, UNSET))

    keywords = tested.decode(b'{"article":"x","anchor":{"paragraph":"p","quoteStart":3.0}}')

    anchor = Anchor(paragraph="p", quote_start=3)
    assert keywords == {"article": "x", "anchor": anchor, "page_size": 20, "note": UNSET}
    assert type(keywords["anchor"].quote_start) is int


def test_a_call_from_python_is_the_same_object() -> None:
    """What a function passes to another is written as a client would write it, absent arguments left out."""
    tested = arguments(article=str, page_size=(int, 20), note=(str | UnsetType, UNSET))

    assert tested.encode({"article": "x", "page_size": 5}) == b'{"article":"x","pageSize":5}'
    assert tested.decode(tested.encode({"article": "x", "note": "n"})) == {
        "article": "x",
        "page_size": 20,
        "note": "n",
    }


@pytest.mark.parametrize(
    ("raw", "path", "reason", "validator"),
    [
        (b"{}", "", "Object is missing the required field `pageSize`. Consider wrapping", "v.object({pageSize: v.flo"),
        (b'{"pageSize":1,"x":2}', "", "Object contains extra field `x` that is not in the validator.", "v.object({"),
        (b'{"pageSize":"1"}', ".pageSize", "Value does not match validator.", "v.float64()"),
        (b'{"pageSize":null}', ".pageSize", "Value does not match validator.", "v.float64()"),
        (b'{"pageSize":1.5}', ".pageSize", "The number is not whole", "v.float64()"),
        (b'{"pageSize":9007199254740993}', ".pageSize", "The integer is beyond 2**53", "v.float64()"),
        (b'{"pageSize":1,"anchor":{"paragraph":1}}', ".anchor.paragraph", "Value does not match", "v.string()"),
        (b'{"pageSize":1,"by":"%s"}' % id_of("rooms").encode(), ".by", "Found ID", 'v.id("users")'),
        (b"[]", "", "Value does not match validator.", "v.object({"),
        (b"{", "", "The text is not JSON", "v.object({"),
    ],
)
def test_refusals_name_the_argument(raw: bytes, path: str, reason: str, validator: str) -> None:
    """A wrong, missing or unknown argument is refused with where, why, and what was expected."""
    tested = arguments(page_size=int, anchor=(Anchor | UnsetType, UNSET), by=(Id[User] | None, None))

    with pytest.raises(ValueRefused) as caught:
        tested.decode(raw)

    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
    assert caught.value.validator.startswith(validator)


def test_the_refusal_of_a_foreign_id_says_whose_it_is() -> None:
    """An id of another table is refused in the words that clients' tests look for."""
    with pytest.raises(ValueRefused) as caught:
        arguments(by=Id[User]).decode(b'{"by":"%s"}' % id_of("rooms").encode())

    assert caught.value.reason == (
        f'Found ID "{id_of("rooms")}" from table `rooms`, '
        'which does not match the table name in validator `v.id("users")`.'
    )
    assert str(caught.value).splitlines()[1:] == [
        "Path: .by",
        f'Value: "{id_of("rooms")}"',
        'Validator: v.id("users")',
    ]


@pytest.mark.parametrize("keywords", [{}, {"page_size": 1, "other": 2}, {"page_size": "1"}, {"pageSize": 1}])
def test_a_wrong_call_from_python_is_refused(keywords: dict[str, Any]) -> None:
    """A keyword too few, too many or of another type is refused before anything is sent."""
    with pytest.raises(ValueRefused):
        arguments(page_size=int).encode(keywords)


def test_names_that_python_has_no_word_for() -> None:
    """`Arg` names an argument on the wire; Python goes on calling it by its own name."""
    tested = arguments(sender=Annotated[str, Arg("from")])

    assert tested.decode(b'{"from":"Ada"}') == {"sender": "Ada"}
    assert tested.validator.fields[0].name == "from"


@pytest.mark.parametrize(
    ("hint", "default"),
    [(int, "x"), (int, None), (int, UNSET), (str | UnsetType, NODEFAULT), (Annotated[str, Arg("no name")], NODEFAULT)],
)
def test_a_wrong_declaration_is_refused(hint: Any, default: Any) -> None:
    """A default that does not fit, an absent argument without UNSET, a name that is none: refused at load."""
    with pytest.raises(HintRefused):
        argument_of("x", hint, SCOPE, camel, default)


def test_a_mutable_default_is_made_anew() -> None:
    """A function that changes its default changes it for itself only."""
    tested = arguments(tags=(list[str], ["a"]), anchor=(Anchor, Anchor(paragraph="p")))

    first = tested.decode(b"{}")
    first["tags"].append("b")
    first["anchor"].paragraph = "q"

    assert tested.decode(b"{}") == {"tags": ["a"], "anchor": Anchor(paragraph="p")}
