"""One command per stage of dvc.yaml: `python -m pipeline.<stage>`.

Computational imports happen when a stage runs: stage check reads the parameters of all stages, and needs no torch.
"""

import sys
from importlib.util import find_spec

# dvc runs `python` from PATH: report what it lacks before an import fails somewhere deeper
_needed = ("av", "click", "h5py", "numpy", "pydantic", "rich", "safetensors", "sklearn", "torch")
_missing = [name for name in _needed if find_spec(name) is None]
if _missing:
    sys.exit(
        f"{sys.executable} lacks {', '.join(_missing)}.\n"
        "Activate the project's environment (source .venv/bin/activate), or run `make`."
    )
