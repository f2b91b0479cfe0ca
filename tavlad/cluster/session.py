"""A connection to Ray: a local one of this machine alone, or that at an address; and the code that its workers run."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tavlad.cluster.node import sent_with_code
from tavlad.errors import InputError, TavladError
from tavlad.store.inputs import Input

OBJECT_STORE = 500 << 20  # bytes of memory for clips on their way, of a local Ray; `ray start` has an option for it
# Ray counts its users unless it is told not to, and asks a lost node without a pause until its death is known
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_retry_delay_ms": "1000"}
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # its own word for: listen on the loopback alone
HINT = "The address is that of `ray start --head`, whose token is needed; this machine must be a node (docs/scale.md)."


@dataclass(frozen=True)
class Cluster:
    """Where Ray is ("": started here, for this run), and whether processors of several kinds may share the work."""

    address: str
    mixed: bool


@contextmanager
def connected(cluster: Cluster, threads: int, inputs: Mapping[str, Input]) -> Iterator[Any]:
    """The module `ray`, connected; a local one ends with the block.

    Its workers run the code of this process, and have the `inputs` that are common to all clips. `threads` are those
    that a sum is split among.
    """
    os.environ.update({**QUIET, **({} if cluster.address else ALONE)})  # before the import, which reads them
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # or whoever reaches the port could run code
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("engine: ray needs Ray: pip install -e '.[cluster]', or set engine: local.") from None
    local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    with tempfile.TemporaryDirectory(prefix="tavlad-") as folder:
        package = Path(__file__).parents[1]
        shutil.copytree(package, Path(folder, package.name), ignore=shutil.ignore_patterns("__pycache__"))
        for name, given in inputs.items():
            copy = sent_with_code(Path(folder), name, given)
            copy.parent.mkdir(parents=True)
            copy.symlink_to(given.path.absolute())
        # with a working_dir, Ray does not put the driver's own folder, which may be edited, before it
        environment = {"working_dir": folder, "env_vars": {"OMP_NUM_THREADS": str(threads)}}
        try:
            ray.init(
                cluster.address or "local",
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if cluster.address else local),
            )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise TavladError(
                f"no Ray at '{cluster.address or 'this machine'}': {' '.join(str(error).split())}. {HINT}"
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()
