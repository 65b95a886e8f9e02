"""Write a plan as text."""

from kerneldistill.runs.planning.plan import Plan
from kerneldistill.runtime.console import duration, roughly
from kerneldistill.runtime.text import columns, gigabytes, percent


def table(plan: Plan) -> str:
    """Write the plan, one line for each figure a user decides by."""
    sections = (_levels, _sizes, _memory, _work, _bounds, _time, _results, _notes)
    return "\n".join([_title(plan), *(line for section in sections for line in section(plan))])


def _title(plan: Plan) -> str:
    data, machine = plan.data, plan.machine
    shape = "x".join(map(str, data.image_shape))
    devices = f"{machine.devices} {machine.platform} device{'s' * (machine.devices > 1)}"
    return (
        f"{plan.support} images learned from {data.train:,} of {data.name}, {shape} (validation {data.validation:,}, "
        f"test {data.test:,}), on {devices}"
    )


def _levels(plan: Plan) -> list[str]:
    if not plan.levels:
        return []
    named = (
        (f"{n}: {'x'.join(map(str, of.data.image_shape))}, {of.kernel}", of) for n, of in enumerate(plan.levels, 1)
    )
    rows = {name: _level(level) for name, level in named}
    return ["coarser levels, before it", columns(rows)]


def _level(plan: Plan) -> str:
    work, seconds = f"{plan.steps:,} steps of {plan.entries:,} entries", plan.seconds
    if seconds is None:
        return work
    return f"{work}, {duration(seconds.step)} each; {duration(seconds.learning)} with compiling and validation"


def _sizes(plan: Plan) -> list[str]:
    if plan.features is not None:
        rows = {
            "encoder": f"{plan.features:,} features of an image; {plan.tile:,} images at a time",
            "chunk": f"{plan.chunk:,} targets whose features are at hand; {plan.chunks:,} a step",
        }
        return ["sizes", columns(rows)]
    rows = {
        "tile": f"1 row x {plan.tile} columns",
        "chunk": f"{plan.support} rows x {plan.chunk:,} columns; {plan.chunks:,} a step",
    }
    if plan.shards > 1:
        devices = plan.machine.devices // plan.shards
        rows["device"] = f"{plan.support // plan.shards:,} of the images, and {-(-plan.chunk // devices):,} of a chunk"
    rows |= {f"resolution {i}": text for i, text in enumerate(plan.resolutions, 1)}
    return ["sizes", columns(rows)]


def _memory(plan: Plan) -> list[str]:
    memory, machine = plan.memory, plan.machine
    rows = {}
    for part in memory.parts:
        sizes = [gigabytes(part.host)] * (part.host > 0)
        sizes += [f"{gigabytes(part.device)} a device"] * (part.device > 0)
        rows[part.name] = " + ".join(sizes) or "0 MB"
    free = "" if machine.memory is None else f" of {gigabytes(machine.memory)}"
    if memory.shared:
        rows["peak"] = f"{gigabytes(memory.host)}{free}"
    else:
        rows["peak of the process"] = gigabytes(memory.host)
        rows["peak of a device"] = f"{gigabytes(memory.device)}{free}"
    return ["memory, while it is at its peak", columns(rows)]


def _work(plan: Plan) -> list[str]:
    if plan.features is not None:
        rows = {
            "an image encoded": f"{_flop(plan.flops_forward)}, with its gradient {_flop(plan.flops_gradient)}",
            "a step": f"{plan.entries:,} images of the support with gradient, "
            f"{_flop(plan.entries * plan.flops_gradient)}; targets are encoded once",
            "evaluation": f"{plan.validation_entries:,} images for validation, {plan.test_entries:,} at the end",
        }
        return ["work", columns(rows)]
    rows = {
        "a kernel entry": f"{_flop(plan.flops_forward)}, with its gradient {_flop(plan.flops_gradient)}",
        "a step": f"{plan.entries:,} entries with gradient, {_flop(plan.entries * plan.flops_gradient)}",
        "evaluation": f"{plan.validation_entries:,} entries on validation, {plan.test_entries:,} in the closing one",
    }
    return ["work", columns(rows)]


