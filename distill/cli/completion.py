"""completion: print what bash, zsh or fish need to complete the commands, and answer them.

A shell's script asks `kdistill completion words WORD...` what the last word may become; where that is nothing in
particular the shell completes the names of files. (The scripts that tyro writes complete flags alone.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.invocation import HELP_ALL, Call

ASK = "words"
# What each shell reads.
SCRIPTS = {
    "bash": f"""_kdistill() {{
  local IFS=$'\\n'
  COMPREPLY=($("$1" completion {ASK} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o bashdefault -o default -F _kdistill kdistill""",
    "zsh": f"""#compdef kdistill
_kdistill() {{
  local -a found
  found=("${{(@f)$("${{words[1]}}" completion {ASK} "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}}
if [[ "${{funcstack[1]}}" == _kdistill ]]; then _kdistill "$@"; else compdef _kdistill kdistill; fi""",
    "fish": f"""function __kdistill
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] completion {ASK} $words[2..-1] 2>/dev/null)
    if test -n "$found"
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command kdistill --no-files --arguments '(__kdistill)'""",
}


@dataclass(frozen=True)
class CompletionArguments:
    """Which shell to write for."""

    # Which shell reads it.
    shell: Annotated[Positional[Literal["bash", "zsh", "fish"]], arg(metavar="SHELL")]


ARGUMENTS = CompletionArguments


def execute(call: Call) -> None:
    """Print what a shell reads, or what the last of some words may become."""
    if [*call.args[:1]] == [ASK]:
        print("\n".join(candidates(call.args[1:])))
    else:
        print(SCRIPTS[call.parse(CompletionArguments).shell])


def candidates(words: Sequence[str]) -> list[str]:
    """What the last word may become, after the others; empty where that is no name of this program."""
    *before, last = [word for word in words if word != "="] or [""]  # bash cuts --flag=value in three
    if last.startswith("--") and "=" in last:  # the other shells do not
        name, _, value = last.partition("=")
        return [f"{name}={found}" for found in candidates([*before, name, value])]
    return sorted({word for word in _possible(before, last) if word.startswith(last)})


def _possible(before: Sequence[str], last: str) -> Iterator[str]:
    from kerneldistill.cli.choices import choices_of, positional_choices
    from kerneldistill.cli.flags import flags_of
    from kerneldistill.cli.words import spelled

    if not before or before == ["help"]:
        yield from (*COMMANDS, "--help", "--version", "--quiet", "--traceback")
        return
    kind = _arguments(before[0])
    if kind is None:
        return
    flags = flags_of(kind)
    behind = next((n for n, word in enumerate(reversed(before[1:])) if word.startswith("--")), None)
    named = None if behind is None else flags.get(spelled(before[-1 - behind].partition("=")[0]))
    if last.startswith("-"):
        yield from (*flags, "--help", HELP_ALL, "--quiet")
    elif named is not None and not named.is_switch and (behind == 0 or named.is_list):
        yield from choices_of(named)
    else:
        yield from positional_choices(before[0], kind, before[1:])


def _arguments(command: str) -> type | None:
    """The dataclass of a command's arguments; None where there is no such command."""
    from kerneldistill.cli.run import KINDS

    if command in KINDS:
        return KINDS[command]
    if command not in COMMANDS:
        return None
    module = import_module(f"kerneldistill.cli.{COMMANDS[command].module}")
    return module.ARGUMENTS
