"""The engine `ray`: actors on the nodes of a cluster make a stage's files, one job at a time; only the driver writes.

A job is a clip, or the segments of a file. Ray places the actors, and restarts those that die, on another node if
theirs is lost; their jobs are then sent again. This module only decides how many jobs are in flight.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any

from tavlad import console
from tavlad.cluster.node import Contents, Filled, Filler, Hand, inputs_of, moved
from tavlad.cluster.nodes import LOST, Node, Slice, accepted, require_alive
from tavlad.cluster.rates import Rates
from tavlad.cluster.session import Cluster, connected
from tavlad.errors import TavladError
from tavlad.store.making import Place

Item = tuple[Place, Any]  # where to write a clip's file, and what to make it from
MOST = 64  # clips of a job: their files are in memory at a time
AGAIN = 2  # retries of a job after the actor that had it died and was restarted
LARGEST = 2 << 30  # bytes of the largest input that is sent to a node without access to it
PATIENCE = 20.0  # seconds without results, after which the driver checks that nodes are alive


def spread(
    make: Any, opener: type[Filler], cluster: Cluster, wanted: Slice, precision: str = ""
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
            for items, filled in _flow(ray, crew, _jobs(places, opener), nodes):
                rates.add(filled.node, len(items))
                for (place, _), content, reason in zip(items, filled.contents, filled.reasons, strict=True):
                    if not reason:
                        place.path.write_bytes(content)
                    yield replace(place, how=filled.how), reason
        rates.show()

    return made_elsewhere


def _jobs(places: Iterable[Item], opener: type[Filler]) -> Iterator[list[Item]]:
    for _, group in groupby(places, lambda item: opener.job_of(item[1])):
        while items := list(islice(group, MOST)):
            yield items


class _Member:
    """The driver's view of an actor: how many more jobs it takes, and whether it can read this machine's files."""

    def __init__(self, actor: Any, lanes: int):
        self.actor, self.lanes, self.free, self.sees = actor, lanes, 0, True

    def ready(self) -> Any:
        """A Ray future that completes when the actor has loaded everything; called again after each restart."""
        return self.actor.ready.remote()

    def give(self, items: Sequence[Item]) -> Any:
        """A Ray future of `Filled`; the input is sent with the call if the actor is known to need it."""
        one = items[0][1]
        whole = {name: given.path.absolute() for name, given in inputs_of(one).items()}
        run = self.actor.run.options(max_task_retries=0)  # or a clip that crashes its process would be retried forever
        job = [(place.key, moved(each, whole)) for place, each in items]
        return run.remote(job, None if self.sees else _sent(one))

    def is_idle(self) -> bool:
        """Whether it has no jobs, and has started."""
        return self.free == self.lanes


@dataclass
class _InFlight:
    """A job in flight, and how many actors died with it; `waits` while its actor is being restarted."""

    items: list[Item]
    ended: int = 0
    waits: bool = False


def _flow(
    ray: Any, crew: list[_Member], source: Iterator[list[Item]], nodes: dict[str, Node]
) -> Iterator[tuple[list[Item], Filled]]:
    """Yield each job with its result, as they finish; `source` is only consumed as actors become free."""
    jobs, told = 0, False
    pending: dict[Any, tuple[_Member, _InFlight | None]] = {one.ready(): (one, None) for one in crew}
    while pending:
        news, _ = ray.wait([*pending], timeout=PATIENCE)
        if not news:
            require_alive(ray, nodes)
            if not jobs and not told:
                console.warn("no process has started yet; `ray status` shows who has the CPUs")
                told = True
            continue
        member, job = pending.pop(news[0])
        filled = None
        if job is None:
            member.free = _started(ray, news[0], member.lanes)
        else:
            filled = _outcome(ray, news[0], member, job)
            if filled is None:
                pending[member.ready() if job.waits else member.give(job.items)] = member, job
                continue
            member.free, jobs = member.free + 1, jobs - 1
        for items in islice(source, member.free):  # before the finished job is written
            pending[member.give(items)] = member, _InFlight(items)
            member.free, jobs = member.free - 1, jobs + 1
        if member.is_idle():
            ray.kill(member.actor)  # nothing left to do: free its CPUs for an actor whose node died
        if job and filled:
            yield job.items, filled
        if not jobs and member.is_idle():
            return
    if next(source, None):
        raise TavladError(LOST)


def _started(ray: Any, promise: Any, lanes: int) -> int:
    """How many jobs an actor takes: none if it could not start, with a warning saying why."""
    try:
        ray.get(promise)
    except ray.exceptions.RayError as error:
        console.warn(f"a Ray process could not start: {_words(error)}")
        return 0
    return lanes


def _outcome(ray: Any, promise: Any, member: _Member, job: _InFlight) -> Filled | None:
    """The result of a job; None to send it to `member` again, after its restart if `job.waits`."""
    try:
        filled: Filled | None = ray.get(promise)
    except ray.exceptions.RayTaskError:  # a bug or a GPU failure, as if raised here
        raise
    except ray.exceptions.ActorDiedError as error:  # permanently: its restart failed
        return _failed(job, f"its process cannot be restarted: {_words(error)}")
    except ray.exceptions.RayError as error:
        job.ended, job.waits = job.ended + 1, True
        reason = f"{console.quantity(job.ended, 'process', 'processes')} died while making this clip: {_words(error)}"
        return _failed(job, reason) if job.ended > AGAIN else None
    if job.waits:
        job.waits = False
        return None
    if filled and not filled.seen:
        member.sees = False
        reason = _unsent(job.items[0][1])
        return _failed(job, reason) if reason else None
    return filled


def _failed(job: _InFlight, reason: str) -> Filled:
    return Filled([b""] * len(job.items), [reason] * len(job.items))


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _sent(one: Any) -> Contents | None:
    """The bytes of a clip's inputs; None if they cannot be sent, for the reason that `_unsent` gives."""
    if _unsent(one):
        return None
    return {name: given.path.read_bytes() for name, given in inputs_of(one).items()}


def _unsent(one: Any) -> str:
    """Why the inputs of a clip cannot be sent to a node without access to them; "" if they can."""
    for given in inputs_of(one).values():
        try:
            size = given.path.stat().st_size
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if size > LARGEST:
            words = f"a node cannot read {given.path}, and {size / 1e9:.1f} GB are too much to send"
            return f"{words}: share its folder with the nodes"
    return ""
