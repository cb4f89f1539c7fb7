"""
Problems: what is wrong with the user's files, said so that one reading is enough to mend it.

A load never stops at the first one. Whatever checks an app collects problems and goes on, and
the load fails at the end with all of them, in order of place.
"""

import msgspec


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something stands in the user's files, for messages: `app_functions/comments.py:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that is wrong with an app: where, what, why, and what to write instead."""

    place: Place
    name: str
    """What it is about: `Comment.by_article`, `comments.add, parameter 'when'`."""

    reason: str
    advice: str = ""

    def __str__(self) -> str:
        # A reason that is a whole sentence has its subject already.
        sentence = self.reason if self.reason.startswith(self.name) else f"{self.name}: {self.reason}"
        return f"{self.place}: {sentence}; {self.advice}" if self.advice else f"{self.place}: {sentence}"
