"""The system-call filter of a session: allow by default, refuse what no analysis needs and no namespace contains."""

from __future__ import annotations

import errno
import tempfile
from typing import IO

import pyseccomp

__all__ = ["ALLOWED_FAMILIES", "REFUSED_CALLS", "filter_file"]

# Reading other processes, mounting, new namespaces, keys, modules, io_uring (it bypasses filters), open-by-handle.
REFUSED_CALLS = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "perf_event_open", "bpf", "userfaultfd"),
    *("keyctl", "add_key", "request_key"),
    *("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr"),
    *("unshare", "setns", "chroot"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
    *("swapon", "swapoff", "reboot", "acct", "quotactl", "quotactl_fd", "syslog"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("name_to_handle_at", "open_by_handle_at"),
)
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# The network namespace holds these in; AF_VSOCK and others it does not.
ALLOWED_FAMILIES = frozenset({AF_UNIX, AF_INET, AF_INET6, AF_NETLINK})
LAST_FAMILY = 64
CLONE_NEWUSER = 0x10000000


def filter_file() -> IO[bytes]:
    """Compile the filter for the running machine.

    Returns
    -------
    file object
        Open temporary file at its beginning, holding the BPF program that bubblewrap's ``--seccomp`` reads.

    Raises
    ------
    RuntimeError, OSError
        If libseccomp does not know a call or cannot write the program; a session without its filter is not started.
    """
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED_CALLS:
        _refuse(rules, name)
    # clone3's flags lie in memory, where a filter cannot look; the C library falls back to clone, whose flags it can see.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER))
    for family in range(LAST_FAMILY):
        if family not in ALLOWED_FAMILIES:
            rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.GE, LAST_FAMILY))
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    rules.export_bpf(file)
    file.flush()
    file.seek(0)
    return file


def _refuse(rules: pyseccomp.SyscallFilter, name: str) -> None:
    try:
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    except OSError as error:
        if error.errno != errno.EDOM and name not in _NEWER_THAN_LIBSECCOMP:
            raise


# libseccomp 2.5.1 and older do not know these by name; kernels that have them are newer than such a library's distribution.
_NEWER_THAN_LIBSECCOMP = frozenset({"quotactl_fd", "mount_setattr"})
