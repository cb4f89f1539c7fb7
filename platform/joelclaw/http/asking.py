"""
The page that stands in for a provider in development: who do you want to be?

It must not be taken for the provider's own, by anybody who comes upon it: it looks like nobody's, and says what it is.

Elsewhere: `auth/oauth/stand_in.py` has what comes of the answer.
"""

import hashlib
from base64 import b64encode
from html import escape
from typing import Final

from joelclaw.auth.oauth.steps import Ask, Suggestion
from joelclaw.http.requests import Header

_STYLE: Final = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 24rem; margin: 12vh auto 2rem; padding: 0 1rem; }
h1 { font-size: 1.375rem; line-height: 1.3; margin: 0 0 1.25rem; }
.note { font-size: .875rem; margin: 0 0 1.5rem; }
.mark { font-weight: 600; color: #a15c00; }
form { margin: 0 0 .5rem; }
label { display: block; margin: 0 0 .75rem; font-size: .875rem; }
input, button { font: inherit; box-sizing: border-box; width: 100%; padding: .5rem .75rem; border-radius: .375rem; }
input { margin-top: .25rem; border: 1px solid #767676; }
button { border: 1px solid #767676; background: none; color: inherit; cursor: pointer; text-align: left; }
button:hover { background: #8882; }
:focus-visible { outline: 2px solid #1f6feb; outline-offset: 2px; }
button span { opacity: .7; float: right; margin-left: 1rem; }
button.main { background: #1f6feb; border-color: #1f6feb; color: #fff; text-align: center; }
button.main:hover { background: #1a5fcc; }
button.plain { border: 0; text-align: center; opacity: .8; }
h2 { font-size: .875rem; font-weight: 600; margin: 1.5rem 0 .5rem; }
@media (prefers-color-scheme: dark) { .mark { color: #f0b45b; } :focus-visible { outline-color: #6ea8fe; } }
"""

_DIGEST: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

ASKING_POLICY: Final[Header] = (
    b"content-security-policy",
    # No `form-action`: browsers hold it against where an answer is sent on to, too, which is the app.
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'".encode(),
)


def asking_page(ask: Ask) -> str:
    """The page, as HTML."""
    provider = escape(ask.provider)
    suggested = "".join(_suggestion(ask, somebody) for somebody in ask.suggestions)
    who_has_roles = f"<h2>Named in joelclaw.toml</h2>{suggested}" if suggested else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sign in as anybody (development)</title><style>{_STYLE}</style><main>"
        f'<p class="note"><span class="mark">Development.</span> This is not {provider}: it does not know this '
        "deployment yet, and joelclaw answers in its place. Nothing leaves this machine.</p>"
        "<h1>Sign in as …</h1>"
        f'<form method="post" action="{escape(ask.action)}">{_state(ask)}'
        f"<label>{escape(ask.asks_for)} "
        f'<input name="login" required maxlength="80"{_pattern(ask)} autofocus autocomplete="off" '
        'autocapitalize="none" spellcheck="false"></label>'
        "<label>E-mail address, if you want one "
        '<input name="email" type="email" maxlength="254" autocomplete="off"></label>'
        '<button class="main">Sign in</button></form>'
        f"{who_has_roles}"
        f'<form method="post" action="{escape(ask.action)}">{_state(ask)}'
        '<button class="plain" name="error" value="access_denied">Do not sign in</button></form>'
        "</main></html>"
    )


def _suggestion(ask: Ask, somebody: Suggestion) -> str:
    shown = somebody.email or somebody.login
    return (
        f'<form method="post" action="{escape(ask.action)}">{_state(ask)}'
        f'<input type="hidden" name="login" value="{escape(somebody.login)}">'
        f'<input type="hidden" name="email" value="{escape(somebody.email)}">'
        f"<button>{escape(shown)} <span>{escape(somebody.roles)}</span></button></form>"
    )


def _pattern(ask: Ask) -> str:
    """What a browser lets nobody leave with: beyond the page, all that is said is that nobody was signed in."""
    return f' pattern="{escape(ask.pattern)}" title="{escape(ask.hint)}"' if ask.pattern else ""


def _state(ask: Ask) -> str:
    return f'<input type="hidden" name="state" value="{escape(ask.state)}">'
