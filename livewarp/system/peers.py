"""Whose program is at the other end of a connection on this machine; None where the system does not tell.

A Unix socket says so itself; of a TCP connection Linux tells both ends with their users.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

_LISTENING = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h
# linux/netlink.h, linux/sock_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, _NLMSG_ERROR = 4, 20, 1, 2
_ANY = 0xFFFFFFFF
_DIAG_S = 0.2  # the kernel answers before `send` returns
_XUCRED_BYTES = 76  # struct xucred of sys/ucred.h: cr_version, cr_uid, ...


def is_trusted(uid: int | None) -> bool:
    """Whether a user may be answered: this one, root, or one that the system does not tell."""
    return uid is None or uid in (os.getuid(), 0)


def unix_peer_uid(sock: socket.socket) -> int | None:
    """The user at the other end of a connected Unix socket."""
    with contextlib.suppress(OSError):
        if hasattr(socket, "SO_PEERCRED"):
            return int(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
        if hasattr(socket, "LOCAL_PEERCRED"):  # macOS, FreeBSD; 0: SOL_LOCAL
            return int(struct.unpack_from("Ii", sock.getsockopt(0, socket.LOCAL_PEERCRED, _XUCRED_BYTES))[1])
    return None


def tcp_peer_uid(sock: socket.socket) -> int | None:
    """The user at the other end of a connected TCP socket; -1 for one that has gone."""
    try:
        ours, theirs = sock.getsockname()[:2], sock.getpeername()[:2]
    except OSError:
        return -1
    with contextlib.suppress(OSError, AttributeError):
        return _asked(sock.family, theirs, ours)
    text = _table(sock.family)
    at = text.find(f" {_hex(*theirs)} {_hex(*ours)} ")
    if at < 0:
        return None
    _, _, _, uid, inode = _fields(text[text.rfind("\n", 0, at) + 1 : text.index("\n", at)])
    return uid if inode else -1  # without an inode it is nobody's any more, and listed as root's


def listener_uid(address: tuple[str, int]) -> int | None:
    """The user whose program listens at a loopback address, or at all addresses with its port."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    host, port = _hex(*address).split(":")
    for table in (family, socket.AF_INET6):  # one that listens at [::] may take IPv4 as well
        for local, _, state, uid, _ in map(_fields, _table(table).splitlines()[1:]):
            at, its_port = local.split(":")
            if state == _LISTENING and its_port == port and (at == host or not at.strip("0")):
                return uid
    return None


def _asked(family: int, local: tuple[str, int], remote: tuple[str, int]) -> int | None:
    """As `tcp_peer_uid`, by sock_diag(7): one socket in 30 µs, where the list of all takes the kernel 15 ms.

    Raises OSError where the kernel does not offer it.
    """
    addresses = b"".join(socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (local, remote))
    # struct inet_diag_req_v2 of linux/inet_diag.h; no interface, no cookie
    request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _ANY) + struct.pack("!HH", local[1], remote[1])
    request += addresses + struct.pack("=III", 0, _ANY, _ANY)
    head = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_DIAG_S)
        kernel.send(head + request)
        reply = kernel.recv(4096)
    kind = struct.unpack_from("=4xH", reply)[0]
    if kind == _NLMSG_ERROR:
        error = -struct.unpack_from("=i", reply, 16)[0]
        if error == errno.ENOENT:
            return None
        raise OSError(error, os.strerror(error))
    uid, inode = struct.unpack_from("=II", reply, 16 + 4 + 48 + 12)  # of struct inet_diag_msg
    return int(uid) if inode else -1


def _table(family: int) -> str:
    """The kernel's list of TCP sockets; "" where there is none."""
    try:
        with open("/proc/net/tcp6" if family == socket.AF_INET6 else "/proc/net/tcp", encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _fields(line: str) -> tuple[str, str, str, int, int]:
    """Local address, remote address, state, user and inode of a socket, from a line of the list."""
    # sl local remote st tx:rx tr:when retrnsmt uid timeout inode ...
    fields = line.split()
    return fields[1], fields[2], fields[3], int(fields[7]), int(fields[9])


def _hex(host: str, port: int) -> str:
    """As the kernel writes an address: each 32-bit word of it as a number of this machine, then the port."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
