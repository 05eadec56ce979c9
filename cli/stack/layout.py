"""The embedded stack: which services run in a data folder, with which environment."""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from cli.stack import processes
from cli.stack.logfiles import LogFile
from cli.stack.orphans import MARK
from cli.stack.service import Service
from cli.stack.valkey import EmbeddedValkey, configure, set_aside_if_damaged
from cli.terminal import warn
from core.settings import Settings

BEATING = ("api", "worker", "scheduler")  # the processes that show that they work
# Who is told to stop when, and by which second it must have done so; the whole has 15 s.
STOP_PHASES = ((("api", "scheduler"), 5.0), (("worker",), 12.0), (("valkey",), 14.0))


@dataclass(frozen=True, slots=True)
class Stack:
    """What `tagline up` runs. `valkey` is None where the operator brings one."""

    settings: Settings
    host: str
    port: int
    valkey: EmbeddedValkey | None
    environment: dict[str, str]
    metrics_ports: dict[str, int]

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    @property
    def url(self) -> str:
        """Where this machine reaches the API."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def log(self, name: str) -> LogFile:
        return LogFile(self.data_dir / "logs" / f"{name}.log")

    def broker_service(self, valkey: EmbeddedValkey) -> Service:
        """The embedded Valkey."""
        service = self._service("valkey", valkey.command())

        def rescue(failures: int) -> None:
            aside = set_aside_if_damaged(valkey.folder, service.log) if failures else None
            if aside:
                warn(f"valkey cannot read its data, now in {aside}; jobs are in the database and go on")

        service.before_start = rescue
        return service

    def tagline_services(self) -> list[Service]:
        """API, worker and scheduler."""
        api = self._service("api", processes.api_command(self.host, self.port))
        api.death_signal = signal.SIGTERM  # so that the web server ends its own child, too
        worker = self._service("worker", processes.worker_command(self.settings))
        worker.reloads = True
        return [
            api,
            worker,
            self._service("scheduler", processes.scheduler_command()),
        ]

    def _service(self, name: str, command: list[str]) -> Service:
        # In the data folder nothing can shadow our packages.
        environment = {**self.environment, "TAGLINE_METRICS_PORT": str(self.metrics_ports.get(name, 0))}
        service = Service(name, command, environment, self.log(name), self.data_dir)
        if name in BEATING:
            service.heartbeat = self.data_dir / "logs" / f"{name}.beat"
            service.heartbeat.unlink(missing_ok=True)
            service.environment = {**environment, "TAGLINE_HEARTBEAT_FILE": str(service.heartbeat)}
        return service


def lay_out(settings: Settings, host: str, port: int) -> Stack:
    """Prepare the data folder for a start. Call it while holding the folder's lock."""
    data = settings.data_dir
    shutil.rmtree(data / "metrics", ignore_errors=True)  # of earlier versions
    (data / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    own = "redis_url" in settings.model_fields_set and settings.redis_url
    valkey = None if own else configure(data / "valkey")
    ports = {name: free_port("127.0.0.1") for name in ("worker", "scheduler")}  # of their metrics, which the API shows
    name = settings.worker_name or f"embedded-{hashlib.sha256(str(data).encode()).hexdigest()[:12]}"
    environment = {
        MARK: str(data),
        "TAGLINE_DATA_DIR": str(data),
        "TAGLINE_MODELS_DIR": str(settings.models_dir),
        "TAGLINE_WORKER_NAME": name,
        "TAGLINE_METRICS_HOST": "127.0.0.1",
        "TAGLINE_METRICS_PEERS": ",".join(f"127.0.0.1:{metrics_port}" for metrics_port in ports.values()),
    }
    if settings.folders:
        environment["TAGLINE_FOLDERS"] = ",".join(settings.folders)
    if valkey:
        environment["TAGLINE_REDIS_URL"] = valkey.url
    return Stack(settings.model_copy(update={"worker_name": name}), host, port, valkey, environment, ports)


def port_problem(host: str, port: int) -> str | None:
    """Why nobody can listen there, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            # As servers do: a port whose last connections are still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def free_port(host: str) -> int:
    """A port on which nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
