"""The frame orders in which a held-out clip is scored, to see how much a model depends on order."""

from tavlad.store.inputs import rng_for

SEED = 1  # of the shuffled order: the same for both stages and all experiments
SCORED = {  # order -> the name of its predictions file, without the stage's suffix
    "filmed": "predictions",
    "reversed": "predictions_reversed",
    "shuffled": "predictions_shuffled",
}


def other_orders(clip: str, frames: int) -> list[list[int]]:
    """The frames 0..T-1 of a clip reversed, and shuffled, by a draw that depends only on the clip's id and on T."""
    return [list(range(frames))[::-1], rng_for(SEED, clip, 0).permutation(frames).tolist()]
