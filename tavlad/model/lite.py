"""EfficientNet-Lite0: no squeeze-and-excitation, ReLU6, TensorFlow padding; parameters keep their published names."""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tavlad.model.network import IMAGENET_CLASSES, Family, FrozenBatchNorm2d

# (repeats, kernel, stride, expansion, channels) of each group of blocks
ROWS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LAST_STAGE = 11  # the first block at stride 32
STEM, CHANNELS = 32, 1280


class SamePadConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: output ceil(size / stride), odd pixel at the right and bottom."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H/s), ceil(W/s))."""
        sides: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [missing // 2, missing - missing // 2]
        left, right, top, bottom = sides
        if (left, top) != (right, bottom):
            return super().forward(F.pad(x, sides))
        # padding inside the convolution saves a copy of its input
        return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups)


def _layers(names: tuple[str, str], inputs: int, outputs: int, **convolution: int) -> dict[str, nn.Module]:
    """A convolution (1x1 unless `kernel_size` is given) and its batch-norm, by name."""
    numbers: dict[str, Any] = {"kernel_size": 1, **convolution}
    return {
        names[0]: SamePadConv2d(inputs, outputs, bias=False, **numbers),
        names[1]: FrozenBatchNorm2d(outputs, eps=1e-3),
    }


class Block(nn.Module):
    """An inverted residual block: expand, depthwise convolution, project; plus the input where shapes match."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        layers = {} if expansion == 1 else _layers(("_expand_conv", "_bn0"), inputs, width)
        layers |= _layers(("_depthwise_conv", "_bn1"), width, width, kernel_size=kernel, stride=stride, groups=width)
        layers |= _layers(("_project_conv", "_bn2"), width, outputs)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/s, W/s)."""
        *others, project, norm = self.children()
        y: Tensor = x
        for conv, frozen in zip(others[::2], others[1::2], strict=True):
            y = F.relu6(frozen(conv(y)), inplace=True)
        y = norm(project(y))
        return y.add_(x) if self.added else y


def _build(network: str) -> nn.Module:
    whole, blocks, inputs = nn.Module(), nn.ModuleList(), STEM
    for repeats, kernel, stride, expansion, outputs in ROWS:
        for repeat in range(repeats):
            blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
            inputs = outputs
    stem = _layers(("_conv_stem", "_bn0"), 3, STEM, kernel_size=3, stride=2)
    head = _layers(("_conv_head", "_bn1"), inputs, CHANNELS)
    for name, module in {**stem, "_blocks": blocks, **head, "_fc": nn.Linear(CHANNELS, IMAGENET_CLASSES)}.items():
        whole.add_module(name, module)
    for module in whole.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return whole


def _trunk(network: Any) -> nn.Sequential:
    blocks = OrderedDict(list(network._blocks.named_children())[:LAST_STAGE])
    stem = {"_conv_stem": network._conv_stem, "_bn0": network._bn0, "_swish": nn.ReLU6()}
    return nn.Sequential(OrderedDict(**stem, _blocks=nn.Sequential(blocks)))


def _last_stage(network: Any) -> nn.Sequential:
    blocks = list(network._blocks.named_children())[LAST_STAGE:]
    return nn.Sequential(OrderedDict([*blocks, ("_conv_head", network._conv_head), ("_bn1", network._bn1)]))


def _before_activation(last: nn.Sequential, x: Tensor) -> Tensor:
    y: Tensor = last(x)  # the last layer is the batch-norm
    return y


LITE = Family(
    channels={"efficientnet_lite0": CHANNELS},
    build=_build,
    trunk=_trunk,
    last_stage=_last_stage,
    before_activation=_before_activation,
    activation=F.relu6,
    classifier="_fc",
    depthwise=True,
    mean=(0.498, 0.498, 0.498),
    std=(0.502, 0.502, 0.502),
)
