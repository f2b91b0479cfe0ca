"""The engine `ray`: a maker's clips are made by actors on the nodes of a cluster; the driver alone writes.

Ray places the actors, and restarts those that die, elsewhere if their node did; then they are given what was lost with
them. Here is only how many clips are on their way.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tavlad import console
from tavlad.cluster.node import Contents, Filled, Filler, Hand, inputs_of, moved
from tavlad.cluster.nodes import LOST, Node, Slice, accepted, require_alive
from tavlad.cluster.rates import Rates
from tavlad.cluster.session import Cluster, connected
from tavlad.errors import TavladError
from tavlad.store.making import Place

Item = tuple[Place, Any]  # where a clip's file goes, and what it is made from
Opener = Callable[[Any, Any], Filler]
AGAIN = 2  # times that a clip is given again to an actor that ended with it, and was restarted
LARGEST = 2 << 30  # bytes of an input that are sent to a node which does not see it
PATIENCE = 20.0  # seconds without news, after which the driver looks whether there still are nodes


def spread(
    make: Any, opener: Opener, cluster: Cluster, wanted: Slice, precision: str = ""
) -> Callable[[Any, Iterator[Item], Any], Iterator[tuple[Place, str]]]:
    """`make`, a maker of many, on the nodes of `cluster`: each actor is an `opener(arguments, speed)`, opened once.

    The nodes resolve `precision`, a parameter; "" where no network runs.
    """

    @functools.wraps(make)
    def made_elsewhere(arguments: Any, places: Iterator[Item], speed: Any) -> Iterator[tuple[Place, str]]:
        with connected(cluster, wanted.cpus, inputs_of(arguments)) as ray:
            nodes = accepted(ray, wanted, make.__module__, precision, cluster.mixed)
            options = ray.remote(Hand).options(
                num_cpus=wanted.cpus,
                num_gpus=wanted.gpus,
                max_concurrency=wanted.lanes,
                max_restarts=-1,
                max_task_retries=-1,
                label_selector={"ray.io/node-id": f"in({','.join(nodes)})"},
            )
            crew = [
                _Member(options.remote(opener, arguments, speed), wanted.lanes)
                for _ in range(sum(node.actors for node in nodes.values()))
            ]
            rates = Rates({one: node.name for one, node in nodes.items()})
            for place, filled in _flow(ray, crew, places, nodes):
                if not filled.reason:
                    place.path.write_bytes(filled.content)
                rates.add(filled.node)
                yield replace(place, how=filled.how), filled.reason
        rates.show()

    return made_elsewhere


class _Member:
    """The driver's side of an actor: how many more clips it takes, and whether it sees the files of this machine."""

    def __init__(self, actor: Any, lanes: int):
        self.actor, self.lanes, self.free, self.sees = actor, lanes, 0, True

    def ready(self) -> Any:
        """A promise that holds once all is loaded; Ray asks again after each restart."""
        return self.actor.ready.remote()

    def give(self, place: Place, one: Any) -> Any:
        """A promise of `Filled`; the input goes with the call where this is known to be necessary."""
        whole = moved(one, {name: given.path.absolute() for name, given in inputs_of(one).items()})
        run = self.actor.run.options(max_task_retries=0)  # or a clip that ends its process would do so for ever
        return run.remote(whole, place.key, None if self.sees else _sent(one))

    def is_idle(self) -> bool:
        """Whether it has no clip, and could have one."""
        return self.free == self.lanes


@dataclass
class _Clip:
    """A clip on its way, and how many actors ended that had it; `waits` for one that is restarted."""

    item: Item
    ended: int = 0
    waits: bool = False


def _flow(
    ray: Any, crew: list[_Member], places: Iterable[Item], nodes: dict[str, Node]
) -> Iterator[tuple[Place, Filled]]:
    """Each place with what became of it, as they come; `places` are read only as actors become free."""
    source, clips = iter(places), 0
    pending: dict[Any, tuple[_Member, _Clip | None]] = {one.ready(): (one, None) for one in crew}
    while pending:
        news, _ = ray.wait([*pending], timeout=PATIENCE)
        if not news:
            require_alive(ray, nodes)
            if not clips:
                console.warn("no process has started yet; `ray status` shows who has the CPUs")
            continue
        member, clip = pending.pop(news[0])
        filled = None
        if clip is None:
            member.free = _started(ray, news[0], member.lanes)
        else:
            filled = _outcome(ray, news[0], member, clip)
            if filled is None:
                pending[member.ready() if clip.waits else member.give(*clip.item)] = member, clip
                continue
            member.free, clips = member.free + 1, clips - 1
        for item in islice(source, member.free):  # before this one is written
            pending[member.give(*item)] = member, _Clip(item)
            member.free, clips = member.free - 1, clips + 1
        if member.is_idle():
            ray.kill(member.actor)  # nothing is left to do: its room is for one whose node died
        if clip and filled:
            yield clip.item[0], filled
        if not clips and member.is_idle():
            return
    if next(source, None):
        raise TavladError(LOST)


def _started(ray: Any, promise: Any, lanes: int) -> int:
    """How many clips an actor takes: none if it could not start, of which a warning says why."""
    try:
        ray.get(promise)
    except ray.exceptions.RayError as error:
        console.warn(f"a process of Ray could not start: {_words(error)}")
        return 0
    return lanes


def _outcome(ray: Any, promise: Any, member: _Member, clip: _Clip) -> Filled | None:
    """What became of a clip; None if it is to be given to `member` again, perhaps after a wait, as `clip` then says."""
    try:
        filled: Filled | None = ray.get(promise)
    except ray.exceptions.RayTaskError:  # an error of the program, or of a GPU, as if it had been raised here
        raise
    except ray.exceptions.ActorDiedError as error:  # for good: its restart failed
        return Filled(b"", f"its process cannot be restarted: {_words(error)}", "", {})
    except ray.exceptions.RayError as error:
        clip.ended, clip.waits = clip.ended + 1, True
        reason = f"{clip.ended} processes ended that had this clip: {_words(error)}"
        return Filled(b"", reason, "", {}) if clip.ended > AGAIN else None
    if clip.waits:
        clip.waits = False
        return None
    if filled and not filled.seen:
        member.sees = False
        return _unsent(clip.item[1])
    return filled


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _sent(one: Any) -> Contents | None:
    """The bytes of a clip's inputs; None where they cannot be sent, of which `_unsent` says why."""
    if _unsent(one):
        return None
    return {name: given.path.read_bytes() for name, given in inputs_of(one).items()}


def _unsent(one: Any) -> Filled | None:
    """Why the inputs of a clip cannot be sent to a node that does not see them; None if they can."""
    for given in inputs_of(one).values():
        try:
            size = given.path.stat().st_size
        except OSError as error:
            return Filled(b"", f"cannot be read: {error.strerror}", "", {})
        if size > LARGEST:
            words = f"a node does not see {given.path}, and {size / 1e9:.1f} GB are not sent"
            return Filled(b"", f"{words}: share its folder with the nodes", "", {})
    return None
