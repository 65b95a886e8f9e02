"""The lines of code in a bundle's README.md: each runs in the folder of the bundle, and does what its heading says."""

from kerneldistill.algorithms.engines import builder_arguments
from kerneldistill.config.schema import FEATURES, KernelConfig
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import ARCHITECTURES

# `Whitener.apply`, written out so that numpy alone can do it; the probe shows that it does.
NUMPY = """\
import numpy as np

support, t, probe = (dict(np.load(name)) for name in ("support.npz", "transform.npz", "probe.npz"))
images, labels = support["images"], support["labels"]

def whiten(pixels):  # [n, h, w, c], 0..255
    x = ((pixels / t["input_scale"] - t["channel_mean"]) / t["channel_std"]).reshape(len(pixels), -1)
    if t["per_image_norm"]:
        x = x - x.mean(axis=1, keepdims=True)
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6 * x.shape[1] ** 0.5)
    if t["W"].ndim == 3:  # blocks of the image, whitened apart
        (h, w, c), b = pixels.shape[1:], int(t["block"])
        x = (x - t["feature_mean"]).reshape(-1, h // b, b, w // b, b, c).transpose(1, 3, 0, 2, 4, 5)
        x = x.reshape(len(t["W"]), len(pixels), -1) @ t["W"]
        x = x.reshape(h // b, w // b, -1, b, b, c).transpose(2, 0, 3, 1, 4, 5)
    elif t["W"].size:
        x = (x - t["feature_mean"]) @ t["W"]
    return x.reshape(pixels.shape).astype(np.float32)

assert np.allclose(whiten(probe["raw"]), probe["transformed"], atol=1e-3)
"""


def predicting(kernel: KernelConfig, ridge: float, flip: bool) -> str:
    """Lines that predict with this program, in one call and step by step."""
    if kernel.network == FEATURES:
        return _predicting_by_features(kernel)
    arguments = ", ".join(f"{name}={_written(kernel, value)}" for name, value in builder_arguments(kernel).items())
    build = ARCHITECTURES[kernel.network].__name__
    standard = "" if kernel.width is None else f".standard({kernel.width})"
    mirrored = (
        "images, labels = np.concatenate([images, images[:, :, ::-1]]), np.concatenate([labels, labels])\n" * flip
    )
    return f"""\
import kerneldistill as kd
import numpy as np

distilled = kd.load(".")  # compares every digest, and the whitening of the probe images
pixels = np.load("probe.npz")["raw"]  # or images of yours, uint8 [n, h, w, c], 0..255
classes = distilled.classify(pixels)

# The same step by step: whiten, compute the exact kernel, regress.
images, labels, whitened = distilled.images, distilled.labels, distilled.whiten(pixels)
{mirrored}network = kd.kernels.{build}({arguments}){standard}
k_ss, k_ts = (np.asarray(kd.kernels.gram(network, x, images, "{kernel.get}"), np.float64) for x in (images, whitened))
ridge = {ridge!r} * np.trace(k_ss) / len(k_ss)
outputs = k_ts @ np.linalg.solve(k_ss + ridge * np.eye(len(k_ss)), labels)
assert np.array_equal(outputs.argmax(1), classes)
"""


def _written(kernel: KernelConfig, value: object) -> str:
    """An argument of the builder of a network, as code."""
    if not isinstance(value, Hermite):
        return repr(value)
    return f"kd.kernels.expansion({kernel.activation!r}, {value.degree}, {value.nodes})"


def _predicting_by_features(kernel: KernelConfig) -> str:
    """Lines that predict by the features of an encoder, which is not here."""
    module, _, function = str(kernel.encoder).partition(":")
    return f"""\
import kerneldistill as kd
import numpy as np

from {module} import {function} as encoder  # which is not in this folder: images [n, h, w, c] to features [n, d]

distilled = kd.load(".", encoder=encoder)  # compares every digest, and the encoder with the one of the manifest
pixels = np.load("probe.npz")["raw"]  # or images of yours, uint8 [n, h, w, c], 0..255
classes = distilled.classify(pixels)
"""


def training_torch(channels: int, classes: int) -> str:
    """Lines that train a small ConvNet in torch."""
    return f"""\
import numpy as np
import torch
from torch import nn

support, probe = dict(np.load("support.npz")), dict(np.load("probe.npz"))
images = torch.from_numpy(support["images"]).permute(0, 3, 1, 2).contiguous()  # NCHW
labels = torch.from_numpy(support["labels"])  # centred: the mean square to them is the loss

net = nn.Sequential(
    nn.Conv2d({channels}, 64, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
    nn.Linear(64 * 16, {classes}),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(300):
    optimizer.zero_grad()
    loss = ((net(images) - labels) ** 2).mean()
    loss.backward()
    optimizer.step()
whitened = torch.from_numpy(probe["transformed"]).permute(0, 3, 1, 2)  # your own images: whiten them first, as above
classes = net(whitened).argmax(1)
"""


def training_flax(classes: int) -> str:
    """Lines that train the like in flax."""
    return f"""\
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

support, probe = dict(np.load("support.npz")), dict(np.load("probe.npz"))
images, labels = jnp.asarray(support["images"]), jnp.asarray(support["labels"])  # NHWC; labels are centred

net = nn.Sequential(
    [
        nn.Conv(64, (3, 3)),
        nn.relu,
        lambda x: nn.avg_pool(x, (2, 2), (2, 2), "SAME"),
        lambda x: x.reshape(len(x), -1),
        nn.Dense({classes}),
    ]
)
adam, params = optax.adam(1e-3), net.init(jax.random.key(0), images)


@jax.jit
def step(params, state):
    loss, slope = jax.value_and_grad(lambda p: jnp.mean((net.apply(p, images) - labels) ** 2))(params)
    updates, state = adam.update(slope, state)
    return optax.apply_updates(params, updates), state, loss


state = adam.init(params)
for _ in range(300):
    params, state, loss = step(params, state)
classes = net.apply(params, probe["transformed"]).argmax(1)  # your own images: whiten them first, as above
"""
