"""Saving a file of a project that is being followed."""

import os
from pathlib import Path


def save(file: Path, text: str) -> None:
    """
    Write a file as an editor does that never leaves half of it: beside, then renamed.

    Whoever follows the folder would otherwise see it empty, if we are held up at the wrong moment.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, file)
