"""The `harness` program: finds the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from harness import __version__
from harness.cli.exit import TABLE
from harness.errors import HarnessError, HealError, Interrupted

# Command -> the module that holds it and its one-line help: modules are imported when their
# command is called, so that `harness --help` does not pay for boto3 and numpy.
COMMANDS = {
    "demo": "Rehearse on the practice platform: real servers, two minutes, a report",
    "run": "Perform a suite in an environment, judge it and write its report",
    "plan": "Print what a run would do, and what it would touch; touches nothing",
    "analyse": "Judge a stored run again; no server is needed",
    "report": "Render a stored run: terminal, HTML, JUnit, metrics",
    "controls": "Say what runs support or contradict of NIST, SOC 2, ISO, DORA, ...",
    "actions": "List what runs found to be mended, and whose it is",
    "seal": "Sign the evidence of a run, so that a change of it is found",
    "verify": "Say whether sealed evidence was changed, and what of it",
    "archive": "Keep sealed runs in a locked bucket, and fetch them from there",
    "notify": "Tell whoever an environment names of a run",
    "calibrate": "Prove that the harness notices damage: plant it, and look",
    "targets": "List and check the documented targets",
    "coverage": "Say which targets are proved, by which runs, and what is owed",
    "serve": "Show runs, targets, coverage and the run that goes on, in a browser",
    "history": "Say what each target showed over all runs, and where it goes; prune old runs",
    "backup": "Back a Redis cluster up to S3, once or continuously",
    "ledger": "Write the ledger of acknowledged writes that RPA is measured by",
    "lab": "A Kubernetes cluster on this machine, made to be broken",
    "abort": "Stop the drill that is going on; it puts everything back",
    "recover": "Put back what a killed harness left behind",
}

# Called by the harness itself.
_HIDDEN = ("experiment", "watchdog")


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS and name not in _HIDDEN:
            return None
        module = importlib.import_module(f"harness.cli.{name}")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"harness.cli.{name}.command is no command")
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "HARNESS"},
    epilog=TABLE,
)
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Rehearses disasters on a real platform and says, with evidence, which documented targets
    it met.

    \b
    First time here:   harness demo
    Your own backups:  harness plan weekly-restore -e ENVIRONMENT, then harness run

    The result goes to standard output, the narration to standard error. Every option can be given
    as HARNESS_COMMAND_OPTION in the environment.
    """


def main(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one for each way out
    """Runs one command and returns its exit code (harness.cli.exit)."""
    try:
        result = cli.main(args=list(arguments), prog_name="harness", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HealError as error:
        _say("CLEAN-UP FAILED", error)
        return error.exit_code
    except HarnessError as error:
        _say("error", error)
        return error.exit_code
    except Interrupted as interruption:
        sys.stderr.write(f"interrupted by {interruption}; everything was put back\n")
        return interruption.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted before anything was touched\n")
        return 130
    except BrokenPipeError:
        # The reader of our output left (`| head`): nothing is wrong with the run.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def run() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def _say(kind: str, error: HarnessError) -> None:
    sys.stderr.write(f"{kind}: {error}\n")
    if error.hint:
        sys.stderr.write(f"   try: {error.hint}\n")
