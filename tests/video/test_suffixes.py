"""Every suffix that is taken for a video's is one that the reader decodes."""

import av
import numpy as np
import pytest

from tavlad.data.listing import VIDEO_SUFFIXES
from tavlad.video.reader import read_frames

WRITTEN = {  # (format, codec, pixels): the suffixes of such a file
    ("3gp", "mpeg4", "yuv420p"): [".3gp"],
    ("3g2", "mpeg4", "yuv420p"): [".3g2"],
    ("apng", "apng", "rgb24"): [".apng"],
    ("asf", "wmv2", "yuv420p"): [".asf", ".wmv"],
    ("avi", "mpeg4", "yuv420p"): [".avi", ".divx", ".xvid"],
    ("dv", "dvvideo", "yuv420p"): [".dv"],
    ("flv", "flv", "yuv420p"): [".flv"],
    ("gif", "gif", "rgb8"): [".gif"],
    ("h264", "libx264", "yuv420p"): [".264", ".h264"],
    ("hevc", "libx265", "yuv420p"): [".265", ".h265", ".hevc"],
    ("ivf", "libvpx-vp9", "yuv420p"): [".ivf"],
    ("m4v", "mpeg4", "yuv420p"): [".m4v"],
    ("matroska", "ffv1", "bgr0"): [".mkv"],
    ("mjpeg", "mjpeg", "yuvj420p"): [".mjpeg", ".mjpg"],
    ("mov", "mpeg4", "yuv420p"): [".mov", ".qt"],
    ("mp4", "libx264", "yuv420p"): [".f4v", ".m4v", ".mp4"],
    ("mpeg", "mpeg2video", "yuv420p"): [".mod", ".mpe", ".mpeg", ".mpg"],
    ("mpeg1video", "mpeg1video", "yuv420p"): [".m1v", ".mpv"],
    ("mpeg2video", "mpeg2video", "yuv420p"): [".m2v", ".mpv"],
    ("mpegts", "libx264", "yuv420p"): [".m2t", ".m2ts", ".mts", ".ts"],
    ("mxf", "mpeg2video", "yuv420p"): [".mxf"],
    ("nut", "ffv1", "bgr0"): [".nut"],
    ("ogg", "libvpx", "yuv420p"): [".ogm", ".ogv"],
    ("rm", "rv20", "yuv420p"): [".rm", ".rmvb"],
    ("vob", "mpeg2video", "yuv420p"): [".vob"],
    ("webm", "libvpx-vp9", "yuv420p"): [".webm"],
    ("wtv", "mpeg2video", "yuv420p"): [".wtv"],
    ("yuv4mpegpipe", "wrapped_avframe", "yuv444p"): [".y4m"],
}
CASES = [(*how, suffix) for how, suffixes in WRITTEN.items() for suffix in suffixes]
LEVELS = [30, 90, 150, 210]


def test_no_suffix_is_left_out():
    assert {suffix for *_, suffix in CASES} == VIDEO_SUFFIXES


@pytest.mark.parametrize(("form", "codec", "pixels", "suffix"), CASES)
def test_what_has_the_suffix_is_decoded(tmp_path, form, codec, pixels, suffix):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV does not write {codec}")
    height, width = (576, 720) if form == "dv" else (144, 176)
    # x265 gives packets of a video shorter than its reordering times that were never set, which muxers refuse
    options = {"x265-params": "log-level=none:bframes=0"}
    with av.open(str(tmp_path / f"video{suffix}"), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, pixels
        for level in LEVELS:
            still = np.full((height, width, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, "rgb24").reformat(format=pixels)))
        container.mux(stream.encode())
    frames = read_frames(tmp_path / f"video{suffix}", len(LEVELS))
    assert frames.mean((1, 2, 3)) == pytest.approx(LEVELS, abs=16)
