"""A whole copy of the project on tiny clips, to run DVC in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

TINY = {
    "frames": 4,
    "short_side": 64,
    "crop": 64,
    "clusters": 4,
    "hidden": 8,
    "precision": "float32",
    "demo": {"groups": 3, "clips": 1},
    "codebook": {"descriptors": 500, "iterations": 10},
    "stage1": {"epochs": 3, "batch": 8},
    "stage2": {"epochs": 2, "batch": 8, "micro_batch": 4},
}


class Project:
    """A copy of this project in a git repository of its own, with its own work store."""

    def __init__(self, folder: Path):
        self.folder, self.network_log = folder, folder.with_name("network.log")
        python = Path(sys.executable).parent  # the environment of the tests, for `dvc` and for `python` in its stages
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("TAVLAD_STORE", "DVC_ROOT")},
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "tests" / "offline"),
            "NETWORK_LOG": str(self.network_log),
        }
        names = self._git(["ls-files", "-coz", "--exclude-standard"], ROOT).split("\0")
        for name in filter(None, names):
            if (ROOT / name).exists() and name not in ("dvc.lock", "data/metrics.json"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        self.edit(TINY)
        self._git(["init", "-q"], folder)
        self.commit("copy")

    def edit(self, changes: dict) -> None:
        """Change params.yaml; a dictionary changes the keys of a section."""
        yaml, path = YAML(), self.folder / "params.yaml"
        document = yaml.load(path)
        for key, value in changes.items():
            document[key].update(value) if isinstance(value, dict) else document.update({key: value})
        yaml.dump(document, path)

    def keep_one_split(self) -> None:
        """Leave split2 and split3 out of dvc.yaml: the three are alike, and one takes a third of the time."""
        dag = self.folder / "dvc.yaml"
        dag.write_text(dag.read_text().replace("[split1, split2, split3]", "[split1]", 1))

    def commit(self, message: str) -> None:
        self._git(["add", "-A"], self.folder)
        self._git(["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message], self.folder)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy; its output is in the error of a failure."""
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, to be killed with all its children."""
        with open(self.folder / "killed.log", "a") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    @staticmethod
    def _git(arguments: list[str], folder: Path) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
