"""The nodes of a cluster that may work: those with the same code, libraries and processor as this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tavlad import console
from tavlad.cluster.node import described
from tavlad.errors import TavladError

KINDS = ("processor", "GPU")  # differences here only change the rounding of sums
MIXED = "ray.mixed: true lets different kinds share the work; a clip's bytes then depend on its node"
ADVICE = (
    "Install the same releases on every node. Where `precision: auto` differs, name one. `ray status` shows the nodes."
)
LOST = "no usable node is left. Finished work is kept: start the nodes (`ray start`) and run `dvc repro` again."


@dataclass(frozen=True)
class Slice:
    """The CPUs and GPUs that an actor takes, and how many clips it has at a time."""

    cpus: int
    gpus: float
    lanes: int

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many actors fit on a node."""
        counts = [resources.get("CPU", 0) // self.cpus]
        counts += [resources.get("GPU", 0) // self.gpus] if self.gpus else []
        return int(min(counts))


@dataclass(frozen=True)
class Node:
    """A node's display name, and how many actors fit on it."""

    name: str
    actors: int


def accepted(ray: Any, wanted: Slice, module: str, precision: str, mixed: bool) -> dict[str, Node]:
    """The nodes that may work, by id; warns about the others, with the reason.

    Each node is queried by a task that runs there with the code sent to it; TavladError if none is left.
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
            reason = f"it does not have {wanted.cpus} CPUs" + (f" and {wanted.gpus:g} GPUs" if wanted.gpus else "")
        else:
            reason = _answered(ray, asked[node], mine, mixed)
        if reason:
            rows.append((name, reason))
        else:
            found[node] = Node(name, wanted.fits(one["Resources"]))
    if not found:
        raise TavladError("no node of the cluster can be used", rows, ADVICE)
    for name, reason in rows:
        console.warn(f"{name} is not used: {reason}")
    return found


def _answered(ray: Any, question: Any, mine: Mapping[str, str], mixed: bool) -> str:
    try:
        return difference_of(ray.get(question), mine, mixed)
    except ray.exceptions.RayError as error:
        return f"the query for its versions failed: {' '.join(str(error).split())}"


def difference_of(there: Mapping[str, str], mine: Mapping[str, str], mixed: bool) -> str:
    """Why a node described by `there` may not do the work of this machine, described by `mine`; "" if it may."""
    names = [name for name in mine if there.get(name) != mine[name] and not (mixed and name in KINDS)]
    words = "; ".join(f"{name} is {there.get(name, 'missing')} there, {mine[name]} here" for name in names)
    return f"{words}. {MIXED}" if set(names) & {*KINDS} else words


def require_alive(ray: Any, nodes: Mapping[str, Node]) -> None:
    """Raise a TavladError if none of `nodes` is still alive."""
    if not any(one["Alive"] and one["NodeID"] in nodes for one in ray.nodes()):
        raise TavladError(LOST)