def _bounds(plan: Plan) -> list[str]:
    of = plan.roofline
    if of is None:
        return []
    by = "their compiler" if of.compiled else "our own account"
    fits = "fits" if of.fits else "does not fit"
    account = f"; {gigabytes(of.account_bytes)} by our own account" if of.compiled else ""
    rows = {
        "memory of a device": f"{fits}: {gigabytes(of.device_bytes)} of {gigabytes(int(of.memory))} by {by}{account}",
        "lanes filled": percent(of.lanes),
        "a step": f"{_brief(of.fastest)} to {_brief(of.slowest)}",
        "all steps": f"{duration(plan.steps * of.fastest)} to {duration(plan.steps * of.slowest)}",
        "exchange": f"{of.exchanged / 1e6:,.3f} MB a step from each device, {_brief(of.exchange)}: "
        f"{percent(of.share[1])} to {percent(of.share[0])} of it",
    }
    if of.chips is not None and of.wanted is not None:
        least, most = (f"{count:,} chip{'s' * (count > 1)}" if count else "none" for count in of.chips)
        rows[f"within {roughly(of.wanted)}"] = f"{least} at the fastest, {most} at the slowest"
    return [f"bounds on {of.topology}, by published limits and {by}; the host is left out", columns(rows)]


def _brief(seconds: float) -> str:
    return duration(seconds) if seconds >= 1e-3 else f"{1e6 * seconds:.1f}us"


def _time(plan: Plan) -> list[str]:
    seconds = plan.seconds
    if plan.roofline is not None:
        return []
    if seconds is None:
        return ["time: not measured"]
    rate = plan.entries * plan.flops_gradient / seconds.step / 1e9
    speed = f"{plan.entries / seconds.step:,.0f} entries/s, {rate:.1f} GFLOP/s"
    images = plan.data.train + plan.data.validation + plan.data.test
    once = {"deviations": duration(seconds.features)}
    if plan.features is not None:
        speed = f"{plan.entries / seconds.step:,.0f} images of the support/s"
        once = {"features of all images": f"{duration(seconds.features)} ({images / seconds.features:,.0f} images/s)"}
    rows = {
        "compiling": duration(seconds.compile),
        **once,
        "a step": f"{duration(seconds.step)} ({speed})",
        **({"of it, linear algebra": duration(seconds.solve)} if seconds.solve else {}),
        "all steps": duration(seconds.steps),
        "validation": duration(seconds.validation),
        "closing evaluation": duration(seconds.evaluation),
    }
    rows |= {"labels refitted": duration(seconds.refit)} if seconds.refit else {}
    rows["in total"] = f"{duration(plan.total or seconds.total)}, and the preparation of the data"
    if plan.levels:
        rows["of it, coarser levels"] = duration((plan.total or seconds.total) - seconds.total)
    return ["time, from a calibration on this machine", columns(rows)]


def _results(plan: Plan) -> list[str]:
    if not plan.reached:
        return []
    rows = {}
    for reached in plan.reached:
        here = "" if reached.here is None else f"; here about {duration(reached.here)}"
        name = f"{reached.split}, {reached.entries:,} entries"
        rows[name] = f"{percent(reached.accuracy)} after {duration(reached.seconds)}{here}"
    return [f"accuracy, in the committed record of these settings ({plan.precedent})", columns(rows)]


def _notes(plan: Plan) -> list[str]:
    return [f"note: {note}" for note in plan.notes]


def _flop(count: int) -> str:
    power = next((power for power in range(5) if count < 1000 ** (power + 1)), 5)
    return f"{count / 1000**power:.3g} {('', 'k', 'M', 'G', 'T', 'P')[power]}FLOP"
