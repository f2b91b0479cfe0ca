"""Motion JPEG as cameras write it: EXIF in each picture is passed over, and whichever way up it was held is obeyed."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from tavlad.video.reader import read_clip, read_frames
from tavlad.video.stream import stream_frames
from tests.video.painted import picture

ORIENTATION, MAKER = 0x0112, 0x010F
FRAMES = 5
UPRIGHT = {  # what a viewer does with a picture of that EXIF orientation; 0: the EXIF says nothing of it
    0: lambda x: x,
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
    8: lambda x: np.rot90(x, 1),
}


def jpeg(number: int, orientation: int | None) -> bytes:
    """A picture that is not the same when mirrored, with EXIF unless `orientation` is None."""
    pixels = picture(number).copy()
    pixels[:10, :10] = (220, 60, 60)
    exif = Image.Exif()
    if orientation is not None:
        exif[MAKER] = "Maker"
    if orientation:
        exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def camera(path: Path, orientation: int | None, degrees: int = 0, mirrored: bool = False) -> Path:
    """A video of JPEGs as they are; `degrees` and `mirrored` are of the container's display matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=15)
        stream.width, stream.height, stream.pix_fmt = 72, 48, "yuvj420p"
        if degrees or mirrored:
            stream.set_display_rotation(degrees, hflip=mirrored)
        for number in range(FRAMES):
            packet = av.Packet(jpeg(number, orientation))
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 15), True
            packet.pts = packet.dts = number
            container.mux(packet)
    return path


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_is_passed_over_but_for_the_orientation(tmp_path, orientation):
    plain, path = camera(tmp_path / "plain.avi", None), camera(tmp_path / "camera.avi", orientation)
    assert b"Maker" in path.read_bytes() and b"Maker" not in plain.read_bytes()
    expected = np.stack([UPRIGHT[orientation](frame) for frame in read_frames(plain, FRAMES)])
    np.testing.assert_array_equal(read_frames(path, FRAMES), expected)
    clip = read_clip(path, FRAMES, 48)
    assert (clip.rotation == 0) == (orientation in (0, 1, 4)) and clip.decoded_count == FRAMES
    np.testing.assert_array_equal(np.stack(list(stream_frames(path, 48))), clip.frames)


@pytest.mark.skipif(not hasattr(VideoStream, "set_display_rotation"), reason="this PyAV writes no display matrix")
@pytest.mark.parametrize(("degrees", "mirrored"), [(90, False), (180, False), (0, True)])
def test_the_containers_display_matrix_is_obeyed_beside_exif(tmp_path, degrees, mirrored):
    still = read_frames(camera(tmp_path / "still.mov", 0), FRAMES)
    turned = [frame[:, ::-1] if mirrored else np.rot90(frame, degrees // 90) for frame in still]
    for name, orientation in (("plain", None), ("camera", 0)):
        path = camera(tmp_path / f"{name}.mov", orientation, degrees, mirrored)
        np.testing.assert_array_equal(read_frames(path, FRAMES), np.stack(turned))
