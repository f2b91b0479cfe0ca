"""Overlap of reading, computing and writing: threads read ahead and write behind while the calling thread computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

BAD_INPUT = (ValueError, KeyError)  # a damaged file, a frame too small; not errors of the disk or the GPU

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


def overlap(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
    threads: int,
) -> Iterator[tuple[Item, "Future[None]"]]:
    """Yield each item, in order, with the finished future of `write(item, compute(item, read(item)))`.

    `threads` threads read ahead, `compute` runs in the calling thread, and `threads` others write. At most
    `threads` + 1 items wait to be computed, and as many to be written.
    """
    source = iter(items)
    reading, writing = ThreadPoolExecutor(threads, "read"), ThreadPoolExecutor(threads, "write")
    behind: deque[tuple[Item, Future[None]]] = deque()
    try:
        ahead = deque((item, reading.submit(read, item)) for item in islice(source, threads + 1))
        while ahead:
            item, frames = ahead.popleft()
            behind.append((item, _computed(item, frames, compute, write, writing)))
            ahead.extend((one, reading.submit(read, one)) for one in islice(source, 1))
            if len(behind) > threads + 1:
                yield _settled(*behind.popleft())
        for pair in behind:
            yield _settled(*pair)
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown()


def _computed(
    item: Item,
    pending: "Future[Read]",
    compute: Callable[[Item, Read], Result],
    write: Callable[[Item, Result], None],
    writing: ThreadPoolExecutor,
) -> "Future[None]":
    """The future of writing `item`; bad input found in reading or computing becomes its exception."""
    try:
        return writing.submit(write, item, compute(item, pending.result()))
    except BAD_INPUT as error:
        failed: Future[None] = Future()
        failed.set_exception(error)
        return failed


def _settled(item: Item, future: "Future[None]") -> tuple[Item, "Future[None]"]:
    future.exception()  # waits
    return item, future
