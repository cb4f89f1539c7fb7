"""`joelclaw.engine.last_words`: the place in the app where a process died."""

import subprocess
import sys
from pathlib import Path

from joelclaw.engine.last_words import last_place, split_dump
from joelclaw.functions.manifest import Place


def words_of(file: Path) -> str:
    """What a process says that imports a file and dies of it."""
    code = f"import faulthandler, runpy; faulthandler.enable(); runpy.run_path({str(file)!r})"
    ended = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
    assert ended.returncode != 0
    return ended.stderr.decode()


def test_the_innermost_frame_of_the_app_is_found(tmp_path: Path) -> None:
    """Below frames of libraries, in a folder whose name the interpreter writes as escapes."""
    root = tmp_path / "Zürich 日本 🌱"
    (root / "app_functions").mkdir(parents=True)
    file = root / "app_functions" / "a.py"
    file.write_text(
        "import os, sys\nprint('before', file=sys.stderr)\ndef end(_):\n    os.abort()\nmax([1], key=end)\n"
    )
    said, dump = split_dump(words_of(file))
    assert said == "before\n"
    assert last_place(dump, str(root)) == Place("app_functions/a.py", 4)
    assert last_place(dump, str(tmp_path / "elsewhere")) is None


def test_other_threads_are_not_blamed(tmp_path: Path) -> None:
    """Of several threads in the app's files the one that died is told."""
    file = tmp_path / "a.py"
    file.write_text(
        "import os, threading\n"
        "begun = threading.Event()\n"
        "def wait():\n    begun.set()\n    threading.Event().wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\n"
        "begun.wait()\n"
        "os.abort()\n"
    )
    assert last_place(split_dump(words_of(file))[1], str(tmp_path)) == Place("a.py", 8)


def test_ordinary_words_are_no_dump() -> None:
    """A process that just ends has said what it said."""
    assert split_dump("Segmentation\n") == ("Segmentation\n", "")
    assert last_place("", "/app") is None
