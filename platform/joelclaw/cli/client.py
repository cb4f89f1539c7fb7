"""
A client of a running deployment, as its administrator: one call over HTTP, or a subscription.

It speaks the protocols that every client speaks, and nothing more of them than one function
needs. Results stay wire JSON: they are shown, not computed with.
"""

import base64
import http.client
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from joelclaw.errors import AppRefused, CommandFailed, NoServer
from joelclaw.schema.problems import Problem

RESULT_BYTES_MAX = 64 * 1024 * 1024
PIECE_BYTES = 256 * 1024
CALL_TIMEOUT_S = 600.0
"""Actions may take long; a server that is gone is noticed when its socket closes."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a function answered, as `/api/function` tells it."""

    status: Literal["success", "error"]
    value: msgspec.Raw = msgspec.Raw(b"null")
    error_message: str = ""
    error_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    log_lines: list[str] = []

    @property
    def succeeded(self) -> bool:
        return self.status == "success"

    @property
    def unknown_function(self) -> bool:
        # The protocol has no code for it; the official command line looks for the same words.
        return "Could not find function" in self.error_message


class _Refusal(msgspec.Struct):
    code: str
    message: str
    problems: list[Problem] = []
    """Of an app that was sent."""


class _Modification(msgspec.Struct, rename="camel"):
    type: str
    value: msgspec.Raw = msgspec.Raw(b"null")
    error_message: str = ""
    error_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    log_lines: list[str] = []


class _ServerMessage(msgspec.Struct):
    type: str
    modifications: list[_Modification] = []
    error: str = ""


