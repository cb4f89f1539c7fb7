"""
Calls over HTTP: how one is written in a request, and how its outcome is answered.

The answer to a call that ran is always status 200, failed or not: any other status would cost
clients the data of an application's error. Everything else is a refusal with `code` and
`message`.

Small bodies are remembered with what they were read as. Pages ask the same few things all the
time, and reading a request costs more than answering it from memory.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs

import msgspec

from joelclaw.errors import BadPath, BadValue, RequestRefused
from joelclaw.sync.wording import json_text
from joelclaw.values.paths import normalise
from joelclaw.values.wire import canonical, clean_json, decode, encode, export_json, json_problem

REMEMBERED_BODY_BYTES_MAX = 1_024
REMEMBERED_BODIES_MAX = 2_048

Format: TypeAlias = Literal["convex_encoded_json", "pointed_json", "json", "export_json"]
"""`pointed_json` is wire JSON where every number has a point or an exponent; no request can name it."""

_FORMATS: dict[str | None, Format] = {
    None: "json",
    "json": "json",
    "convex_clean_json": "json",
    "convex_encoded_json": "convex_encoded_json",
    "convex_json": "convex_encoded_json",
    "export_json": "export_json",
}


class HttpCall(NamedTuple):
    """A call as a request asks for it."""

    path: str
    """Normalised."""

    args: bytes
    """Canonical wire JSON of the argument object."""

    format: Format
    ts: str | None = None

    def for_client(self, client: bytes) -> "HttpCall":
        """The same call, answered so that this client can read it: the Python one takes `7` for no value at all."""
        if self.format == "convex_encoded_json" and client.startswith(b"python-"):
            return self._replace(format="pointed_json")
        return self


class _Body(msgspec.Struct, kw_only=True, rename="camel"):
    path: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")
    format: str | None = None
    component_path: str | None = None
    ts: str | None = None


class _Batch(msgspec.Struct, kw_only=True):
    queries: list[msgspec.Raw]


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def read_call(body: bytes) -> HttpCall:
    """
    The call in a request's body.

    Raises:
        RequestRefused: It has none.
    """
    return _remembered(body) if len(body) <= REMEMBERED_BODY_BYTES_MAX else _read(body)


def _read(body: bytes) -> HttpCall:
    parsed: _Body = _parsed(_decode_body, body)
    return _call(parsed, parsed.path)


_remembered = lru_cache(maxsize=REMEMBERED_BODIES_MAX)(_read)


def read_run(body: bytes, segments: list[str]) -> HttpCall:
    """The call of `/api/run/folder/module/function`, whose body has the arguments only."""
    if len(segments) < 2 or not all(segments):
        raise RequestRefused(400, "MissingIdentifier", "Name a function: /api/run/<module>/<function>")
    parsed: _Body = _parsed(_decode_body, body)
    return _call(parsed, f"{'/'.join(segments[:-1])}:{segments[-1]}")


def read_query_string(query_string: bytes) -> HttpCall:
    """The call of `GET /api/query?path=...&args=...&format=...`."""
    try:
        fields = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError:
        raise RequestRefused(400, "BadQueryArgs", "The query string cannot be read") from None
    if "path" not in fields:
        raise RequestRefused(400, "BadQueryArgs", "The query string needs 'path'; 'args' and 'format' are optional")
    args = fields.get("args", ["{}"])[-1].encode()
    body = _Body(args=msgspec.Raw(args), format=fields.get("format", [None])[-1])
    return _call(body, fields["path"][-1])


def read_batch(body: bytes) -> list[HttpCall]:
    """The calls of `/api/query_batch`."""
    batch: _Batch = _parsed(_decode_batch, body)
    return [_read(bytes(query)) for query in batch.queries]


def _parsed(read: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return read(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RequestRefused(400, "BadJsonBody", f"The body cannot be read: {json_problem(body, error)}") from None


def _call(body: _Body, path: str) -> HttpCall:
    if body.format not in _FORMATS:
        known = ", ".join(name for name in _FORMATS if name)
        raise RequestRefused(400, "BadFormat", f"There is no format {body.format!r}; choose one of {known}")
    if body.component_path:
        raise RequestRefused(400, "NotSupported", "There are no components here; leave 'componentPath' out")
    try:
        normalised = normalise(path)
    except BadPath as error:
        raise RequestRefused(400, "BadConvexFunctionIdentifier", str(error)) from None
    return HttpCall(normalised, _argument_object(bytes(body.args)), _FORMATS[body.format], body.ts)


def _argument_object(raw: bytes) -> bytes:
    """Arguments come as the object, or as an array that holds it."""
    try:
        args = canonical(raw)
    except BadValue as error:
        raise RequestRefused(400, "BadArgs", str(error)) from None
    if args.startswith(b"["):
        args = args[1:-1]
        if not args.startswith(b"{") or len(msgspec.json.decode(raw, type=list[msgspec.Raw])) != 1:
            raise RequestRefused(400, "BadArgs", "'args' is an array of something else than one object")
    elif not args.startswith(b"{"):
        raise RequestRefused(400, "BadArgs", "'args' must be an object, or an array with one object in it")
    return args


# -- answers


def success_body(value: bytes, log_lines: str, format: Format) -> bytes:
    """The body for a call that returned."""
    return b'{"status":"success","value":%b,"logLines":%b}' % (_formatted(value, format), log_lines.encode())


def error_body(message: str, error_data: bytes | None, log_lines: str, format: Format) -> bytes:
    """The body for a call that failed. `errorData` is there only for the application's own errors."""
    data = b"" if error_data is None else b',"errorData":%b' % _formatted(error_data, format)
    return b'{"status":"error","errorMessage":%b%b,"logLines":%b}' % (
        json_text(message).encode(),
        data,
        log_lines.encode(),
    )


def _formatted(value: bytes, format: Format) -> bytes:
    if format == "convex_encoded_json":
        return value
    if format == "pointed_json":
        return encode(decode(value))  # Every number is read as a float, and floats are written with a point.
    if format == "export_json":
        return export_json(decode(value))
    # Without a `$`, there is nothing in it that the two forms write differently.
    return value if b"$" not in value else clean_json(decode(value))
