"""The orders of its frames in which a held-out clip is scored, to see what a model makes of their order."""

from tavlad.store.inputs import rng_for

SEED = 1  # of the shuffled order: the same for both stages, and for everyone who compares
SCORED = {  # by order: the name of the file of its predictions, without what tells the stage
    "filmed": "predictions",
    "reversed": "predictions_reversed",
    "shuffled": "predictions_shuffled",
}


def other_orders(clip: str, frames: int) -> list[list[int]]:
    """The frames 0..T-1 of a clip reversed, and shuffled by a draw that depends on the clip's id and on T alone."""
    return [list(range(frames))[::-1], rng_for(SEED, clip, 0).permutation(frames).tolist()]
