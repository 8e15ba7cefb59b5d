"""How a command that failed says why."""

from __future__ import annotations

import sys
import traceback

from harvester.app import ExitCode, code_of_error, error_texts, printable
from harvester.cli.invocation import Invocation
from harvester.cli.output.emit import emit_json
from harvester.cli.output.logs import make_logger


def report_error(error: BaseException, invocation: Invocation, *, code: ExitCode | None = None) -> ExitCode:
    """Log what went wrong, and print it as JSON too if JSON was asked for.

    Returns:
        `code`, or else the exit code that belongs to the error.
    """
    code = code_of_error(error) if code is None else code
    texts = error_texts(error)
    if invocation.verbose:
        _print_traceback(error)
    log = make_logger(invocation)
    for text in texts:
        log.error(text, exit_code=code.value, exit=code.label)
    if invocation.json:
        emit_json({"exit_code": code.value, "exit": code.label, "errors": texts})
    return code


def _print_traceback(error: BaseException) -> None:
    for block in traceback.format_exception(error):
        for line in block.rstrip().splitlines():
            print(printable(line), file=sys.stderr)
