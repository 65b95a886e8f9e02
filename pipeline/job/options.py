"""Check Beam's options, name by name. Imports Beam when called."""

import argparse
import difflib
from collections.abc import Sequence

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.beam_import import import_beam

DEFAULT_RUNNER = "FnApiRunner"
_REFUSED = {
    "daskrunner": "it loses what is written at the end of a bundle and mixes up outputs, without an error (Beam 2.77)",
}


def check_options(options: Sequence[str]) -> tuple[str, ...]:
    """Return the options as Beam wants them: `--name=value` or `--flag` each, the runner first and by name.

    Without a runner take the in-memory FnApiRunner: Beam's own default first tries to download a program.

    Args:
      options: `name=value`, `flag`, or the same with leading dashes

    Raises:
      DataError: Beam has no such option or runner, or refuses the value, or the runner is known to lose data.
    """
    words = tuple(word if word.startswith("--") else f"--{word}" for word in options)
    parser = _parser()
    for word in words:
        _check_name(word.split("=", 1)[0], parser)
    runner = parser.parse_args(words).runner or DEFAULT_RUNNER
    _check_runner(runner)
    return (f"--runner={runner}", *(word for word in words if not word.startswith("--runner=")))


def _parser() -> argparse.ArgumentParser:
    """Make a parser of all options that Beam's own parsers take; Beam itself ignores a name that none of them knows."""
    import_beam()
    from apache_beam.options import pipeline_options

    class Parser(pipeline_options._BeamArgumentParser):
        def error(self, message: str) -> None:
            raise DataError(f"pipeline options are not valid: {message}; write each as name=value")

    parser = Parser(allow_abbrev=False, add_help=False)
    for group in pipeline_options.PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)
    return parser


def _check_name(name: str, parser: argparse.ArgumentParser) -> None:
    known = sorted(option for action in parser._actions for option in action.option_strings)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "Beam's documentation of PipelineOptions lists them"
        raise DataError(f"pipeline option {name} does not exist; {hint}")


def _check_runner(runner: str) -> None:
    from apache_beam.options.pipeline_options import StandardOptions

    name = runner.rsplit(".", 1)[-1].lower()
    name = name if name.endswith("runner") else f"{name}runner"
    if reason := _REFUSED.get(name):
        raise DataError(
            f"runner {runner} is refused: {reason}; use {DEFAULT_RUNNER}, PortableRunner, Flink, Spark or Dataflow"
        )
    if "." not in runner and name not in {known.lower() for known in StandardOptions.KNOWN_RUNNER_NAMES}:
        raise DataError(
            f"runner {runner} does not exist; allowed: {', '.join(StandardOptions.KNOWN_RUNNER_NAMES)}, "
            "or the full name of a class"
        )
