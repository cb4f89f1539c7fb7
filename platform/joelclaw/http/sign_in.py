"""
The two addresses of sign-in at somebody else's, on the site: where a browser leaves for the provider, and comes back.

In development a page of ours may answer for the provider: it is for browsers on this machine, and refuses all others.

Nothing here rides on a cookie, and nothing here makes anybody a user: what is in an address is worth
nothing without the verifier that the client has kept. Whoever opens one by mistake gets a page of one sentence.

A provider's id is looked up, never used. Parameters given twice are refused (RFC 6749, section 3.1): two
readers could believe two different ones.

Elsewhere: `auth/oauth/method.py` decides, `site.py` has the port.
"""

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import structlog

from joelclaw.auth.oauth.steps import CALLBACK_PATH, SIGN_IN_PATH, Ask, DeadEnd, Onward, Travelling
from joelclaw.errors import SystemCallFailed
from joelclaw.http.asking import ASKING_POLICY, asking_page
from joelclaw.http.forwarding import is_from_here
from joelclaw.http.requests import Answer, Header, Receive, Scope, Send, respond
from joelclaw.http.site import Handler

FORM: Final = b"application/x-www-form-urlencoded"
BODY_BYTES_MAX: Final = 64 * 1024
VALUE_LENGTH_MAX: Final = 4_096
PARAMETERS_MAX: Final = 32
RETRY_S: Final = b"5"

_HEADERS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE_HEADERS: Final[tuple[Header, ...]] = (
    *_HEADERS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
_IN_ADDRESSES: Final = "%/:?#[]@!$&'()*+,;=~"

log = structlog.get_logger("joelclaw.auth")


class _Refused(Exception):
    """A request that is not to be understood: the status, and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class SignInRoutes:
    """Answers both addresses, for all providers."""

    def __init__(self, methods: Mapping[str, object]) -> None:
        """Of all sign-in methods, those for which browsers travel."""
        self._methods = {id: method for id, method in methods.items() if isinstance(method, Travelling)}

    @property
    def routes(self) -> dict[str, Handler]:
        """Beginnings of paths, and what answers there; none, if no browser travels."""
        return {SIGN_IN_PATH: self.leave, CALLBACK_PATH: self.come_back} if self._methods else {}

    async def leave(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        """`GET /api/auth/signin/{provider}?code=...`"""

        async def answer(method: Travelling) -> Onward | DeadEnd | Ask:
            flow = _parameters(scope["query_string"]).get("code")
            if flow is None:
                raise _Refused(400, "This address is not whole.")
            return await method.leave(flow)

        await self._answer(scope, send, SIGN_IN_PATH, ("GET",), answer)

    async def come_back(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /api/auth/callback/{provider}?code=...&state=...`, or the same as a form."""

        async def answer(method: Travelling) -> Onward | DeadEnd:
            posted = scope["method"] == "POST"
            return await method.come_back(_parameters(await _form(scope, receive) if posted else scope["query_string"]))

        await self._answer(scope, send, CALLBACK_PATH, ("GET", "POST"), answer)

    async def _answer(
        self,
        scope: Scope,
        send: Send,
        prefix: str,
        allowed: tuple[str, ...],
        answer: Callable[[Travelling], Awaitable[Onward | DeadEnd | Ask]],
    ) -> None:
        try:
            method = self._methods.get(scope["raw_path"].decode("latin-1").removeprefix(prefix).removesuffix("/"))
            if method is None:
                raise _Refused(404, "There is no such sign-in here.")
            if scope["method"] not in allowed:
                raise _Refused(405, "This address is opened by browsers.")
            if method.only_here and not is_from_here(scope):
                raise _Refused(403, "In development, this page answers browsers on the server's own machine alone.")
            outcome = await answer(method)
        except _Refused as refusal:
            more = [(b"allow", ", ".join(allowed).encode())] if refusal.status == 405 else []
            await _page(send, refusal.status, refusal.reason, more=more)
            return
        except SystemCallFailed as error:
            log.error("a sign-in could not be written", reason=str(error))
            await _page(send, 503, "Please try again in a moment.", more=[(b"retry-after", RETRY_S)])
            return
        if isinstance(outcome, DeadEnd):
            await _page(send, 400, outcome.reason, back=outcome.back)
            return
        if isinstance(outcome, Ask):
            await respond(send, Answer(asking_page(outcome).encode(), 200, _HTML), [*_HEADERS, ASKING_POLICY])
            return
        # After a form, 303: the browser must not post it again to where it is sent.
        status = 303 if scope["method"] == "POST" else 302
        location = quote(outcome.url, safe=_IN_ADDRESSES).encode()
        await respond(send, Answer(b"", status, _HTML), [*_HEADERS, (b"location", location)])


def _parameters(encoded: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError:
        raise _Refused(400, "This address cannot be read.") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise _Refused(400, "This address says the same thing twice.")
    if any(len(value) > VALUE_LENGTH_MAX for value in parameters.values()):
        raise _Refused(400, "This address is too long.")
    return parameters


async def _form(scope: Scope, receive: Receive) -> bytes:
    """The body of a form, whatever its content type says of a charset: what is in it is percent-encoded."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM:
        raise _Refused(415, "Only a form is taken here.")
    body = bytearray()
    more = True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "The form did not come whole.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES_MAX:
            raise _Refused(413, "The form is too large.")
    return bytes(body)


async def _page(send: Send, status: int, reason: str, *, back: str = "", more: list[Header] | None = None) -> None:
    link = f'<p><a href="{escape(back)}">Back to where you came from</a></p>' if back else ""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Sign in</title><main><h1>Sign in</h1><p>{escape(reason)}</p>{link}</main></html>"
    )
    await respond(send, Answer(page.encode(), status, _HTML), [*_PAGE_HEADERS, *(more or [])])
