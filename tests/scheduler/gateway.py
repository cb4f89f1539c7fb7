"""
A deployment in a process of its own, to be killed: `python -m tests.scheduler.gateway FOLDER`.

It serves the app in the folder and runs its jobs, and says `progress` on standard output
whenever the states of its jobs have changed. When all are over it ends.
"""

import asyncio
import sys
from pathlib import Path

from joelclaw.scheduler.jobs import Jobs
from tests.engine.engines import App, Viewer
from tests.scheduler.fixtures import at_work


async def main(folder: Path) -> None:
    app = App(folder)
    await app.deploy()
    viewer = Viewer(app)
    viewer.subscribe(("f:states", {}))
    async with at_work(Jobs(app.engine)):
        while not over(viewer):
            seen = len(viewer.history)
            print("progress", flush=True)
            await viewer.until("another view", lambda one, seen=seen: len(one.history) > seen)  # type: ignore[misc]


def over(viewer: Viewer) -> bool:
    return bool(viewer.view) and not {"pending", "inProgress"} & {*viewer.values()[0]}


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
