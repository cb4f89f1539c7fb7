"""
Names: what fields, tables and indexes may be called, and how Python's names look on the wire.

The `*_problem` functions answer a sentence without its subject ("starts with '$', which is
reserved"), or None when the name is fine: the caller knows what it is naming, and where.
Clients enforce the rule for fields in both directions, so a name that breaks it must never
be emitted: their message handler would throw, and the whole message would be lost.
"""

import re

FIELD_NAME_LENGTH_MAX = 1024
IDENTIFIER_LENGTH_MAX = 64

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SNAKE = re.compile(r"(_*)(.*?)_*", re.DOTALL)
_OWN_INDEXES = frozenset({"by_id", "by_creation_time"})


def field_name_problem(name: str) -> str | None:
    """What is wrong with a field name, at any depth of any value. The empty name is legal."""
    # One C call each: for ASCII text "printable" is exactly codes 32 to 126.
    if name.isascii() and name.isprintable() and len(name) <= FIELD_NAME_LENGTH_MAX and name[:1] != "$":
        return None
    if len(name) > FIELD_NAME_LENGTH_MAX:
        return f"is longer than {FIELD_NAME_LENGTH_MAX} characters"
    if name[:1] == "$":
        return "starts with '$', which is reserved"
    return "may only hold printable ASCII characters"


def document_field_problem(name: str) -> str | None:
    """What is wrong with a top-level field of a stored document: `_` is kept for `_id` and its like."""
    if name[:1] == "_":
        return "starts with '_', which is only allowed for system fields like '_id'"
    return field_name_problem(name)


def is_identifier(name: str) -> bool:
    """A letter or `_`, then letters, digits, `_`; at most 64 characters; not only underscores."""
    return identifier_problem(name) is None


def identifier_problem(name: str) -> str | None:
    """What is wrong with an identifier: a field in a schema or an index, a table, an index, a function."""
    if not isinstance(name, str):
        return "is no text"  # An author's, which no checker may have seen.
    if not name:
        return "is empty"
    if len(name) > IDENTIFIER_LENGTH_MAX:
        return f"is longer than {IDENTIFIER_LENGTH_MAX} characters"
    if _IDENTIFIER.fullmatch(name) is None:
        return "must be a letter or '_', then letters, digits and '_'"
    if not name.strip("_"):
        return "is made of underscores only"
    return None


def table_name_problem(name: str) -> str | None:
    """What is wrong with the name of an app's table."""
    if name[:1] == "_":
        return "starts with '_', which is reserved for system tables"
    return identifier_problem(name)


def index_name_problem(name: str) -> str | None:
    """What is wrong with the name of an app's index."""
    if name in _OWN_INDEXES:
        return "is an index that every table has already"
    if name[:1] == "_":
        return "starts with '_', which is reserved for system indexes"
    return identifier_problem(name)


def camel(snake: str) -> str:
    """
    A Python name as the wire has it: `for_article` is `forArticle`.

    Inside, underscores go and the letter after them is raised: `a__b` is `aB`, `line_2` is
    `line2`. Leading ones stay, because they mean something; trailing ones go, because they
    only keep Python's keywords away: `_seen_at` is `_seenAt`, `class_` is `class`. What is
    camelCase already stays, and applying it twice changes nothing. For plain lower-case words
    it agrees with msgspec's `rename="camel"`, which for others lowers letters, too.
    """
    match = _SNAKE.fullmatch(snake)
    assert match is not None  # The pattern takes any text.
    leading, rest = match.groups()
    first, *others = rest.split("_")
    return leading + first + "".join(word[:1].upper() + word[1:] for word in others)


def path_step(name: str) -> str:
    """A field as a step of an error's path: `.name`, or `["odd name"]`."""
    return f".{name}" if _IDENTIFIER.fullmatch(name) else f'["{name}"]'
