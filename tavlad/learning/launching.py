"""Starting several processes for one training with torch's launcher, and sharing one access to the store."""

import functools
import logging
import os
import platform
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist

from tavlad.console import quantity
from tavlad.errors import InputError, TavladError
from tavlad.learning.processes import rank
from tavlad.params import available_cpus
from tavlad.parent import die_with
from tavlad.store.making import Made, Place, key_for, made
from tavlad.store.recipes import made_by
from tavlad.store.store import Store

Arguments = TypeVar("Arguments")
How = TypeVar("How")
Make = Callable[[Place | None, Arguments, How], None]  # without a place: help the process that has it
PATIENCE = timedelta(days=7)  # process 0 may wait for another run; a process that ended is noticed at once
GONE = re.compile(r"gloo|[Cc]onnection (closed|reset|refused)|Broken pipe")
LOST = "another process of this training ended; its own error says why. Run it again: finished epochs are kept."
AGAIN = "The last finished epoch is kept: run it again. Signal 9 often means that memory ran out."


def processes() -> int:
    """How many processes torch's launcher started for this training; 1 without the launcher."""
    return int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def processes_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def own_device(device: torch.device) -> torch.device:
    """`device`, with one GPU per process of a machine; InputError if there are fewer."""
    if device.type == "cuda" and dist.is_torchelastic_launched():
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= gpus:
            count = f"{quantity(processes_here(), 'process', 'processes')} on {platform.node()}"
            raise InputError(f"{count}, but torch sees {quantity(gpus, 'GPU')}: start fewer")
        torch.cuda.set_device(number)
    return device


def launch_for(processes: int | Literal["auto"], device: torch.device) -> int:
    """The number of processes to start, by parameter `processes`; 1 if torch's launcher already started this one.

    "auto" is one per GPU, and 1 on a CPU, which uses threads. InputError for more processes than GPUs.
    """
    if dist.is_torchelastic_launched():
        return 1
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    if processes == "auto":
        return max(1, gpus)
    if gpus and processes > gpus:
        raise InputError(f"processes is {processes}, but torch sees {gpus} GPUs: set processes: auto, or device: cpu")
    return processes


def launch(processes: int, module: str, arguments: list[str]) -> None:
    """Run `python -m module arguments` in `processes` processes on this machine; if one exits early, all do.

    Raises TavladError naming the processes that were killed, or SystemExit if one failed, after printing why.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() // processes)))
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0] if loopback else "lo")  # else chosen by the host's name
    logging.disable(logging.ERROR)  # torch's launcher would report what is reported below
    with tempfile.TemporaryDirectory(prefix="tavlad-launch-") as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=module,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, sys.executable)("-m", module, *arguments)
        except ChildFailedError as error:
            signals = {number: -failure.exitcode for number, failure in error.failures.items()}
            # torch's launcher sends SIGTERM to the remaining processes
            killed = [number for number, code in signals.items() if code > 0 and code != signal.SIGTERM]
            if not killed:
                raise SystemExit(1) from None  # one failed, after printing why
            rows = [(f"process {number}", f"was killed (signal {signals[number]})") for number in killed]
            raise TavladError("training stopped", rows, AGAIN) from None
        except SignalException as error:
            raise SystemExit(128 + error.sigval) from None


@contextmanager
def joined(device: torch.device) -> Iterator[Any]:
    """Join the processes that torch's launcher started: with gloo on CPUs, with NCCL between GPUs.

    Yields the group in which the others wait for process 0; None for a single process. If another process exits early,
    one process per machine raises a TavladError.
    """
    if processes() == 1:
        yield None
        return
    die_with(os.getppid())  # if the launcher is killed
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield dist.new_group(backend="gloo", timeout=PATIENCE)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not GONE.search(str(error)):
            raise
        if int(os.environ["LOCAL_RANK"]):
            raise SystemExit(1) from None
        raise TavladError(LOST) from error
    dist.destroy_process_group()


def made_together(
    store: Store, stage: str, make: Make[Arguments, How], arguments: Arguments, speed: How, group: Any
) -> Made:
    """`made` in process 0, which calls the others of `group` if there is something to compute."""

    @functools.wraps(make)  # its module is in the key
    def make_with_others(place: Place, arguments: Arguments, speed: How) -> None:
        _call(group, place.key, make)
        make(place, arguments, speed)

    result = made(store, stage, make_with_others, arguments, speed)
    if not result.new:
        _call(group, "", make)
    return result


def help_make(make: Make[Arguments, How], arguments: Arguments, speed: How, group: Any) -> None:
    """Wait for the call of process 0 in all other processes, and do their share if something is to be computed.

    Raises TavladError naming the difference if code, versions or arguments are not those of process 0.
    """
    key, there = _call(group, "", make)
    if not key:
        return
    if key != key_for(make, arguments):
        raise TavladError(
            f"process {rank()}, on {platform.node()}, would train something else than process 0: "
            f"{_difference(made_by(make.__module__), there)}. Nothing was trained; make the machines alike."
        )
    make(None, arguments, speed)


def _difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """The difference between what decides a result here and in process 0."""
    other = {name: version for name, version in here["versions"].items() if there["versions"].get(name) != version}
    if other:
        return ", ".join(f"{name} {version} (there: {there['versions'].get(name)})" for name, version in other.items())
    return "the code differs" if here["code"] != there["code"] else "params.yaml differs, or a file that is read"


def _call(group: Any, key: str, make: Callable[..., None]) -> tuple[str, dict[str, Any]]:
    """Broadcast from process 0: the key of the result to compute, or "", with its code and versions."""
    if group is None:
        return key, {}
    said: list[Any] = [key, made_by(make.__module__)]
    dist.broadcast_object_list(said, group=group)
    return said[0], said[1]
