"""Which nodes of a cluster may work: those that compute as this machine does, by code, libraries and processor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tavlad import console
from tavlad.cluster.node import described
from tavlad.errors import TavladError

KINDS = ("processor", "GPU")  # where they differ, sums are rounded otherwise, and no more
MIXED = "ray.mixed: true lets several kinds share the work; bytes then depend on who made a clip"
ADVICE = (
    "Install the same releases on every node. Where `precision: auto` differs, name one. `ray status` shows the nodes."
)
LOST = "no node that may work is left. All finished work is kept: start them (`ray start`), and run `dvc repro` again."


@dataclass(frozen=True)
class Slice:
    """The CPUs and GPUs that an actor takes, and how many clips it has at once."""

    cpus: int
    gpus: float
    lanes: int

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many actors fit into a node."""
        counts = [resources.get("CPU", 0) // self.cpus]
        counts += [resources.get("GPU", 0) // self.gpus] if self.gpus else []
        return int(min(counts))


@dataclass(frozen=True)
class Node:
    """A node's name for readers, and how many actors fit into it."""

    name: str
    actors: int


def accepted(ray: Any, wanted: Slice, module: str, precision: str, mixed: bool) -> dict[str, Node]:
    """The nodes that may work, by their ids; the others are named in a warning, with the reason.

    They are asked on the nodes themselves, by the code that was sent there; TavladError if none is left.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    nodes = {one["NodeID"]: one for one in ray.nodes() if one["Alive"]}
    ask = ray.remote(num_cpus=0, max_retries=0)(described)
    asked = {
        node: ask.options(scheduling_strategy=On(node, soft=False)).remote(module, precision, bool(wanted.gpus))
        for node, one in nodes.items()
        if wanted.fits(one["Resources"])
    }
    mine, rows, found = described(module, precision, bool(wanted.gpus)), [], dict[str, Node]()
    for node, one in nodes.items():
        name = f"{one['NodeManagerHostname']} ({one['NodeManagerAddress']}, node {node[:8]})"
        if node not in asked:
            reason = f"it has no {wanted.cpus} CPUs" + (f" and {wanted.gpus:g} GPUs" if wanted.gpus else "")
        else:
            reason = _answered(ray, asked[node], mine, mixed)
        if reason:
            rows.append((name, reason))
        else:
            found[node] = Node(name, wanted.fits(one["Resources"]))
    if not found:
        raise TavladError("no node of the cluster can be given work", rows, ADVICE)
    for name, reason in rows:
        console.warn(f"{name} gets no work: {reason}")
    return found


def _answered(ray: Any, question: Any, mine: Mapping[str, str], mixed: bool) -> str:
    try:
        return difference_of(ray.get(question), mine, mixed)
    except ray.exceptions.RayError as error:
        return f"it cannot be asked what it computes with: {' '.join(str(error).split())}"


def difference_of(there: Mapping[str, str], mine: Mapping[str, str], mixed: bool) -> str:
    """Why a node that says `there` of itself may not do what this machine, `mine`, is asked to do; "" if it may."""
    names = [name for name in mine if there.get(name) != mine[name] and not (mixed and name in KINDS)]
    words = "; ".join(f"{name} is {there.get(name, 'not there')} there, {mine[name]} here" for name in names)
    return f"{words}. {MIXED}" if set(names) & {*KINDS} else words


def require_alive(ray: Any, nodes: Mapping[str, Node]) -> None:
    """Raise a TavladError if none of `nodes` is still there."""
    if not any(one["Alive"] and one["NodeID"] in nodes for one in ray.nodes()):
        raise TavladError(LOST)
