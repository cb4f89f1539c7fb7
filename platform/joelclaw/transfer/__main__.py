"""
The process of one export or import: `python -m joelclaw.transfer`.

It is told its job on standard input and reports on standard output, a line of JSON each. It ends
when its input does: a gateway that is gone, or has cancelled, wants nothing more, and SQLite
undoes what was not committed.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

import msgspec

from joelclaw.errors import OutcomeUnknown, PlatformError
from joelclaw.functions.app import LoadedApp
from joelclaw.functions.loader import load_app
from joelclaw.functions.storage import Places
from joelclaw.isolate.messages import Load
from joelclaw.transfer.jobs import GO, ExportJob, ImportJob, Job, Ready, Refused, Report

GONE: Final = 70
"""Exit code of one whose gateway has left it."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # A terminal's Ctrl-C reaches the whole group; the gateway decides.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # What an app prints while it is imported is no report.
    told = threading.Semaphore(0)
    job: ImportJob | ExportJob = msgspec.json.decode(_first_line(), type=Job)
    threading.Thread(target=_listen, args=(told,), daemon=True).start()

    def report(message: Report) -> None:
        out.write(msgspec.json.encode(message) + b"\n")

    try:
        _run(job, report, told)
    except OutcomeUnknown:
        raise  # A word would say that nothing has changed; who dies without one may have committed.
    except PlatformError as error:
        report(Refused(reason=str(error)))
    except OSError as error:
        report(Refused(reason=f"{error.filename or 'the file'}: {error.strerror or error}; nothing was changed"))


def _listen(told: threading.Semaphore) -> None:
    # On the bare descriptor: a buffer's lock, held for ever, would make an ordinary end a fatal error.
    while data := os.read(0, 4_096):
        for _ in range(data.count(GO)):
            told.release()
    os._exit(GONE)


def _first_line() -> bytes:
    """The job. Nothing is sent after it before there is a report."""
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(0, 65_536)
        if not more:
            os._exit(GONE)
        data += more
    return data


def _run(job: ImportJob | ExportJob, report: Callable[[Report], None], told: threading.Semaphore) -> None:
    # Loaded when the reports go somewhere: a file that does not load any more is told, too.
    from joelclaw.transfer.exporting import Exporter
    from joelclaw.transfer.importing import Importer

    app = _load(job.load)
    if isinstance(job, ExportJob):
        report(Exporter(job, app, report).run())
        return
    # Sorting a million keys takes files, and the folder of the database can be written for sure.
    os.environ["SQLITE_TMPDIR"] = os.path.dirname(job.staging)
    importer = Importer(job, app, report)
    try:
        report(importer.stage())
        told.acquire()
        importer.keep_files()
        report(Ready())
        told.acquire()
        report(importer.take_in())
    finally:
        importer.close()


def _load(load: Load) -> LoadedApp:
    # `-m` puts the current folder first, and with it files that are not this release's.
    if not sys.flags.safe_path:
        del sys.path[0]
    sys.dont_write_bytecode = True
    app = load_app(load.root, load.functions, load.schema, load.wire_names, load.limits, load.crons, load.sign_in)
    app.places = Places(load.api_origin, load.files_url, load.files_credentials)
    return app


if __name__ == "__main__":
    main()