class Client:
    """Calls functions of the deployment at `url`; `acting_as` are the attributes of a user."""

    def __init__(self, url: str, admin_key: str, acting_as: dict[str, Any] | None = None) -> None:
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandFailed(f"'{url}' is not the address of a deployment; write it like http://127.0.0.1:3210")
        self._url = parts
        self._admin_key = admin_key
        self._acting_as = acting_as

    def call(self, path: str, arguments: dict[str, Any]) -> Answer:
        """
        Run a function of any kind, public or internal.

        Raises:
            CommandFailed: No server answers, or it refuses to be asked.
        """
        body = {"path": path, "args": arguments, "format": "convex_encoded_json"}
        status, answer = self._request("POST", "/api/function", msgspec.json.encode(body))
        try:
            return msgspec.json.decode(self._accepted(status, answer), type=Answer)
        except msgspec.DecodeError as exc:
            raise self._no_deployment(status) from exc

    def watch(self, path: str, arguments: dict[str, Any]) -> Iterator[Answer]:
        """
        Results of a query, each when it changes, for ever.

        Raises:
            CommandFailed: No server answers, it refuses, or the connection ends.
        """
        from websockets.exceptions import ConnectionClosed, InvalidHandshake
        from websockets.sync.client import connect

        scheme = "wss" if self._url.scheme == "https" else "ws"
        url = self._url._replace(scheme=scheme, path=f"{self._url.path}/api/sync").geturl()
        try:
            with connect(url, max_size=RESULT_BYTES_MAX, proxy=None) as socket:
                # Refused at the first message, we still want to read why.
                with suppress(ConnectionClosed):
                    for message in self._opening(path, arguments):
                        socket.send(msgspec.json.encode(message).decode())
                for text in socket:
                    yield from _answers(msgspec.json.decode(text, type=_ServerMessage))
        except InvalidHandshake as exc:
            raise CommandFailed(f"{self._url.geturl()} is no deployment that one can watch: {exc}") from exc
        except ConnectionClosed as exc:
            raise CommandFailed(f"the connection to {self._url.geturl()} broke; is the server still there?") from exc
        except OSError as exc:
            raise self._unreachable(exc) from exc
        raise CommandFailed(f"{self._url.geturl()} has closed the connection; it stops, or starts anew")

    def ask(self, path: str, parameters: dict[str, Any] | None = None) -> bytes:
        """
        What a route for administrators answers.

        Raises:
            NoServer: No server answers.
            CommandFailed: It refuses.
        """
        return self._accepted(*self._request("GET", f"{path}?{urlencode(parameters or {})}"))

    def tell(self, path: str, body: object) -> None:
        """
        Hand JSON to a route for administrators.

        Raises:
            CommandFailed: No server answers, or it refuses.
        """
        self._accepted(*self._request("POST", path, msgspec.json.encode(body)))

    def send(self, path: str, body: bytes = b"") -> bytes:
        """
        Hand bytes to a route for administrators; what it answers.

        Raises:
            CommandFailed: No server answers, or it refuses.
            AppRefused: They are an app, and these are its problems.
        """
        return self._accepted(*self._request("POST", path, body, "application/octet-stream"))

    def exchange(self, path: str, body: object) -> bytes:
        """As `send`, for JSON."""
        return self._accepted(*self._request("POST", path, msgspec.json.encode(body)))

    def fetch(self, path: str) -> Iterator[bytes]:
        """
        What a route for administrators answers, in pieces; all of it, or it raises.

        Raises:
            CommandFailed: No server answers, it refuses, or the connection ends before the answer does.
        """
        with closing(self._connection()) as connection:
            try:
                connection.request("GET", self._url.path + path, None, {"Authorization": self._authorization()})
                response = connection.getresponse()
                if response.status != http.HTTPStatus.OK:
                    self._accepted(response.status, response.read())
                while piece := response.read(PIECE_BYTES):
                    yield piece
                if response.length:
                    raise CommandFailed(f"{self._url.geturl()} broke off before the end; try again")
            except (OSError, http.client.HTTPException) as exc:
                raise self._unreachable(exc) from exc

    def _accepted(self, status: int, answer: bytes) -> bytes:
        if status == http.HTTPStatus.OK:
            return answer
        try:
            refusal = msgspec.json.decode(answer, type=_Refusal)
        except msgspec.DecodeError as exc:
            raise self._no_deployment(status) from exc
        if refusal.problems:
            raise AppRefused(refusal.problems)
        raise CommandFailed(f"{refusal.message} ({status} {refusal.code})")

    def _no_deployment(self, status: int) -> CommandFailed:
        return CommandFailed(
            f"{self._url.geturl()} answered {status}, but not as a deployment does; is it the right address?"
        )

    def _connection(self) -> http.client.HTTPConnection:
        # Not urllib: it would send a call to this machine through the proxy of the environment.
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        assert self._url.hostname is not None
        return kind(self._url.hostname, self._url.port, timeout=CALL_TIMEOUT_S)

    def _request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            headers = {"Content-Type": content_type, "Authorization": self._authorization()}
            connection.request(method, self._url.path + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise self._unreachable(exc) from exc
        finally:
            connection.close()

    def _authorization(self) -> str:
        if self._acting_as is None:
            return f"Convex {self._admin_key}"
        user = base64.b64encode(msgspec.json.encode(self._acting_as)).decode()
        return f"Convex {self._admin_key}:{user}"

    def _opening(self, path: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        acting_as = {} if self._acting_as is None else {"impersonating": self._acting_as}
        query = {"type": "Add", "queryId": 0, "udfPath": path, "args": [arguments]}
        return [
            {
                "type": "Connect",
                "sessionId": str(uuid.uuid4()),
                "connectionCount": 0,
                "lastCloseReason": "InitialConnect",
            },
            {"type": "Authenticate", "baseVersion": 0, "tokenType": "Admin", "value": self._admin_key} | acting_as,
            {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [query]},
        ]

    def _unreachable(self, cause: Exception) -> NoServer:
        reason = getattr(cause, "strerror", None) or cause
        return NoServer(
            f"no server answers at {self._url.geturl()} ({reason}); start it with `joelclaw dev`, or name it with --url"
        )


def _answers(message: _ServerMessage) -> Iterator[Answer]:
    if message.type in ("AuthError", "FatalError"):
        raise CommandFailed(f"the server refuses: {message.error}")
    for modification in message.modifications:
        if modification.type == "QueryUpdated":
            yield Answer(status="success", value=modification.value, log_lines=modification.log_lines)
        elif modification.type == "QueryFailed":
            yield Answer(
                status="error",
                error_message=modification.error_message,
                error_data=modification.error_data,
                log_lines=modification.log_lines,
            )
