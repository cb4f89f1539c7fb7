"""`joelclaw.store.file_systems`: which paths are on disks of this machine."""

from pathlib import Path

import pytest

from joelclaw.store.file_systems import kind_of, network_file_system

TABLE = """\
27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 27 0:40 / /srv rw,relatime shared:1 - nfs4 host:/export rw
31 30 8:2 / /srv/disk rw,relatime - xfs /dev/sdb1 rw
32 27 0:41 / /mnt/my\\040share rw - cifs //host/share rw
33 27 0:42 / /mnt/bucket rw - fuse.s3fs s3fs rw
34 27 0:43 / /mnt/layers rw - fuse.fuse-overlayfs overlay rw
35 27 0:44 / /twice rw - ext4 /dev/sdc1 rw
36 35 0:45 / /twice rw - nfs host:/other rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/joelclaw.db", "ext4"),
        ("/srv/joelclaw.db", "nfs4"),
        ("/srv/disk/joelclaw.db", "xfs"),
        ("/srvdisk/joelclaw.db", "ext4"),
        ("/mnt/my share/joelclaw.db", "cifs"),
        ("/twice/joelclaw.db", "nfs"),
    ],
)
def test_the_innermost_and_newest_mount_counts(path: str, kind: str) -> None:
    """A path belongs to the longest mount above it, and of several at one place to the last."""
    assert kind_of(path, TABLE) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/new/joelclaw.db", None),
        ("/srv/joelclaw.db", "nfs4"),
        ("/mnt/my share/joelclaw.db", "cifs"),
        ("/mnt/bucket/joelclaw.db", "fuse.s3fs"),
        ("/mnt/layers/joelclaw.db", None),
    ],
)
def test_network_file_systems_are_told_from_disks(tmp_path: Path, path: str, kind: str | None) -> None:
    """NFS, SMB and what FUSE brings from afar; overlays on this machine are no such thing."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(TABLE)
    assert network_file_system(Path(path), mounts) == kind


def test_a_link_counts_as_where_it_leads(tmp_path: Path) -> None:
    """A database that is linked onto a network file system is on it."""
    mounts = tmp_path / "mountinfo"
    afar = (tmp_path / "afar").resolve()
    mounts.write_text(f"27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 0:40 / {afar} rw - nfs4 host:/x rw\n")
    afar.mkdir()
    (tmp_path / "data").symlink_to(afar)
    assert network_file_system(tmp_path / "data" / "joelclaw.db", mounts) == "nfs4"


def test_a_system_that_does_not_tell_counts_as_local(tmp_path: Path) -> None:
    """Only Linux has the table."""
    assert network_file_system(Path("/data"), tmp_path / "missing") is None
