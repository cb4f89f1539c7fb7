"""`joelclaw serve` for a deployment that takes the tokens of `tokens.py`."""

import os
import sys
from pathlib import Path

from joelclaw import server
from joelclaw.cli.host import TerminalHost
from joelclaw.config import load_config

if __name__ == "__main__":
    project = Path(sys.argv[sys.argv.index("--project") + 1])
    # The repository's root, where the tests are a package.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.conformance.tokens import Words

    config = load_config(project, os.environ)
    server.run(config, development=False, host=TerminalHost(config, development=False), users=Words())
