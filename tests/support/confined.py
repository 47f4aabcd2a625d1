"""Start a command under the restrictions of a systemd unit, where no systemd runs: ``confined.py UNIT [DROP-IN...]``.

To be run by root in a mount namespace of its own. What is applied: user, groups, umask, the state directory,
``ProtectSystem=strict`` with ``ReadWritePaths=``, ``ProtectHome=``, ``PrivateTmp=``, ``NoNewPrivileges=``, an empty
``CapabilityBoundingSet=``, ``LimitCORE=``, and by seccomp ``SystemCallFilter=``, ``RestrictAddressFamilies=`` and
``MemoryDenyWriteExecute=``. Devices, namespaces and cgroups are left as they are.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import pwd
import resource
import shlex
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.units import Unit

API_FILE_SYSTEMS = ("/dev", "/proc", "/sys")
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 24, 38
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
# Classic BPF: load a word of the call's data, and it with a constant, jump where equal, end.
LOAD, AND, JUMP_IF_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
NUMBER, FIRST, THIRD = 0, 16, 32
WRITE_AND_EXECUTE, EXECUTE = 6, 4

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Apply everything, then become the unit's command."""
    unit = Unit(*map(Path, sys.argv[1:]))
    program = shlex.split(unit.last("ExecStart"))
    numbers = call_numbers()
    account = pwd.getpwnam(unit.last("User"))
    group = grp.getgrnam(unit.last("Group")).gr_gid
    extra = [grp.getgrnam(name).gr_gid for name in unit.words("SupplementaryGroups")]
    groups = {*os.getgrouplist(account.pw_name, group), *extra}
    rules = allowed_calls(unit, numbers)
    state = Path("/var/lib", unit.last("StateDirectory"))
    state.mkdir(exist_ok=True)
    os.chown(state, account.pw_uid, group)
    state.chmod(int(unit.last("StateDirectoryMode", "0755"), 8))
    mounts(unit, state)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0)) if unit.last("LimitCORE") == "0" else None
    if unit.has("CapabilityBoundingSet") and not unit.words("CapabilityBoundingSet"):
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.umask(int(unit.last("UMask", "0022"), 8))
    os.setgroups(sorted(groups))
    os.setgid(group)
    os.setuid(account.pw_uid)
    assert unit.last("NoNewPrivileges") == "yes"
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    environment = {
        "HOME": account.pw_dir,
        "LOGNAME": account.pw_name,
        "USER": account.pw_name,
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "STATE_DIRECTORY": str(state),
        "NOTIFY_SOCKET": os.environ.get("NOTIFY_SOCKET", ""),
        "WATCHDOG_USEC": str(int(unit.last("WatchdogSec")) * 1_000_000),
        "WATCHDOG_PID": str(os.getpid()),
    }
    os.chdir("/")
    filter_calls(rules)
    os.execve(program[0], program, environment)  # noqa: S606 - the unit's own command


def mounts(unit: Unit, state: Path) -> None:
    """Make the file system what the unit leaves of it."""
    assert unit.last("ProtectSystem") == "strict"
    writable = [str(state), *unit.words("ReadWritePaths")]
    for path in writable:
        if not path.startswith("-") or Path(path[1:]).exists():
            mount("--bind", path.removeprefix("-"), path.removeprefix("-"))
    kept = {path.removeprefix("-") for path in writable}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        is_api = any(point == api or point.startswith(api + "/") for api in API_FILE_SYSTEMS)
        if not is_api and point not in kept:
            mount("-o", "remount,bind,ro", point)
    if unit.last("ProtectHome") == "yes":
        for home in ("/home", pwd.getpwuid(0).pw_dir, "/run/user"):
            mount("-t", "tmpfs", "-o", "mode=0000", "tmpfs", home) if Path(home).exists() else None
    if unit.last("PrivateTmp") == "yes":
        for directory in ("/tmp", "/var/tmp"):  # noqa: S108 - the very point is to replace them
            mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", directory)


def mount(*words: str) -> None:
    """Mount something, as the program of that name does."""
    subprocess.run(["mount", *words], check=True)


def call_numbers() -> dict[str, int]:
    """The numbers of this machine's system calls, as its C headers have them."""
    command = ["gcc", "-dM", "-E", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    words = [line.split() for line in lines if line.startswith("#define __NR_")]
    return {name.removeprefix("__NR_"): int(number) for _, name, number in words if number.isdecimal()}


def allowed_calls(unit: Unit, numbers: dict[str, int]) -> list[tuple[int, int, int, int]]:
    """The filter as BPF instructions: (code, if true, if false, constant)."""
    rules: list[tuple[int, int, int, int]] = []
    if unit.last("MemoryDenyWriteExecute") == "yes":
        for name, forbidden in (("mmap", WRITE_AND_EXECUTE), ("mprotect", EXECUTE)):
            rules += on_call(
                numbers[name],
                [(LOAD, 0, 0, THIRD), (AND, 0, 0, forbidden), (JUMP_IF_EQUAL, 0, 1, forbidden), (RETURN, 0, 0, REFUSE)],
            )
    families = [int(getattr(socket, name)) for name in unit.words("RestrictAddressFamilies")]
    passed = [(JUMP_IF_EQUAL, len(families) - place, 0, family) for place, family in enumerate(families)]
    rules += on_call(numbers["socket"], [(LOAD, 0, 0, FIRST), *passed, (RETURN, 0, 0, REFUSE)])
    rules.append((LOAD, 0, 0, NUMBER))
    for name in sorted(unit.system_calls() & numbers.keys()):
        rules += [(JUMP_IF_EQUAL, 0, 1, numbers[name]), (RETURN, 0, 0, ALLOW)]
    return [*rules, (RETURN, 0, 0, REFUSE)]


def on_call(number: int, judged: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Instructions for one call only; what they do not refuse goes on behind them."""
    return [(LOAD, 0, 0, NUMBER), (JUMP_IF_EQUAL, 0, len(judged), number), *judged]


def filter_calls(rules: list[tuple[int, int, int, int]]) -> None:
    """Put the filter into force for this process and all it becomes."""
    program = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(kept))
    prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(header, len(header)))


def prctl(option: int, value: int, argument: object = 0) -> None:
    """Set something about this process, or raise why not."""
    if libc.prctl(option, value, argument, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
