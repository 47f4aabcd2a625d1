"""Who takes part: providers, their machines, the people who ask, and what goes wrong. Everything here is made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One kind of platform that machines leave.

    Attributes:
        share: of all jobs, relative to the others.
        fails: of its jobs, on a good day (0 to 1).
        median_s: of an export's duration.
        mib_per_second: how fast it gives its disks.
        slots: how many exports run at a time; the others wait.
        folder: where its machines are.
        errors: what goes wrong here, with blanks that :func:`error_text` fills.
    """

    name: str
    share: float
    fails: float
    median_s: float
    mib_per_second: float
    slots: int
    folder: str
    errors: tuple[str, ...]


_COMMON: Final = (
    "checksum mismatch on chunk {chunk} of {vm}-disk{digit}.vmdk: want sha256:{hex8}… got sha256:{other}…",
    "no space left on device: need {bytes} bytes, have {small} on /exports/vol{digit}",
)
PROVIDERS: Final = (
    Provider(
        name="vsphere",
        share=44,
        fails=0.06,
        median_s=540,
        mib_per_second=110,
        slots=12,
        folder="/dc-1/vm",
        errors=(
            "NFC copy failed: dial tcp esx-{host}.dc1.example.net:902: i/o timeout after {seconds}s",
            "CreateSnapshot_Task task-{number} failed: the operation is not allowed in the current state of vm-{machine}",
            *_COMMON,
        ),
    ),
    Provider(
        name="hyperv",
        share=19,
        fails=0.11,
        median_s=760,
        mib_per_second=70,
        slots=6,
        folder="/hyperv/cluster-2",
        errors=(
            "VSS writer timed out on HV-HOST-{host}: 0x800423F2 (attempt {digit} of 5)",
            "Export-VM: access to '\\\\hv-host-{host}\\c$\\ClusterStorage\\Volume{digit}' is denied",
            *_COMMON,
        ),
    ),
    Provider(
        name="aws",
        share=17,
        fails=0.03,
        median_s=420,
        mib_per_second=160,
        slots=10,
        folder="/eu-west-1",
        errors=(
            "RequestLimitExceeded: CreateStoreImageTask for ami-{hex8}, request id {uuid}",
            "export-ami-{hex8}: client error: image is encrypted with key {uuid}",
        ),
    ),
    Provider(
        name="azure",
        share=12,
        fails=0.05,
        median_s=610,
        mib_per_second=95,
        slots=6,
        folder="/subscriptions/prod/resourceGroups/legacy",
        errors=(
            "429 Too Many Requests from management.azure.example.com, retry after {seconds} s (correlation {uuid})",
            "SAS token of disk {vm}-os expired while {bytes} bytes were left",
        ),
    ),
    Provider(
        name="openstack",
        share=8,
        fails=0.08,
        median_s=900,
        mib_per_second=55,
        slots=4,
        folder="/projects/research",
        errors=(
            "libvirt: domain {uuid} is locked by lease migrate-{digit} of kvm-{host}.example.net",
            "glance: image {uuid} went to status killed after {bytes} bytes",
            *_COMMON,
        ),
    ),
)
STRANGERS: Final = ("proxmox", "nutanix-lab", "vSphere <test>", "ovirt")
"""Names that somebody typed; the agent counts them as ``other``, past its ``max_providers``."""

USERS: Final = ("alice", "bob", "carol", "dmitri", "erin", "svc-migrate", "svc-migrate", "svc-nightly", "")
_ROLES: Final = ("web", "app", "db", "cache", "mail", "build", "files", "ldap", "erp", "queue", "proxy", "mon")
_SITES: Final = ("par", "mad", "ams", "waw")
_FORMATS: Final = ("ova", "ova", "qcow2", "vmdk", "raw")
AWKWARD: Final = (
    "<b>bold</b> & \"quoted\" 'machine'",
    "<script>alert(1)</script>",
    "データベース-01",
    "büro-müller-größe",
    "שרת-קבצים-7",
    "🚀 launch pad",
    "../../etc/passwd",
    "tab\there",
    "a-very-long-name-that-nobody-thought-about-" * 5,
    "100% {{ full }} `tick` $HOME",
)
"""What people call machines; whoever shows one has to cope."""


def machine(chance: random.Random, provider: Provider) -> str:
    """The name of one of the provider's machines; one in sixty is awkward."""
    if chance.random() < 1 / 60:
        return chance.choice(AWKWARD)
    return f"{chance.choice(_ROLES)}-{chance.choice(_SITES)}-{chance.randrange(1, 40):02d}-{provider.name[:2]}"


def metadata(chance: random.Random) -> dict[str, Any] | None:
    """What a job carries along; nothing in every fifth."""
    if chance.random() < 1 / 5:
        return None
    found: dict[str, Any] = {"compress": chance.random() < 1 / 2, "disks": chance.randrange(1, 6)}
    found["format"] = chance.choice(_FORMATS)
    if chance.random() < 1 / 3:
        found["tags"] = [f"wave-{chance.randrange(1, 9)}", chance.choice(("prod", "test", "größer als geplant"))]
    return found


def error_text(chance: random.Random, kind: str, vm: str) -> str:
    """One error of a kind, with ids, hosts and sizes of its own."""
    bits = f"{chance.getrandbits(128):032x}"
    return kind.format(
        vm=vm,
        chunk=chance.randrange(1, 4000),
        digit=chance.randrange(1, 6),
        hex8=bits[:8],
        other=bits[8:16],
        bytes=chance.randrange(10**9, 10**11),
        small=chance.randrange(10**6, 10**9),
        host=f"{chance.randrange(1, 25):02d}",
        seconds=chance.randrange(10, 90),
        number=chance.randrange(10_000, 99_999),
        machine=chance.randrange(100, 9_999),
        uuid=f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}",
    )
