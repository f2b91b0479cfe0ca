"""The engine `ray`: actors on the nodes of a cluster make a stage's files, one clip at a time; only the driver writes.

Ray places the actors, and restarts those that die, on another node if theirs is lost; their clips are then sent again.
This module only decides how many clips are in flight.
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

Item = tuple[Place, Any]  # where to write a clip's file, and what to make it from
Opener = Callable[[Any, Any], Filler]
AGAIN = 2  # retries of a clip after the actor that had it died and was restarted
LARGEST = 2 << 30  # bytes of the largest input that is sent to a node without access to it
PATIENCE = 20.0  # seconds without results, after which the driver checks that nodes are alive


def spread(
    make: Any, opener: Opener, cluster: Cluster, wanted: Slice, precision: str = ""
) -> Callable[[Any, Iterator[Item], Any], Iterator[tuple[Place, str]]]:
    """`make`, a maker of many, run on the nodes of `cluster`; each actor calls `opener(arguments, speed)` once.

    The nodes resolve `precision`, a parameter; "" if no network runs.
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
    """The driver's view of an actor: how many more clips it takes, and whether it can read this machine's files."""

    def __init__(self, actor: Any, lanes: int):
        self.actor, self.lanes, self.free, self.sees = actor, lanes, 0, True

    def ready(self) -> Any:
        """A Ray future that completes when the actor has loaded everything; called again after each restart."""
        return self.actor.ready.remote()

    def give(self, place: Place, one: Any) -> Any:
        """A Ray future of `Filled`; the input is sent with the call if the actor is known to need it."""
        whole = moved(one, {name: given.path.absolute() for name, given in inputs_of(one).items()})
        run = self.actor.run.options(max_task_retries=0)  # or a clip that crashes its process would be retried forever
        return run.remote(whole, place.key, None if self.sees else _sent(one))

    def is_idle(self) -> bool:
        """Whether it has no clips, and has started."""
        return self.free == self.lanes


@dataclass
class _Clip:
    """A clip in flight, and how many actors died with it; `waits` while its actor is being restarted."""

    item: Item
    ended: int = 0
    waits: bool = False


def _flow(
    ray: Any, crew: list[_Member], places: Iterable[Item], nodes: dict[str, Node]
) -> Iterator[tuple[Place, Filled]]:
    """Yield each place with its result, as they finish; `places` is only consumed as actors become free."""
    source, clips, told = iter(places), 0, False
    pending: dict[Any, tuple[_Member, _Clip | None]] = {one.ready(): (one, None) for one in crew}
    while pending:
        news, _ = ray.wait([*pending], timeout=PATIENCE)
        if not news:
            require_alive(ray, nodes)
            if not clips and not told:
                console.warn("no process has started yet; `ray status` shows who has the CPUs")
                told = True
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
        for item in islice(source, member.free):  # before the finished clip is written
            pending[member.give(*item)] = member, _Clip(item)
            member.free, clips = member.free - 1, clips + 1
        if member.is_idle():
            ray.kill(member.actor)  # nothing left to do: free its CPUs for an actor whose node died
        if clip and filled:
            yield clip.item[0], filled
        if not clips and member.is_idle():
            return
    if next(source, None):
        raise TavladError(LOST)


def _started(ray: Any, promise: Any, lanes: int) -> int:
    """How many clips an actor takes: none if it could not start, with a warning saying why."""
    try:
        ray.get(promise)
    except ray.exceptions.RayError as error:
        console.warn(f"a Ray process could not start: {_words(error)}")
        return 0
    return lanes


def _outcome(ray: Any, promise: Any, member: _Member, clip: _Clip) -> Filled | None:
    """The result of a clip; None to send it to `member` again, after its restart if `clip.waits`."""
    try:
        filled: Filled | None = ray.get(promise)
    except ray.exceptions.RayTaskError:  # a bug or a GPU failure, as if raised here
        raise
    except ray.exceptions.ActorDiedError as error:  # permanently: its restart failed
        return Filled(b"", f"its process cannot be restarted: {_words(error)}", "", {})
    except ray.exceptions.RayError as error:
        clip.ended, clip.waits = clip.ended + 1, True
        reason = f"{clip.ended} processes died while making this clip: {_words(error)}"
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
    """The bytes of a clip's inputs; None if they cannot be sent, for the reason that `_unsent` gives."""
    if _unsent(one):
        return None
    return {name: given.path.read_bytes() for name, given in inputs_of(one).items()}


def _unsent(one: Any) -> Filled | None:
    """Why the inputs of a clip cannot be sent to a node without access to them; None if they can."""
    for given in inputs_of(one).values():
        try:
            size = given.path.stat().st_size
        except OSError as error:
            return Filled(b"", f"cannot be read: {error.strerror}", "", {})
        if size > LARGEST:
            words = f"a node cannot read {given.path}, and {size / 1e9:.1f} GB are too much to send"
            return Filled(b"", f"{words}: share its folder with the nodes", "", {})
    return None
