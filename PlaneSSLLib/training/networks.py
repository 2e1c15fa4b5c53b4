"""Networks: an encoder, a decoder, and heads. A registry in which another network costs a function."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from monai.networks.nets import BasicUNet, FlexibleUNet
from torch import Tensor, nn
from torch.nn import functional

from .. import PlaneSSLError


@dataclass(frozen=True)
class Head:
    """What a task wants of a network: `channels` values per "pixel", per "image", or per "study" (a bag of images).

    bias_init: the answer before training, one for all channels or one for each. Where the mean of the targets is far
    from it, the first hundred steps only teach the encoder to say one thing whatever it sees.
    """

    channels: int
    per: str = "pixel"
    bias_init: float | Sequence[float] = 0.0


class Body(nn.Module):
    """An encoder and a decoder.

    encode: (n, 1, rows, columns) -> features, finest first, the bottleneck last. decode: features -> (n, channels,
    rows / shuffle, columns / shuffle). Rows and columns are multiples of `multiple`. decoder_prefix: how the names of
    the decoder's tensors begin.
    """

    channels: int
    bottleneck: int
    shuffle: int = 1
    multiple: int = 16
    decoder_prefix: str

    def encode(self, image: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def decode(self, features: list[Tensor]) -> Tensor:
        raise NotImplementedError


class Attention(nn.Module):
    """A bag of images answers as one: gated attention pooling (Ilse et al. 2018, Attention-based deep MIL, eq. 9).

    (n, images, features) -> (n, channels); `weights` gives each image's share of the answer.

    What all images of a batch have in common is taken out first, and the rest brought to one size: hearts look alike,
    and without it a network from scratch still answered alike for all after a thousand steps. A batch that is cut into
    pieces is therefore another batch.
    """

    def __init__(self, features: int, channels: int, units: int = 64) -> None:
        super().__init__()
        self.contrast = nn.BatchNorm1d(features, affine=False)
        self.content, self.gate = nn.Linear(features, units), nn.Linear(features, units)
        self.score = nn.Linear(units, 1)
        self.answer = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, channels))

    def weights(self, bag: Tensor) -> Tensor:
        """(n, images, features) -> (n, images), adding up to one."""
        return self._shares(self._contrasted(bag))

    def forward(self, bag: Tensor) -> Tensor:
        bag = self._contrasted(bag)
        return self.answer((self._shares(bag)[..., None] * bag).sum(1))

    def _contrasted(self, bag: Tensor) -> Tensor:
        return self.contrast(bag.flatten(0, 1)).unflatten(0, bag.shape[:2])

    def _shares(self, bag: Tensor) -> Tensor:
        return self.score(self.content(bag).tanh() * self.gate(bag).sigmoid())[..., 0].softmax(-1)


class Network(nn.Module):
    """A body with one head per task. forward: (n, 1, rows, columns) images, or (n, images, 1, rows, columns) studies ->
    {head: (n, channels, rows, columns) or (n, channels)}.

    All that a pretrained network hands on lies in `body`; the heads are new for every target task. Weights that lie
    channels last bring the images' features to lie so; the images may lie as they like.
    """

    def __init__(self, body: Body, heads: dict[str, Head]) -> None:
        super().__init__()
        self.body = body
        self.kinds = dict(heads)
        self.divisible = all(head.per != "study" for head in heads.values())  # by pieces of a batch, see `Attention`
        self.heads = nn.ModuleDict({name: self._head(body, head) for name, head in heads.items()})

    @staticmethod
    def _head(body: Body, head: Head) -> nn.Module:
        if head.per == "study":
            bag = Attention(2 * body.bottleneck, head.channels)
            _start(bag.answer[-1], head)
            return bag
        if head.per == "pixel":
            answer = nn.Conv2d(body.channels, head.channels * body.shuffle**2, 1)
            _start(answer, head)
            return nn.Sequential(answer, nn.PixelShuffle(body.shuffle)) if body.shuffle > 1 else answer
        # Zhang et al. 2024: global pooling, 128 units, the answer.
        answer = nn.Linear(128, head.channels)
        _start(answer, head)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(body.bottleneck, 128), nn.ReLU(), answer)

    def bag(self, studies: Tensor) -> Tensor:
        """(n, images, 1, rows, columns) -> (n, images, features): the bottleneck, its mean and its largest.

        A dilated heart shows in the mean. A torn ligament is a few pixels, which the mean drowns.
        """
        found = self.body.encode(studies.flatten(0, 1))[-1]
        return torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1).unflatten(0, studies.shape[:2])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        if image.ndim == 5:
            bag = self.bag(image)
            return {name: head(bag) for name, head in self.heads.items()}
        features = self.body.encode(image)
        decoded = self.body.decode(features) if any(kind.per == "pixel" for kind in self.kinds.values()) else None
        return {name: head(decoded if self.kinds[name].per == "pixel" else features[-1])
                for name, head in self.heads.items()}


def _start(answer: nn.Module, head: Head) -> None:
    """Let a head's last layer begin with its bias_init; before shuffling, the channels of one answer are neighbours."""
    each = answer.bias.numel() // head.channels
    with torch.no_grad():
        answer.bias.copy_(torch.tensor(head.bias_init).expand(head.channels).repeat_interleave(each))


