"""`python -m harness.ledger --config FILE.json`: the continuous writer as a process of its own."""

import sys

from harness.ledger.continuous import main

sys.exit(main(sys.argv[1:]))
