"""True boxes: the table, and where they lie in the crop that the model sees."""

from pathlib import Path

import numpy as np
import pytest

from tavlad.data.boxes import in_crop, read_boxes, take_boxes
from tavlad.errors import TavladError

TABLE = "clip,frame,x0,y0,x1,y1\nA/a,0,1,2,3,4\nB/b,0,5,6,7,8\nA/a,1,10,20,30,40\n"


def test_the_boxes_of_a_clip_come_in_the_order_of_its_frames(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(TABLE)
    boxes = read_boxes(tmp_path / "boxes.csv")
    assert {clip: box.tolist() for clip, box in boxes.items()} == {
        "A/a": [[1, 2, 3, 4], [10, 20, 30, 40]],
        "B/b": [[5, 6, 7, 8]],
    }


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "header"),
        ("clip,x0,y0\n", 1, "header"),
        (TABLE + "A/a,3,1,2,3,4\n", 5, "is not frame 2 of A/a"),
        (TABLE + "A/a,2,1,2,3\n", 5, "four corners"),
        (TABLE + "A/a,2,1,2,3,x\n", 5, "five whole numbers"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, reason: str) -> None:
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(TavladError) as error:
        read_boxes(tmp_path / "boxes.csv")
    assert f"line {line}: " in str(error.value) and reason in str(error.value)


def test_a_data_set_without_boxes_gets_an_empty_table(tmp_path: Path) -> None:
    take_boxes(tmp_path, tmp_path / "out.csv", {})
    assert read_boxes(tmp_path / "out.csv") == {}
    (tmp_path / "boxes.csv").write_text(TABLE)
    take_boxes(tmp_path, tmp_path / "out.csv", {})
    assert (tmp_path / "out.csv").read_text() == TABLE


def test_a_reversal_has_the_rows_of_its_original(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(TABLE)
    take_boxes(tmp_path, tmp_path / "out.csv", {"A (reversed)/a": "A/a", "C (reversed)/c": "C/c"})
    boxes = read_boxes(tmp_path / "out.csv")
    assert sorted(boxes) == ["A (reversed)/a", "A/a", "B/b"]
    assert boxes["A (reversed)/a"].tolist() == boxes["A/a"].tolist()
    # decoding says which frames of the file a reversal shows, from the last to the first
    upright = {"width": 80, "height": 80, "rotation": 0}
    there, back = ({**upright, "indices": order} for order in ([0, 1], [1, 0]))
    assert np.array_equal(
        in_crop(boxes["A (reversed)/a"], back, 80, 80, 80), in_crop(boxes["A/a"], there, 80, 80, 80)[::-1]
    )


def painted(height: int, width: int, box: list[int]) -> np.ndarray:
    image = np.zeros((height, width))
    image[box[1] : box[3], box[0] : box[2]] = 1
    return image


@pytest.mark.parametrize("box", [[0, 0, 8, 8], [100, 60, 180, 100], [300, 200, 320, 240], [0, 0, 320, 240]])
def test_a_box_in_the_crop_is_where_its_painted_pixels_come_to_lie(box: list[int]) -> None:
    """320x240 video, stored at 160x120, crop 80: painted, scaled by picking, cropped."""
    small = painted(240, 320, box)[::2, ::2][20:100, 40:120]
    rows, columns = np.nonzero(small)
    facts = {"indices": [0], "width": 320, "height": 240, "rotation": 0}
    (found,) = in_crop(np.array([box]), facts, 120, 160, 80)
    if len(rows):
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found.tolist() == pytest.approx([value / 80 for value in expected])
    else:
        assert (found[2] - found[0]) * (found[3] - found[1]) == 0


def test_boxes_of_a_turned_video_are_those_of_the_upright_picture() -> None:
    facts = {"indices": [1], "width": 320, "height": 240, "rotation": 90}  # upright: 240 wide, 320 high
    (found,) = in_crop(np.array([[0, 0, 0, 0], [60, 100, 180, 220]]), facts, 160, 120, 120)
    assert found.tolist() == pytest.approx([30 / 120, 30 / 120, 90 / 120, 90 / 120])
