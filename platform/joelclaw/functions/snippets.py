"""
Snippets: the part of a text that a search has found, with what was searched for marked.

The text is read as the index reads it (`values/terms.py`), so what is marked is what has matched:
"con" marks "Convex", "strasse" marks "Straße".
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from joelclaw.limits import DEFAULT_LIMITS
from joelclaw.values.terms import Token, read_question, tokens

SNIPPET_CHARACTERS: Final = 160
_LEFT_OUT: Final = "…"
_BLANKS: Final = re.compile(r"\s+")


def snippet(
    text: str,
    question: str,
    /,
    *,
    length: int = SNIPPET_CHARACTERS,
    marks: tuple[str, str] = ("<mark>", "</mark>"),
    html: bool = True,
) -> str:
    """
    The part of a text with the most of what was searched for, some `length` characters, found terms marked.

    With `html` the text is escaped and can be put into a page as it is. Without, it is left alone,
    for marks of another kind: `marks=("**", "**"), html=False`. Where nothing matches, it is the beginning.
    """
    asked = read_question(question, DEFAULT_LIMITS.search_terms)
    read = list(tokens(text))
    found = [token for token in read if asked.asks_for(token.term)]
    start, end = _window(text, read, _densest(found, length), length)
    before, after = marks
    pieces = [_LEFT_OUT] if start > 0 else []
    at = start
    for mark_start, mark_end in _joined([token for token in found if start <= token.start and token.end <= end]):
        pieces += [_shown(text[at:mark_start], html), before, _shown(text[mark_start:mark_end], html), after]
        at = mark_end
    pieces.append(_shown(text[at:end], html))
    if end < len(text):
        pieces.append(_LEFT_OUT)
    return "".join(pieces)


def _densest(found: Sequence[Token], length: int) -> Sequence[Token]:
    """The matches, within so many characters, among which are the most different ones; the earliest such."""
    best: Sequence[Token] = ()
    best_count = (0, 0)
    last = 0
    for first, token in enumerate(found):
        last = max(last, first + 1)
        while last < len(found) and found[last].end <= token.start + length:
            last += 1
        within = found[first:last]
        count = (len({match.term for match in within}), len(within))
        if count > best_count:
            best, best_count = within, count
    return best


def _window(text: str, read: Sequence[Token], matches: Sequence[Token], length: int) -> tuple[int, int]:
    """Where the snippet begins and ends: around the matches, between words."""
    first, last = (matches[0].start, matches[-1].end) if matches else (0, 0)
    room = max(0, length - (last - first))
    start = max(0, min(first - room // 2, len(text) - length))
    end = max(last, min(len(text), start + length))
    if start > 0:
        start = min([token.start for token in read if start <= token.start <= first], default=first)
    if end < len(text):
        # A single word that is longer than the snippet is cut, for there is nothing else to show.
        end = max([token.end for token in read if last <= token.end <= end], default=end)
    return start, end


def _joined(matches: Sequence[Token]) -> list[tuple[int, int]]:
    """Stretches to mark: terms of Chinese and Japanese overlap."""
    stretches: list[tuple[int, int]] = []
    for token in matches:
        if stretches and token.start < stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(token.end, stretches[-1][1]))
        else:
            stretches.append((token.start, token.end))
    return stretches


def _shown(text: str, html: bool) -> str:
    text = _BLANKS.sub(" ", text)
    return escape(text) if html else text
