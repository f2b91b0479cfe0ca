"""The stage `backbone` as it is called: reused, reproducible, and refused with the next step."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from pipeline.backbone import main
from tavlad.features.backbone import backbone_digest, load_backbone
from tavlad.store.store import Store
from tests.stages import own_code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    return tmp_path


def run(weights: str, seed: int = 1, network: str = "resnet34") -> Result:
    Path("params.yaml").write_text(f"backbone: {{network: {network}, weights: {weights}, seed: {seed}}}\n")
    return CliRunner().invoke(main, [own_code("backbone"), "data/backbone/backbone.safetensors"])


def test_random_is_made_once_and_is_the_same_in_another_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = project / "data/backbone/backbone.safetensors"
    first = run("random")
    assert first.exit_code == 0, first.output
    assert first.stdout == f"backbone: resnet34 from 'random', digest {backbone_digest(output)[:12]}\n"
    content, inode = output.read_bytes(), output.stat().st_ino
    output.unlink()
    assert run("random").exit_code == 0 and output.stat().st_ino == inode
    monkeypatch.setenv("TAVLAD_STORE", str(project / "other"))
    assert run("random").exit_code == 0
    assert output.stat().st_ino != inode and output.read_bytes() == content
    assert Store.open().size()["backbone"][0] == 1
    output.unlink()
    assert run("random", seed=2).exit_code == 0 and output.read_bytes() != content


def test_another_file_at_the_same_path_is_noticed(project: Path) -> None:
    assert run("random").exit_code == 0
    output = project / "data/backbone/backbone.safetensors"
    digests = []
    for value in (0.0, 1.0):
        state = {name: torch.full_like(tensor, value) for name, tensor in load_backbone(output).tensors.items()}
        torch.save(state, project / "own.pth")
        result = run("own.pth")
        assert result.exit_code == 0, result.output
        digests.append(backbone_digest(output))
    assert len(set(digests)) == 2


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("mobilenet_v3_large", "two linear layers"),
        ("convnext_tiny", "normalises after pooling"),
        ("densenet121", "last ReLU is not part"),
        ("resnet", "'resnet34', 'resnet18'"),
    ],
)
def test_a_network_that_cannot_be_the_backbone_is_refused_with_the_reason(
    project: Path, network: str, reason: str
) -> None:
    result = run("random", network=network)
    assert result.exit_code == 1 and "backbone.network" in result.stderr and reason in result.stderr, result.stderr


def test_a_weights_file_that_is_absent_ends_with_one_and_the_next_step(project: Path) -> None:
    result = run("absent.pth")
    assert result.exit_code == 1
    assert "absent.pth" in result.stderr and "'imagenet', 'random'" in result.stderr
    assert not (project / "data").exists()
