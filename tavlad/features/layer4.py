"""From a clip's frames to its layer-4 maps: the backbone with its batch-norm folded away, forward only."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tavlad.features.views import Draw, augmented_view, centre_view
from tavlad.model.resnet import Backbone

PAIRS = (("conv1", "bn1"), ("conv2", "bn2"), ("0", "1"))  # of a block, and of its downsampling
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def folded_backbone(state: Mapping[str, Tensor], pre_relu: bool, precision: str, device: torch.device) -> Backbone:
    """The backbone of `state` (torchvision's names) for inference: batch-norm folded into convolutions, channels last.

    Folding is done in float32; "bfloat16" then stores the weights so, twice as fast as autocast leaves it on a CPU.
    """
    network = Backbone(pre_relu=pre_relu)
    network.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("fc.")})
    return fold(network.eval()).to(device, DTYPES[precision]).to(memory_format=torch.channels_last)


def fold(network: Backbone) -> Backbone:
    """Replace every convolution with batch-norm of `network` (in evaluation mode) by one convolution that does both."""
    for block in network.modules():
        for conv, norm in PAIRS:
            if isinstance(getattr(block, norm, None), nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return network


def clip_maps(network: Backbone, frames: np.ndarray, draws: Sequence[Draw | None], crop: int, batch: int) -> np.ndarray:
    """Maps float16 (V,T,C,H,W) of one clip's frames uint8 (T,H,W,3), one view a draw (None: the centre crop).

    All V*T views go through `network` in passes of `batch`, never with those of another clip: the bytes of a clip do
    not depend on which others were still to do.
    """
    weight = next(network.parameters())
    on_device = torch.from_numpy(frames).to(weight.device)
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        views = [centre_view(on_device, crop) if one is None else augmented_view(on_device, one, crop) for one in draws]
        images = torch.cat(views).to(weight.dtype, memory_format=torch.channels_last)
        parts = images.tensor_split(-(-len(images) // batch))  # even ones: none is so small that other kernels run
        maps = torch.cat([network(part).half() for part in parts])
    return maps.unflatten(0, (len(draws), len(frames))).contiguous().cpu().numpy()
