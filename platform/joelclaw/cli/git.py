"""
What git says about a project: which commit it is, whether it was changed since, and what is in its history.

All of it is asked of `git` itself. Where there is none, or no repository, there is nothing to tell.
"""

import subprocess
from pathlib import Path
from typing import Literal, NamedTuple


class Checkout(NamedTuple):
    """A project in a repository."""

    project: Path
    commit: str
    dirty: bool
    """Files of the project are not as they were committed."""

    subject: str
    """The first line of the commit's message."""

    author: str
    """Who works here, as git is told; not always who committed last."""

    def has(self, commit: str) -> Literal["yes", "no", "unknown"]:
        """Whether a commit is part of this one's history. A shallow clone may not know."""
        if _git(self.project, "cat-file", "-e", f"{commit}^{{commit}}") is None:
            shallow = _git(self.project, "rev-parse", "--is-shallow-repository")
            return "unknown" if shallow == "true" else "no"
        contained = _git(self.project, "merge-base", "--is-ancestor", commit, self.commit) is not None
        return "yes" if contained else "no"


def find_checkout(project: Path) -> Checkout | None:
    """The repository that a project is in; None: in none, or nothing was committed yet."""
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    return Checkout(
        project=project,
        commit=commit,
        dirty=bool(_git(project, "status", "--porcelain", "--", ".")),
        subject=_git(project, "log", "-1", "--format=%s") or "",
        author=_git(project, "config", "user.name") or "",
    )


def _git(project: Path, *arguments: str) -> str | None:
    """What git answers; None, if it fails."""
    try:
        # Optional locks: looking at a repository must not be in the way of who works in it.
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(project), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
