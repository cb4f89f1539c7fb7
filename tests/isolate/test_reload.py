"""Reloads: a fresh process runs what the files say now."""

import os
import py_compile

from joelclaw.isolate.messages import Loaded, LoadFailed
from tests.isolate.isolates import Deployment, call, value


def test_two_saves_within_a_second_both_take_effect(deployment: Deployment) -> None:
    """Files of equal size and equal whole-second times are told apart, also if somebody compiled the first one."""
    file = deployment.root / "app_functions" / "_greeting.py"
    user = deployment.root / "app_functions" / "greeting.py"
    user.write_text(
        "from joelclaw import QueryCtx, query\n"
        "from app_functions._greeting import WORD\n\n"
        "@query\ndef word(ctx: QueryCtx) -> str:\n    return WORD\n"
    )
    for word in ("Hello", "Salve"):
        file.write_text(f"WORD = {word!r}\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert value(*deployment.reader().run(call("greeting:word"))) == word
        py_compile.compile(str(file))


def test_a_broken_app_is_told_and_the_process_ends(deployment: Deployment) -> None:
    """Every problem comes with its file and line, and nothing stays behind."""
    (deployment.root / "app_functions" / "notes.py").write_text("def broken(:\n")
    isolate = deployment.start("reader")
    [problem] = isolate.receive(LoadFailed).problems
    assert str(problem.place) == "app_functions/notes.py:1"
    assert isolate.wait() == 0


def test_isolates_import_little(deployment: Deployment) -> None:
    """Readers and writers of a plain app carry neither asyncio nor the gateway's libraries."""
    for path in (deployment.root / "app_functions").glob("[!_]*.py"):
        path.unlink()
    (deployment.root / "app_functions" / "modules.py").write_text(
        "import sys\nfrom joelclaw import QueryCtx, query\n\n"
        "@query\ndef loaded(ctx: QueryCtx) -> list[str]:\n    return sorted(sys.modules)\n"
    )
    loaded = set(value(*deployment.reader().run(call("modules:loaded"))))
    assert loaded.isdisjoint({"asyncio", "litestar", "rich", "structlog", "uvicorn", "socket"})


def test_the_manifest_is_told(deployment: Deployment) -> None:
    """`Loaded` carries what the app declares."""
    manifest = deployment.start("reader").receive(Loaded).manifest
    assert manifest.find_function("notes:addAndRefuse") is not None
    assert [table.name for table in manifest.tables if not table.name.startswith("_")] == ["notes"]
