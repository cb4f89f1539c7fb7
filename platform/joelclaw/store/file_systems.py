"""
File systems: whether a path is on a disk of this machine.

SQLite keeps writers apart by locks on its file, and readers together by memory that processes share.
Over a network neither can be relied on, and a database is damaged without a word (see "How To
Corrupt An SQLite Database File", 2.1 and 2.3, on sqlite.org). FUSE is a way to write file systems, most
of them networked; the few that are known to be local are let pass.

Only Linux tells, in `/proc/self/mountinfo`; elsewhere every path counts as local.
"""

import os
import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

NETWORKED: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "coda", "glusterfs", "gfs2", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"}
    | {"smb3", "smbfs"}
)
FUSE_LOCAL: Final = frozenset({"fuseblk", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.ntfs-3g"})

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system over the network that a path is on, or will be when it is made; None: it is local."""
    try:
        table = mounts.read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    kind = kind_of(os.path.realpath(path), table)
    networked = kind in NETWORKED or (kind.startswith("fuse") and kind not in FUSE_LOCAL)
    return kind if networked else None


def kind_of(path: str, table: str) -> str:
    """The file system under an absolute path, by the lines of `mountinfo`; of several at one place the last."""
    found, length = "", -1
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        place = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 8)), fields[4])
        if _holds(place, path) and len(place) >= length:
            found, length = after.split(" ")[0], len(place)
    return found


def _holds(place: str, path: str) -> bool:
    return place == "/" or path == place or path.startswith(place + "/")
