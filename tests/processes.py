"""Gateway processes for tests that stop, kill and multiply them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60

# Runs a command and tells, last of all on stderr, how many KiB of memory it took at most.
_MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


class Process:
    """One `gateway` command as a process of its own."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        self.arguments = arguments
        self.port = port
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return once it is ready where it has a port."""
        self._launch()
        if self.port is not None:
            self._wait_until_ready()

    def _launch(self) -> None:
        command = [sys.executable, "-m", "gateway", *self.arguments]
        self._process = subprocess.Popen(
            command, stderr=self._log, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                if answer.code == 404:  # it has no such probe, but it answers
                    return
                time.sleep(0.05)
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.arguments} is not ready:\n{self.log()}")

    def end(self, number: signal.Signals) -> int:
        """Send the signal, wait for the end, return the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(60)

    def keep_up(self) -> None:
        """Start it again if it has ended, as whatever supervises it would; do not wait for it."""
        if self._process is not None and self._process.poll() is not None:
            self._launch()

    def send(self, number: signal.Signals) -> None:
        """Send the signal and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def log(self) -> str:
        """Return what it wrote to stderr."""
        return os.pread(self._log.fileno(), 10**6, 0).decode()

    def close(self) -> None:
        """Kill it if it still runs, and let go of its log."""
        self.end(signal.SIGKILL)
        self._log.close()


def measured(command: list[str]) -> tuple[subprocess.CompletedProcess[bytes], int]:
    """Run the command to its end; return that, and the bytes of memory that it took at most."""
    run = subprocess.run([sys.executable, "-c", _MEASURED, *command], capture_output=True, check=False)
    return run, int(run.stderr.split()[-1]) * 1024


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start the processes and kill what is left of them."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.close()


def write_config(path: Path, sandbox_url: str, port: int, parts: str, site: str = "shop") -> Path:
    """Write a configuration of one site of the sandbox; `parts` is TOML for stream and links."""
    path.write_text(f"""
[listen]
port = {port}
metrics_port = 0
{parts}
[[sites]]
id = "{site}"
keys = ["shop-key"]
tracker_url = "{sandbox_url}/api/v2"
api_url = "{sandbox_url}/api"
api_key = "sandbox-key"
rate = 100000
""")
    return path