class UNetBody(Body):
    """MONAI's BasicUNet (five levels of two convolutions), optionally on pixel-unshuffled images.

    Group normalisation: instance normalisation erases the mean intensities that the pooled location head needs, batch
    normalisation breaks with small and split batches. Its convolutions have no bias: within a group a bias that grows
    drowns what the image says. Unshuffling by two moves the finest level, where most of the time goes, to half the
    resolution without losing a pixel.
    """

    decoder_prefix = "net.upcat"

    def __init__(self, features: tuple[int, ...], shuffle: int = 1) -> None:
        super().__init__()
        self.shuffle = shuffle  # BasicUNet pads where a level's size is odd, so multiples of 16 do
        self.channels, self.bottleneck = features[5], features[4]
        self.net = BasicUNet(
            spatial_dims=2, in_channels=shuffle**2, out_channels=1, features=features,
            norm=("group", {"num_groups": 8}), act=("relu", {"inplace": True}), bias=False)
        self.net.final_conv = nn.Identity()

    def encode(self, image: Tensor) -> list[Tensor]:
        net = self.net
        features = [net.conv_0(functional.pixel_unshuffle(image, self.shuffle) if self.shuffle > 1 else image)]
        for down in (net.down_1, net.down_2, net.down_3, net.down_4):
            features.append(down(features[-1]))
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        net = self.net
        decoded = features[4]
        for up, skip in zip((net.upcat_4, net.upcat_3, net.upcat_2, net.upcat_1), features[3::-1], strict=True):
            decoded = up(decoded, skip)
        return decoded


class ResNetBody(Body):
    """MONAI's FlexibleUNet with a ResNet encoder, its batch normalisation replaced by group normalisation."""

    multiple = 32
    decoder_prefix = "decoder"

    def __init__(self, backbone: str) -> None:
        super().__init__()
        net = FlexibleUNet(in_channels=1, out_channels=1, backbone=backbone, spatial_dims=2)
        self.encoder, self.decoder = _with_group_norm(net.encoder), _with_group_norm(net.decoder)
        self.skips = net.skip_connect
        self.channels, self.bottleneck = 16, 2048

    def encode(self, image: Tensor) -> list[Tensor]:
        return self.encoder(image)

    def decode(self, features: list[Tensor]) -> Tensor:
        return self.decoder(features, self.skips)


def _with_group_norm(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(min(8, child.num_features), child.num_features))
        else:
            _with_group_norm(child)
    return module


NETWORKS: dict[str, Callable[[], Body]] = {
    "small": lambda: UNetBody((24, 48, 96, 128, 192, 24), shuffle=2),
    "unet": lambda: UNetBody((64, 128, 256, 512, 1024, 64)),
    "resnet50": lambda: ResNetBody("resnet50"),
}


def build(name: str, heads: dict[str, Head], seed: int) -> Network:
    """A freshly initialised network; the same seed gives the same weights. PlaneSSLError for an unknown name."""
    if name not in NETWORKS:
        raise PlaneSSLError(f"There is no network '{name}'; there are: {', '.join(NETWORKS)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(NETWORKS[name](), heads)
