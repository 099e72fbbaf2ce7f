"""Starts the service: `python -m checkout`; `--help` lists the settings. Bad ones: exit code 2."""

import os
import sys

from checkout.settings import CheckoutSettings, SettingsError, read_checkout, usage


def main() -> int:
    """Reads the environment, serves until SIGTERM, and says how it ended."""
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.stdout.write(usage("python -m checkout", read_checkout))
        return 0
    if sys.argv[1:]:
        sys.stderr.write("checkout: takes no arguments; --help lists its settings\n")
        return 2
    try:
        settings: CheckoutSettings = read_checkout(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"checkout: {error}\n")
        return 2
    import uvloop

    from checkout import service

    uvloop.run(service.serve(settings))
    return 0


sys.exit(main())
