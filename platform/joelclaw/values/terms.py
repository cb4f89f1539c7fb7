"""
Terms: what full-text search sees in a text.

One reading serves documents, questions and snippets, so that what is found can also be shown.
A term is a run of letters and digits of any script, with the marks that combine with them; everything
else separates. Terms are compared without regard to case or to the way in which a character
is composed ("STRASSE" is "straße", e with a combining accent is "é"), but accents count: "cafe" is
another word than "café". A term counts to its 32nd character.

Chinese and Japanese are written without spaces. A run of their characters is read as all of its
pairs, and its last character alone: 東京都 is 東京, 京都, 都. A question is read as pairs only, so it finds
what stands anywhere in a run. Thai, Khmer and Lao runs are one term each, found by their beginning.

Pure, and of text only: what an index does with terms is in `schema/finding.py`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

TERM_CHARACTERS_MAX: Final = 32

_HAN_AND_KANA: Final = (
    "\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_PLAIN: Final = re.compile("[a-z0-9]+")
_SEPARATING_ASCII: Final = re.compile(r"[\x00-/:-@\[-`{-\x7f]")
"""A compatibility character may stand for several words. They stay one term, as the character is one."""


class Token(NamedTuple):
    """A term, and where in the text it stands."""

    term: str
    start: int
    end: int


class Question(NamedTuple):
    """What somebody searches for: documents with any of the words, or with one that begins with the prefix."""

    words: tuple[str, ...]
    prefix: str | None

    def asks_for(self, term: str) -> bool:
        return term in self.words or (self.prefix is not None and term.startswith(self.prefix))


def tokens(text: str) -> Iterator[Token]:
    """The terms of a text that is searched, in order."""
    return _tokens(text, of_question=False)


def count_terms(text: str) -> dict[str, int]:
    """The terms of a text that is searched, each with how often it occurs, in order of the first time."""
    if text.isascii():
        return Counter(word[:TERM_CHARACTERS_MAX] for word in _PLAIN.findall(text.lower()))
    return Counter(token.term for token in tokens(text))


def read_question(text: str, terms_max: int) -> Question:
    """
    What a text asks for. Its last term is a prefix: whoever types is not done with it.

    Terms beyond the maximum are not looked for; then all that are count as whole words.
    """
    found = [token.term for token in _tokens(text, of_question=True)]
    if len(found) > terms_max:
        return Question(tuple(dict.fromkeys(found[:terms_max])), None)
    return Question(tuple(dict.fromkeys(found[:-1])), found[-1] if found else None)


def _tokens(text: str, *, of_question: bool) -> Iterator[Token]:
    for match in _pattern(_marks_in(text)).finditer(text):
        start, end = match.span()
        if match.lastgroup is None:
            if term := _term(match[0]):  # Some characters are compatible with nothing but blanks.
                yield Token(term, start, end)
            continue
        # A single character is its own pair; of a longer run, nobody asks for the last one alone.
        stop = end - 1 if of_question and end - start > 1 else end
        for at in range(start, stop):
            pair_end = min(at + 2, end)
            yield Token(_term(text[at:pair_end]), at, pair_end)


def _term(word: str) -> str:
    if word.isascii():
        return word.lower()[:TERM_CHARACTERS_MAX]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return _SEPARATING_ASCII.sub("", folded)[:TERM_CHARACTERS_MAX]


def _marks_in(text: str) -> str:
    """The combining marks of a text: `re` does not take them for parts of words, nor knows their class."""
    if text.isascii():
        return ""
    return "".join(sorted(character for character in set(text) if unicodedata.category(character)[0] == "M"))


@lru_cache(maxsize=64)
def _pattern(marks: str) -> re.Pattern[str]:
    """Runs of Han and Kana, as a group, or words; with the marks that are met in this text."""
    letters = rf"[^\W_{_HAN_AND_KANA}]"
    with_marks = f"{letters}+(?:[{marks}]+{letters}*)*" if marks else f"{letters}+"
    return re.compile(f"(?P<run>[{_HAN_AND_KANA}]+)|{with_marks}")
