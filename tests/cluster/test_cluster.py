"""Clips made on the nodes of a real cluster of Ray, two of them on this machine: the bytes are those of a local run."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tavlad.cluster import driver
from tavlad.cluster.driver import spread
from tavlad.cluster.nodes import Slice
from tavlad.cluster.session import ALONE, QUIET, Cluster
from tavlad.features import cache, extraction
from tavlad.features.backbone import backbone_digest, write_backbone
from tavlad.features.weights import random_weights
from tavlad.store.inputs import Input
from tavlad.store.making import Place, Result, made_all
from tavlad.store.recipes import file_digest
from tavlad.store.store import Store
from tavlad.video import decode
from tavlad.video.decode import Decoder, Limits, Sampling, Video
from tavlad.video.frames import read_frames_recipe
from tavlad.video.timing import Span
from tests.cluster.openers import Blind, Hostile
from tests.pipeline.test_decode import film

ray = pytest.importorskip("ray", reason="engine: ray is an extra: pip install -e '.[cluster]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
SAMPLING, LIMITS = Sampling(4, 64, 95), Limits(1, 60, 500)
CLIPS = [f"class {number % 2}/clip {number}" for number in range(8)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with one CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**QUIET, **ALONE, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)  # read from ALONE when ray is imported
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE)
        cluster.add_node(**NODE)
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Video]:
    folder, found = tmp_path_factory.mktemp("videos"), {}
    for number, clip in enumerate(CLIPS):
        film(folder / f"{clip}.avi", 20 + number, 10 * number)
        found[clip] = Video(clip, Input(folder / f"{clip}.avi", file_digest(folder / f"{clip}.avi")))
    return found


@pytest.fixture
def on_ray(nodes: Any) -> Callable[..., Any]:
    """The engine `ray` on the two nodes, for an opener."""
    return partial(spread, cluster=Cluster(nodes.address, mixed=False), wanted=Slice(1, 0, 1))


def decoded(
    store: Path, videos: dict[str, Video], engine: Callable[[Any], Any] = lambda make: make
) -> Iterator[Result]:
    make = engine(decode.make_frames)
    return made_all(Store(store), "decode", make, SAMPLING, videos, LIMITS, read_frames_recipe)


def contents(results: Iterator[Result]) -> dict[str, bytes | str]:
    """What became of each clip: its file's bytes, or the reason."""
    return {one.name: one.path.read_bytes() if one.path else one.reason for one in results}


@pytest.fixture(scope="module")
def local(videos: dict[str, Video], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | str]:
    """What a local run makes of the videos."""
    return contents(decoded(tmp_path_factory.mktemp("local"), videos))


def hands() -> list[psutil.Process]:
    """The actors that are alive on this machine."""
    found = [
        one for one in psutil.process_iter(["name", "cmdline"]) if "ray::Hand" in " ".join(one.info["cmdline"] or ())
    ]
    return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]


def test_frames_have_the_bytes_of_a_local_run_and_mix_with_them(nodes, on_ray, videos, local, tmp_path, capsys) -> None:
    """A node with another release of a library is refused by name."""
    other = tmp_path / "other" / "av-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: av\nVersion: 99.0\n")
    node = nodes.add_node(**NODE, env_vars={"PYTHONPATH": f"{other.parent}{os.pathsep}{ROOT}"})
    some, store = {clip: videos[clip] for clip in CLIPS[:2]}, tmp_path / "store"
    try:
        assert all(one.new for one in decoded(store, some))
        results = list(decoded(store, videos, partial(on_ray, opener=Decoder)))
    finally:
        nodes.remove_node(node)
    assert {one.name for one in results if one.new} == set(CLIPS[2:]) and contents(iter(results)) == local
    output = capsys.readouterr()
    assert f"node {node.node_id[:8]}) is not used: av is 99.0 there, " in output.err
    lines = output.out.splitlines()
    assert 1 <= len(lines) <= 2 and all("clips/s" in line and "127.0.0.1" in line for line in lines)  # one for a node
    assert node.node_id[:8] not in output.out
    notes = [path.read_text() for path in (store / "notes" / "decode").rglob("*.json")]
    assert sum('"engine": "ray"' in note for note in notes) == 6
    assert not any(one.new for one in decoded(store, videos))  # the keys are those of a local run


def test_what_a_node_does_not_see_is_sent_and_few_clips_are_on_their_way(
    on_ray, videos, local, tmp_path, monkeypatch
) -> None:
    large = tmp_path / "large.avi"
    large.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(driver, "LARGEST", large.stat().st_size - 1)
    make, taken, given = on_ray(decode.make_frames, opener=Blind), [], []

    def watched(arguments: Any, places: Iterator[tuple[Place, Any]], speed: Any) -> Iterator[tuple[Place, str]]:
        def counted() -> Iterator[tuple[Place, Any]]:
            for item in places:
                taken.append(item)
                assert len(taken) - len(given) <= 4  # two actors with one clip each, one written, one looked ahead
                yield item

        for result in make(arguments, counted(), speed):
            given.append(result)
            yield result

    watched.__module__ = decode.__name__
    mixed = {**videos, "large": Video("large", Input(large, file_digest(large)))}
    found = contents(decoded(tmp_path / "store", mixed, lambda _: watched))
    assert f"a node cannot read {large}, and 0.0 GB are too much to send: share its folder" in found.pop("large")
    assert found == local


