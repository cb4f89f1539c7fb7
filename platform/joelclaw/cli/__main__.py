"""The command line without the installed script: `python -m joelclaw.cli`."""

from joelclaw.cli import main

main(prog_name="joelclaw")
