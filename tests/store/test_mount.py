"""A store on a network file system is refused, unless its operator said that one host alone uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.mount import filesystem_of, network_filesystem, refuse_network, set_allowed
from hyperjobs.store.path import check_path
from support.disks import small_disk

REMOTE = 45
"""A device number without a block device, as network file systems have."""


@pytest.fixture
def table(tmp_path):
    """Writes a table of mounts, ``(mount point, type)`` each, with the root on ext4."""

    def write(*mounts: tuple[str, str]) -> Path:
        lines = ["22 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw"]
        for number, (point, kind) in enumerate(mounts, start=40):
            lines.append(f"{number} 22 0:{number} / {point} rw,relatime shared:1 - {kind} server:/export rw,vers=4.2")
        file = tmp_path / "mountinfo"
        file.write_text("\n".join(lines) + "\n")
        return file

    return write


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "lustre", "fuse.sshfs", "fuse.rclone"]
)
def test_a_store_on_a_network_file_system_is_refused_by_its_name_and_with_the_option_that_allows_it(table, kind):
    mounts = table(("/srv", kind))

    with pytest.raises(
        StoreRefusedError, match=rf"/srv/jobs\.db: .*\({kind}\).*store\.network_filesystem: allow"
    ) as caught:
        refuse_network(Path("/srv/jobs.db"), REMOTE, mounts=mounts)

    assert (caught.value.reason, caught.value.exit_code) == ("network_filesystem", 6)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs", "fuse"]
)
def test_a_store_on_a_file_system_of_this_host_is_not(table, kind):
    refuse_network(Path("/srv/jobs.db"), REMOTE, mounts=table(("/srv", kind)))


def test_what_counts_is_the_innermost_mount_and_of_two_on_one_place_the_later(table):
    mounts = table(("/srv", "nfs4"), ("/srv/local", "xfs"), ("/data", "ext4"), ("/data", "cifs"), ("/sr", "9p"))

    found = [
        network_filesystem(Path(path), mounts=mounts) for path in ("/srv/a", "/srv/local/a", "/srv/locals", "/data/a")
    ]

    assert found == ["nfs4", None, "nfs4", "cifs"]


def test_a_mount_point_with_a_space_is_found_and_a_torn_line_is_none(table):
    mounts = table((r"/mnt/my\040disk", "nfs4"))
    mounts.write_text(mounts.read_text() + "99 22\n\n98 22 0:4 / /mnt - \n")

    assert filesystem_of(Path("/mnt/my disk/jobs.db"), mounts=mounts) == "nfs4"
    assert filesystem_of(Path("/mnt/jobs.db"), mounts=mounts) == "ext4"


def test_a_block_device_is_this_hosts_whatever_the_table_says(table):
    refuse_network(Path("/srv/jobs.db"), 0xFE00, mounts=table(("/srv", "nfs4")))


def test_where_the_system_does_not_tell_a_store_is_not_refused(tmp_path):
    refuse_network(Path("/srv/jobs.db"), REMOTE, mounts=tmp_path / "missing")


def test_a_store_that_is_allowed_is_not_refused_until_it_is_no_longer(table):
    mounts, store = table(("/srv", "nfs4")), Path("/srv/jobs.db")
    set_allowed(store, is_allowed=True)
    try:
        refuse_network(store, REMOTE, mounts=mounts)
        with pytest.raises(StoreRefusedError):
            refuse_network(Path("/srv/other.db"), REMOTE, mounts=mounts)
    finally:
        set_allowed(store, is_allowed=False)
    with pytest.raises(StoreRefusedError):
        refuse_network(store, REMOTE, mounts=mounts)


def test_a_path_is_looked_at_where_its_links_lead_to(table, tmp_path):
    with small_disk(tmp_path, 2**20) as place:
        (place / "jobs.db").touch()
        link = tmp_path / "link.db"
        link.symlink_to(place / "jobs.db")
        mounts = table((str(place), "nfs4"))

        with pytest.raises(StoreRefusedError, match=r"disk/jobs\.db"):
            check_path(link, mounts=mounts)
        assert check_path(link, mounts=mounts, may_be_remote=True) == place / "jobs.db"
        assert check_path(link) == place / "jobs.db"  # as the system's own table says
