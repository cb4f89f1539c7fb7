"""
No attack is forgotten: each that sign-in has to withstand is shown by a test, or a page says what is done instead.

`ATTACKS` lists them, by where they aim. A test that shows what becomes of one names it in its docstring, as R7, in
`tests/auth` or wherever else a page of docs or a test of ours speaks of sign-in; so does a page, as (R7), where we
differ on purpose from what others would expect. `ITEMS` lists in the same way what the shipped clients have to find:
CONF-6 is the sixth.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent
DOCS = TESTS.parent / "docs"

SHOWN_IN = ("auth", "backup", "conformance", "http", "sync")
"""Folders of tests in which a letter and a number mean an attack."""

ATTACKS = {
    # redirects and addresses
    "R1": "a destination on somebody else's site",
    "R2": "a destination that looks like one of ours",
    "R3": "an address of sign-in with something changed in it",
    "R4": "a destination left over from an earlier sign-in",
    "R5": "an app's scheme that only begins like a listed one",
    "R6": "a request that names another host",
    "R7": "a destination with a code of its own",
    "R8": "a code that leaks by the referrer",
    "R9": "a provider's name that is a path",
    # at a provider
    "O1": "a callback without a flow",
    "O2": "a callback twice, and at once",
    "O3": "a link that signs the victim in as the attacker",
    "O4": "the attacker's callback in the victim's browser",
    "O5": "guessing the code of a flow",
    "O6": "a code without its verifier, and then with it",
    "O7": "a code twice",
    "O8": "a code for something else",
    "O9": "a verifier of an earlier sign-in",
    "O10": "an exchange without a challenge, or with a weaker one",
    "O11": "two providers mixed up",
    "O12": "an id_token with one fault",
    "O13": "userinfo of somebody else",
    "O14": "answers that are none",
    "O15": "an id that two people could have",
    "O16": "somebody who changes their mind",
    "O17": "a parameter twice",
    "O18": "a form for a callback, with one fault",
    "O19": "a provider that leads inwards",
    "O20": "a session that ends before the browser is back",
    "O21": "flows that nobody finishes",
    # tokens
    "J1": "no signature",
    "J2": "a public key as a secret",
    "J3": "names of keys, and keys, that the token chooses",
    "J4": "another issuer, another audience",
    "J5": "times that are none",
    "J6": "clocks that differ",
    "J7": "a key that is followed by another",
    "J8": "a key that is known to somebody",
    "J9": "a token of another deployment",
    "J10": "a token whose session, or user, is gone",
    "J11": "two tokens of one second",
    # renewals
    "F1": "one refresh token, twenty times at once",
    "F2": "an answer that was lost",
    "F3": "a refresh token that was copied",
    "F4": "a thief and the owner in turn",
    "F5": "a refresh token made of a session's id",
    "F6": "a refresh token made of two",
    "F7": "a refresh token that is none",
    "F8": "a refresh token of a session that is over",
    "F9": "renewing for ever",
    "F10": "a copy of the database",
    # sessions
    "S1": "an id that was there before the sign-in",
    "S2": "an anonymous user who becomes a real one",
    "S3": "signing in as somebody else",
    "S4": "signing out on one device",
    "S5": "a password that was replaced",
    "S6": "functions of the platform's own",
    "S7": "claims that a token may not have",
    # passwords and codes
    "P1": "words that tell whether there is an account",
    "P2": "time that tells whether there is an account",
    "P3": "a sign-up that tells whether there is an account",
    "P4": "a reset that tells whether there is an account",
    "P5": "a code that tells whether there is an account",
    "P6": "guessing a password, on every path",
    "P7": "guessing, to keep the owner out",
    "P8": "guessing codes, for one address and for many",
    "P9": "a new code, for more guesses",
    "P10": "mails to somebody who wants none",
    "P11": "one's own code with another's address",
    "P12": "signing up with another's address before they do",
    "P13": "an address that the provider has not verified",
    "P14": "a sign-up that changes somebody's document",
    "P15": "fields that no form has",
    "P16": "addresses that are written strangely, or are none",
    "P17": "passwords that are short, huge or composed otherwise",
    "P18": "very many sign-ins at once",
    "P19": "a machine that opens links in mails",
    "P20": "a link, later",
    "P21": "codes that repeat, or can be foretold",
    "P22": "time that tells how much of a code is right",
    # requests and running
    "H1": "cookies",
    "H2": "requests of other sites",
    "H3": "frames",
    "H4": "methods that are not meant, and browsers that fetch ahead",
    "H5": "text of a request in a header",
    "H6": "secrets in logs",
    "H7": "two first starts at once",
    "H8": "a restart, and a backup that is restored",
    "H9": "a socket of somebody else's page",
}

ITEMS = {
    "CONF-1": "by password, in and out, and what the browser keeps",
    "CONF-2": "another token at once after a sign-in, and by the timer",
    "CONF-3": "at a provider and back, in one tab, a second one, an app",
    "CONF-4": "the keys of every answer",
    "CONF-5": "coming back: by reload, late, after the session's end, over a restart",
    "CONF-6": "two tabs, one renewal, one end",
    "CONF-7": "somebody else without signing out; a session that is ended elsewhere",
    "CONF-8": "renewals in trouble, and very many",
    "CONF-9": "Next.js, with its cookies",
    "CONF-10": "what the other server half promises",
    "CONF-11": "every attack on the list",
}

_ATTACK = re.compile(r"\b[FHJOPRS]\d{1,2}\b")
_ITEM = re.compile(r"\bCONF-\d+\b")


def shown(pattern: re.Pattern[str]) -> Iterator[str]:
    """What docstrings of tests name."""
    for folder in SHOWN_IN:
        for file in (TESTS / folder).rglob("test_*.py"):
            if "node_modules" not in file.parts:
                for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                        yield from pattern.findall(ast.get_docstring(node) or "")


def explained() -> Iterator[str]:
    """What pages name, in brackets."""
    for page in DOCS.glob("*.md"):
        for bracketed in re.findall(r"\(((?:[FHJOPRS]\d{1,2}(?:, )?)+)\)", page.read_text("utf-8")):
            yield from bracketed.split(", ")


def test_every_attack_is_shown_or_explained() -> None:
    """CONF-11: no attack is without a test that names it or a sentence about what is done instead."""
    assert ATTACKS.keys() - {*shown(_ATTACK), *explained()} == set()


def test_every_item_is_shown() -> None:
    """No item is without a test that names it."""
    assert ITEMS.keys() - set(shown(_ITEM)) == set()


def test_nothing_is_misspelt() -> None:
    """What tests and pages name are attacks and items that there are."""
    assert {*shown(_ATTACK), *explained()} - ATTACKS.keys() == set()
    assert set(shown(_ITEM)) - ITEMS.keys() == set()


def test_each_is_numbered_once_and_without_a_gap() -> None:
    """The numbers of a letter run from one."""
    for letter in {attack[0] for attack in ATTACKS}:
        numbers = [int(attack[1:]) for attack in ATTACKS if attack[0] == letter]
        assert numbers == list(range(1, len(numbers) + 1))
