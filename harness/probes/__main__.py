"""`python -m harness.probes --config FILE.json`: the prober as a process of its own."""

import sys

from harness.probes.main import main

sys.exit(main(sys.argv[1:]))
