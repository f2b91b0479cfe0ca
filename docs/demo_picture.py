"""Draw docs/demo.png: what the demo's actions look like to the decoder. Run after `dvc repro`, beside dvc.yaml."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tavlad.demo.generator import CLASSES
from tavlad.video.frames import read_frames_file


def main() -> None:
    """One row a class: the stored frames of its clip of group 4, in the order of time."""
    figure = Figure(figsize=(12, 4.4))
    for axes, name in zip(figure.subplots(len(CLASSES) // 2, 2).flat, CLASSES, strict=True):
        frames = read_frames_file(Path(f"data/frames/{name}/v_{name}_g04_c01.h5"))
        axes.imshow(np.concatenate(frames, axis=1))
        axes.set_title(name, fontsize=10, loc="left")
        axes.axis("off")
    figure.tight_layout(pad=0.5)
    figure.savefig("docs/demo.png", dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    main()
