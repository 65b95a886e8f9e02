"""What a run ran on: versions and devices, kept to explain a result later."""

import json
import platform
from dataclasses import asdict, dataclass
from importlib import metadata

# The packages whose versions can change a number.
PACKAGES = (
    "apache-beam",
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "orbax-checkpoint",
    "pillow",
    "scipy",
    "tensorflow-datasets",
)


@dataclass(frozen=True)
class Environment:
    """A machine and its software.

    kerneldistill: version of this program
    python: version of Python
    platform: operating system and processor
    backend: jax's name: cpu, gpu or tpu
    device_kind: name of the first device
    device_count: number of devices of this process
    packages: version of each of `PACKAGES` that is installed
    """

    kerneldistill: str
    python: str
    platform: str
    backend: str
    device_kind: str
    device_count: int
    packages: dict[str, str]


def current() -> Environment:
    """Return the environment of this process; start jax's backend."""
    import jax

    devices = jax.local_devices()
    versions = {name: _version(name) for name in PACKAGES}
    return Environment(
        kerneldistill=code_version(),
        python=platform.python_version(),
        platform=platform.platform(),
        backend=jax.default_backend(),
        device_kind=devices[0].device_kind,
        device_count=len(devices),
        packages={name: version for name, version in versions.items() if version is not None},
    )


def to_json(environments: list[Environment]) -> str:
    """Write environments as indented JSON, one object each."""
    return json.dumps([asdict(environment) for environment in environments], indent=2) + "\n"


def from_json(text: str) -> list[Environment]:
    """Read what `to_json` wrote."""
    return [Environment(**fields) for fields in json.loads(text)]


def code_version() -> str:
    """Return the installed version of kerneldistill, or "not installed" when it runs from a bare clone."""
    return _version("kerneldistill") or "not installed"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
