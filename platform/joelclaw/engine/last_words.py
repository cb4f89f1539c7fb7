"""
Last words: where in the app a process was when it died.

The interpreter writes a traceback to standard error when it is killed by a fault or by
SIGABRT, from a signal handler, so even out of an endless loop in C. What is left of an
exception's comfort is enough for a place: file and line, innermost first.
"""

import os
import re
from typing import Final

from joelclaw.functions.importing import is_users
from joelclaw.functions.manifest import Place

DUMP: Final = "Fatal Python error: "

_FRAME: Final = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def split_dump(words: str) -> tuple[str, str]:
    """What the process said before it died, and the interpreter's dump; empty if there is none."""
    said, fatal, dump = words.partition(DUMP)
    return said, fatal + dump


def last_place(dump: str, root: str) -> Place | None:
    """The app's innermost frame of the thread that died; the file is told from `root`."""
    _, _, dying = dump.partition("Current thread")
    for file, line in _FRAME.findall(dying or dump):
        path = _unescaped(file)
        if is_users(path, root):
            return Place(os.path.relpath(path, root), int(line))
    return None


def _unescaped(file: str) -> str:
    """The handler may not encode, so it writes what is not ASCII as escapes, like `\\xe9`."""
    return _ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 1], 16)), file)
