"""Short names of kernels, networks, levels and starts, the same in every table, index and file name."""

from dataclasses import fields

from kerneldistill.config.schema import FEATURES, Config, KernelConfig

# Shown by their values alone, or not at all.
_PLAIN = ("network", "depth", "get", "dtype", "sampled")


def kernel_name(kernel: KernelConfig) -> str:
    """Name a kernel by its network, its depth and every setting that is not the default: `fc d1 activation=erf ntk`.

    Features are named by their encoder.
    """
    if kernel.network == FEATURES:
        return f"{FEATURES} of {kernel.encoder}"
    usual = KernelConfig(kernel.network, kernel.depth)
    names = [field.name for field in fields(kernel) if field.name not in _PLAIN]
    changed = [f"{name}={getattr(kernel, name)}" for name in names if getattr(kernel, name) != getattr(usual, name)]
    return " ".join([kernel.network, f"d{kernel.depth}", *changed, kernel.get])


def level_name(config: Config) -> str:
    """Name a level of a run by the size of its images, where it is not that of the data, and by its kernel."""
    data, name = config.data, kernel_name(config.kernel)
    return name if data.height is None or data.width is None else f"{data.height}x{data.width} {name}"


def start_name(config: Config) -> str:
    """Name what the set of a run begins as."""
    if config.coarse:
        return "learned at a coarser level"
    return {"real": "real images", "noise": "noise"}.get(config.support.start, "a set learned before")


def architecture_name(kernel: KernelConfig) -> str:
    """Name a network as KIP's release does.

    ConvNet has three blocks behind the prepended convolution, ConvNet3 three without it. Other depths follow: ConvNet2p
    and ConvNet2.
    """
    if kernel.network == FEATURES:
        return FEATURES
    if kernel.network != "conv_net":
        return f"{kernel.network}{kernel.depth}"
    if not kernel.prepend:
        return f"ConvNet{kernel.depth}"
    return "ConvNet" if kernel.depth == 3 else f"ConvNet{kernel.depth}p"
