"""Makes the checkout service importable: it is no part of the harness, but of an image.

Its tests import by name at run time, and only modules that need nothing but the standard library.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "lab" / "images" / "checkout"))