def test_segments_of_a_file_are_one_job(on_ray, videos, tmp_path) -> None:
    file, other = videos[CLIPS[0]].file, videos[CLIPS[1]].file
    spans = [Span(80 * number, 80 * number + 120) for number in range(6)]  # those at the end overlap what is there
    cut = {f"cut {number}": Video(f"cut {number}", file, span) for number, span in enumerate(spans)}
    cut |= {"beyond": Video("beyond", file, Span(10**6, 10**6 + 1)), "other": Video("other", other, Span(0, 200))}
    there = contents(decoded(tmp_path / "local", cut))
    assert sum(isinstance(one, bytes) for one in there.values()) == 7 and "beyond the end" in str(there["beyond"])
    assert contents(decoded(tmp_path / "ray", cut, partial(on_ray, opener=Decoder))) == there
    items = [(place, video) for place, video in enumerate(cut.values())]
    assert [len(job) for job in driver._jobs(items, Decoder)] == [7, 1]


def test_maps_have_the_bytes_of_a_local_run(nodes, videos, tmp_path) -> None:
    write_backbone(tmp_path / "b.safetensors", random_weights("resnet18", 1, 255 * torch.rand(4, 3, 64, 64)), "random")
    backbone = Input(tmp_path / "b.safetensors", backbone_digest(tmp_path / "b.safetensors"))
    wanted = extraction.Extraction(backbone, "relu", "float32", True, 2, 1, 64)
    passes = extraction.Passes(torch.device("cpu"), 5, 2)
    frames = {one.name: one.path for one in decoded(tmp_path / "decoded", videos)}
    each = {clip: extraction.Frames(clip, Input(path, read_frames_recipe(path))) for clip, path in frames.items()}
    engine = partial(
        spread,
        opener=extraction.Extractor,
        cluster=Cluster(nodes.address, mixed=False),
        wanted=Slice(1, 0, 2),
        precision="float32",
    )
    made = {}
    for name, make in {"local": extraction.make_maps, "ray": engine(extraction.make_maps)}.items():
        store = Store(tmp_path / name)
        made[name] = contents(made_all(store, "extract", make, wanted, each, passes, cache.read_maps_recipe))
    assert made["ray"] == made["local"] and all(isinstance(one, bytes) for one in made["ray"].values())


def test_killed_actors_and_a_killed_node_cost_nothing_but_time(nodes, on_ray, videos, local, tmp_path) -> None:
    node = nodes.add_node(**NODE)
    results = decoded(tmp_path, videos, partial(on_ray, opener=Decoder))
    first = [next(results)]
    for actor in hands():
        actor.kill()
    first.append(next(results))
    nodes.remove_node(node, allow_graceful=False)
    assert contents(iter([*first, *results])) == local


def test_a_hostile_clip_is_its_own_failure_and_is_not_tried_for_ever(
    on_ray, videos, local, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(driver, "AGAIN", 1)
    good = videos[CLIPS[0]].file
    crash = good.path.with_name("crash.avi")
    crash.write_bytes(good.path.read_bytes())
    named = {"crash": Input(crash, good.digest), "fatal": good, "where": good}
    mixed = {**videos, **{name: Video(name, file) for name, file in named.items()}}
    found = contents(decoded(tmp_path, mixed, partial(on_ray, opener=Hostile)))
    assert found.pop("crash") == "the decoder crashed (signal 11)"
    assert str(found.pop("fatal")).startswith("2 processes died while making this clip: ")
    code, _, folder = str(found.pop("where")).partition(" ")
    assert code == f"{folder}/tavlad/__init__.py" and not Path(code).is_relative_to(
        ROOT
    )  # the driver's, as it was sent
    assert found == local


def test_no_actor_outlives_a_run_that_is_given_up(on_ray, videos, tmp_path) -> None:
    results = decoded(tmp_path, videos, partial(on_ray, opener=Decoder))
    next(results)
    assert hands()
    results.close()  # as when Ctrl-C is pressed
    psutil.wait_procs(hands(), timeout=30)
    assert not hands() and not ray.is_initialized()


def test_an_address_where_nothing_is(videos, tmp_path) -> None:
    engine = partial(spread, opener=Decoder, cluster=Cluster("127.0.0.1:1", mixed=False), wanted=Slice(1, 0, 1))
    with pytest.raises(driver.TavladError, match=r"cannot reach Ray at '127\.0\.0\.1:1'"):
        list(decoded(tmp_path, videos, engine))
