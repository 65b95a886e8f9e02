"""What `kdistill evaluate` is asked for, checked before anything slow starts.

The comments below are the help texts of the command.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.config.assignments import named
from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.schema import FEATURES, KernelConfig, ViewName
from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import NetworkSpec, network_spec
from kerneldistill.evaluation.protocols import KRR, check_protocol, network_of
from kerneldistill.evaluation.shift_names import check_shifts
from kerneldistill.evaluation.studies import check_study, studied
from kerneldistill.runtime.distributed.options import ALONE, Processes


@dataclass(frozen=True)
class EvaluationRequest:
    """An evaluation."""

    # A run directory or a bundle.
    what: Annotated[Positional[Path], arg(metavar="RUN|BUNDLE")]
    # Names of protocols. Without any a run is measured again by its own kernel.
    protocol: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    # Networks of the protocols, instead of their own: names as convnet-instance-w32-d2, and for krr kernels, each
    # written as what differs from the run's: network=fc,depth=1,get=nngp, or same.
    networks: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    # Networks trained for each figure, and draws of random real images beside them.
    seeds: int = 5
    # Bundles only: the prepared data set to judge on.
    prepared: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Bundles only: whiten the prepared data anew where they live in another space than the bundle.
    rewhiten: bool = False
    # Train on the whole train split too, where no figure for it is published: the only long part.
    whole_train: bool = False
    # Bundles of features of an encoder only: module:function, which the bundle's own must equal in what it gives.
    encoder: Annotated[str | None, arg(metavar="MODULE:FUNCTION", help_behavior_hint="")] = None
    # Bundles only: where finished networks and protocols.json go. Default: BUNDLE-evaluation.
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Studies of networks while they train on the set: rates (the largest stable learning rate, others around it, and
    # what becomes of them at eight times the width) and curves (beside the network linearised at its first weights).
    study: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    # Test the networks of protocols on shifted images too: noise, blur, contrast, jpeg, shift, all of these, or folders
    # of prepared data. Random real sets of two to eight times as many images are tested beside.
    shift: Annotated[tuple[str, ...], arg(metavar="NAME|DIR...", help_behavior_hint="")] = ()
    # krr only: predict test by the mean kernel of views of each image: flip, shift (a pixel each way), or both.
    ensemble: Annotated[tuple[ViewName, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    processes: Processes = ALONE

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of the protocols, in order."""
        return tuple(dict.fromkeys(named(self.protocol)))

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the studies, in order."""
        return tuple(dict.fromkeys(named(self.study)))

    @property
    def shifts(self) -> tuple[str, ...]:
        """Names and folders of the shifts, in order."""
        return tuple(dict.fromkeys(named(self.shift)))

    @property
    def specs(self) -> tuple[NetworkSpec, ...]:
        """The finite networks asked for."""
        names = (name for text in self.networks if not _of_kernel(text) for name in text.split(","))
        return tuple(dict.fromkeys(network_spec(name.strip()) for name in names))

    def specs_of(self, protocol: str) -> tuple[NetworkSpec, ...]:
        """Return the finite networks of a protocol: those asked for, or its own."""
        return self.specs or (network_spec(network_of(protocol)),)

    def kernels(self, main: KernelConfig) -> tuple[KernelConfig, ...]:
        """Return the kernels asked for, or the run's own with its NTK and its NNGP.

        Raises:
          UserError: a text is none.
        """
        texts = tuple(text for text in self.networks if _of_kernel(text))
        if not texts and main.network == FEATURES:
            return (main,)
        if not texts:
            other = "nngp" if main.get == "ntk" else "ntk"
            return replace(main, sampled=()), replace(main, sampled=(), get=other)
        try:
            found = sampled_kernels(replace(main, sampled=texts))
            return tuple(each if each.network == FEATURES else replace(each, encoder=None) for each in found)
        except UserError as error:
            raise UserError(f"--networks writes kernels as kernel.sampled does: {error}") from error


def check_request(request: EvaluationRequest) -> None:
    """Check what can be checked before anything is read.

    Raises:
      UserError: a name that is none, networks that no protocol uses, or fewer than one seed.
    """
    for name in request.protocols:
        check_protocol(name)
    for name in request.studies:
        check_study(name)
        studied(name, request.specs)
    check_shifts(request.shifts)
    if request.seeds < 1:
        raise UserError(f"--seeds is {request.seeds}, allowed is a whole number from 1 up: give --seeds 5")
    _check_used(request)


def _check_used(request: EvaluationRequest) -> None:
    if request.shifts and not request.protocols:
        raise UserError("--shift is given without a protocol to test by: name one, for example --protocol krr dc-quick")
    if not (request.protocols or request.studies) and request != EvaluationRequest(request.what):
        raise UserError("--protocol is not given, and the other flags say how protocols judge: name one, --protocol dc")
    asked = " ".join(request.protocols)
    trained = [name for name in request.protocols if name != KRR]
    if request.specs and not trained and not request.studies:
        raise UserError(
            f"--networks has {request.specs[0].name}, which is trained, but --protocol is {asked}: add a "
            "protocol that trains, such as dc, or name kernels, such as network=fc,depth=1"
        )
    if KRR in request.protocols:
        return
    given = f"--protocol is {asked}" if asked else "--protocol is not given"
    if request.ensemble:
        raise UserError(f"--ensemble is {' '.join(request.ensemble)}, but {given}: add krr to it")
    if kernels := [text for text in request.networks if _of_kernel(text)]:
        raise UserError(f"--networks has the kernel {kernels[0]!r}, but {given}: add krr to it")


def _of_kernel(text: str) -> bool:
    return "=" in text or text.strip() == "same"
