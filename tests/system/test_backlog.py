"""`_system/jobs:backlog`: what watches over scheduled jobs is told."""

from pathlib import Path
from textwrap import dedent

from tests.functions.deployment import deploy

APP = """
    from joelclaw import *

    @mutation(allow=anyone)
    def later(ctx: MutationCtx, after: str) -> None:
        ctx.scheduler.run_after(after, run)

    @mutation
    def run(ctx: MutationCtx) -> None: ...
"""


def test_the_backlog_knows_the_job_that_is_due_first(tmp_path: Path) -> None:
    """Jobs that have not ended are counted, and the earliest instant of those that wait is told; of none, nothing."""
    app = deploy(tmp_path, {"app_functions/work.py": dedent(APP)})
    try:
        assert app.query("_system/jobs:backlog") == {"outstanding": 0, "nextAt": None}
        now = app.hooks.clock()
        app.mutate("work:later", after="1h")
        app.mutate("work:later", after="1m")
        assert app.query("_system/jobs:backlog") == {"outstanding": 2, "nextAt": now + 60_000}
    finally:
        app.close()
