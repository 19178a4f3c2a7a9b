"""
What a TCP socket does without waiting, with the interpreter's lock kept.

Python gives its lock away around each send and each poll, and with many threads to get it back costs more than either.
Where the platform has not what this takes, nothing is sent and nothing is known, and the caller goes the usual way.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

_LONGEST = 65_536  # copied in some microseconds: the others wait no longer for it
_FLAGS = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)
_INFO = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_STATE_AND_RECEIVED = struct.Struct("@B127xQ")  # of Linux's tcp_info: tcpi_state, tcpi_bytes_received
_ESTABLISHED = 1

_send = ctypes.PyDLL(None).send if sys.platform == "linux" else None
if _send is not None:
    _send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
    _send.restype = ctypes.c_ssize_t


def sent(sock: socket.socket, data: bytes) -> int:
    """Send what fits at once, and say how much; 0 also where it failed, which the next try will say better."""
    if _send is None or len(data) > _LONGEST:
        return 0
    return max(int(_send(sock.fileno(), data, len(data), _FLAGS)), 0)


def is_quiet(sock: socket.socket, taken: int) -> bool:
    """Tell that a connection is whole, and that nothing came beyond the `taken` bytes; False where that is not known."""
    if _INFO is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _INFO, _STATE_AND_RECEIVED.size)
    except OSError:
        return False
    return len(info) == _STATE_AND_RECEIVED.size and _STATE_AND_RECEIVED.unpack(info) == (_ESTABLISHED, taken)
