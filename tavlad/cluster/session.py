"""A connection to Ray, local to this machine or at an address, and the code that its workers run."""

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tavlad.cluster.node import sent_with_code
from tavlad.errors import InputError, TavladError
from tavlad.store.inputs import Input

OBJECT_STORE = 500 << 20  # bytes of memory for clips in flight in a local Ray; `ray start` has its own option
# Ray collects usage statistics unless told not to, and retries on a lost node without a pause until it is declared dead
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_retry_delay_ms": "1000"}
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # makes Ray listen on the loopback interface only
PATIENCE = 20.0  # seconds for an address to answer
HINT = "Use the address and the token of `ray start --head`; this machine must be a node (docs/scale.md)."


@dataclass(frozen=True)
class Cluster:
    """The address of Ray ("": started here, for this run), and whether different processors may share the work."""

    address: str
    mixed: bool


@contextmanager
def connected(cluster: Cluster, threads: int, inputs: Mapping[str, Input]) -> Iterator[Any]:
    """The module `ray`, connected; a local Ray is shut down when the block ends.

    Its workers run the code of this process, and have the `inputs` common to all clips. `threads` is the number of
    threads that share a sum.
    """
    os.environ.update({**QUIET, **({} if cluster.address else ALONE)})  # before the import, which reads them
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # or anyone who can reach the port could run code
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("engine: ray needs Ray: pip install -e '.[cluster]', or set engine: local.") from None
    with tempfile.TemporaryDirectory(prefix="tavlad-") as folder:
        _send(Path(folder), inputs)
        # with a working_dir, Ray does not search the driver's own folder first, which may have been edited
        environment = {"working_dir": folder, "env_vars": {"OMP_NUM_THREADS": str(threads)}}
        try:
            _connect(ray, cluster.address, environment)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            where, words = cluster.address or "this machine", " ".join(str(error).split())
            raise TavladError(f"cannot reach Ray at '{where}': {words}. {HINT}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _send(folder: Path, inputs: Mapping[str, Input]) -> None:
    """Put the code of this process and `inputs` into the new `folder`."""
    package = Path(__file__).parents[1]
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, given in inputs.items():
        link = sent_with_code(folder, name, given)
        link.parent.mkdir(parents=True)
        link.symlink_to(given.path.absolute())


def _connect(ray: Any, address: str, environment: Mapping[str, Any]) -> None:
    if address:  # Ray itself would try for more than ten minutes
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), PATIENCE).close()
    local = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(address or "local", runtime_env=dict(environment), **quiet, **local)
