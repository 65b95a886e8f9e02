"""`evaluate`: what a distilled set is worth under named protocols."""

import os
from collections.abc import Sequence
from pathlib import Path

from kerneldistill.api.distilled_set import DistilledSet, load
from kerneldistill.api.session import computing
from kerneldistill.config.schema import ViewName
from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.evaluation.request import EvaluationRequest, check_request
from kerneldistill.runs.directory import RunDir


def evaluate(
    what: DistilledSet | str | os.PathLike[str],
    protocol: str = "krr",
    *,
    networks: Sequence[str] = (),
    seeds: int = 5,
    prepared: str | os.PathLike[str] | None = None,
    rewhiten: bool = False,
    whole_train: bool = False,
    out: str | os.PathLike[str] | None = None,
    shift: Sequence[str] = (),
    study: Sequence[str] = (),
    ensemble: Sequence[ViewName] = (),
) -> tuple[ProtocolResult, ...]:
    """Judge a set on test images by named protocols, beside random real images: what `kdistill evaluate` does.

    Args:
      what: a set, or the folder of a run or of a bundle
      protocol: names joined by commas: krr, kip, dc, dc-soft, dsa, frepo, and kip-quick, dc-quick, dsa-quick,
        frepo-quick
      networks: networks other than the protocol's own, and for krr kernels, as `network=fc,depth=1`
      seeds: networks trained for each figure, and draws of random real images beside them
      prepared: of a bundle alone: the prepared data set to judge on
      rewhiten: of a bundle alone: whiten these data anew where they live in another space than the set
      whole_train: train on the whole train split, too, where no figure for it is published
      out: of a bundle alone: where finished networks are kept; default beside the bundle
      shift: test on shifted images too: noise, blur, contrast, jpeg, shift, all of these, or folders of prepared data
      ensemble: for krr: flip, shift or both, views of each test image whose kernels are averaged
      study: studies to keep with what is finished, for a report: rates and curves

    Returns:
      A result for each protocol and network, with `.learned.mean`, `.random_real.mean`, `.ior`, ...

    Raises:
      UserError: a name is none, or the data do not fit the set.

    Example:
      >>> (judged,) = kd.evaluate("runs/digits", "krr", networks=["network=fc,depth=1"], seeds=1)
      >>> judged.num_test
      360
    """
    found = what if isinstance(what, DistilledSet) else load(what)
    request = EvaluationRequest(
        found.folder,
        (protocol,),
        networks=tuple(networks),
        seeds=seeds,
        prepared=None if prepared is None else os.fspath(prepared),
        rewhiten=rewhiten,
        whole_train=whole_train,
        out=None if out is None else Path(out),
        study=tuple(study),
        shift=tuple(shift),
        ensemble=tuple(ensemble),
    )
    with computing():
        from kerneldistill.runs.protocol_evaluation import evaluate_bundle, evaluate_run

        check_request(request)
        found.use_encoder()
        if found.run is None:
            return evaluate_bundle(found.folder, request)
        with RunDir(found.run).reopen() as rundir:
            return evaluate_run(rundir, request)
