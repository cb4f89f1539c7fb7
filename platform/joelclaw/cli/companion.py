"""
A command that runs beside a served deployment: a site's own server, as a rule.

The two end together. Whoever ends first takes the other along, so that one Ctrl-C ends both, and
no page is left that talks to nobody.
"""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import Final

from joelclaw.errors import CommandFailed

END_S: Final = 10.0
"""How long it may take to end when it is told to."""

URL_VARIABLES: Final = ("JOELCLAW_URL", "NEXT_PUBLIC_CONVEX_URL", "VITE_CONVEX_URL")
"""Where clients are answered, by the names that we, Next.js and Vite look for. What is set already stays."""


class Companion:
    """A command, as one types it into a shell."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told = False
        """To end, by us."""

    def start(self, url: str) -> None:
        """Run it, and have this process told to stop (SIGTERM) when it ends. Clients are answered at `url`."""
        # A group of its own: Ctrl-C is for us, and whatever the command has started ends with it.
        self._process = subprocess.Popen(
            self._command,
            shell=True,
            env=dict.fromkeys(URL_VARIABLES, url) | os.environ,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def end(self) -> None:
        """
        Have it end, if it runs.

        Raises:
            CommandFailed: It has ended by itself, which nobody wanted.
        """
        if self._process is None:
            return
        code = self._process.poll()
        self._is_told = True
        self._signal(self._process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._signal(self._process, signal.SIGKILL)
        if code is not None:
            raise CommandFailed(f"{self._command!r} has ended with exit code {code}, and joelclaw dev with it")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if not self._is_told:
            os.kill(os.getpid(), signal.SIGTERM)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # All of them are gone; macOS says it the second way.
            os.killpg(process.pid, number)
