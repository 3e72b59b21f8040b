"""One process at a time on one file: who comes second is told who was first."""

import fcntl
import os
import socket
from pathlib import Path

from gateway.errors import ConfigError

_LONGEST = 300
"""Bytes of a process id and a host's name."""


class Lock:
    """Holds a file for this process alone, as long as the process lives, by a `.lock` beside it."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError naming the process, and its host, that holds the file already."""
        self._descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, _LONGEST, 0).decode() or "unknown"
            os.close(self._descriptor)
            mistake = f"{path.absolute()} is in use by process {holder}: one process at a time can own it"
            raise ConfigError([mistake]) from None
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} on {socket.gethostname()}".encode(), 0)

    def release(self) -> None:
        """Let the next process have it."""
        os.close(self._descriptor)
