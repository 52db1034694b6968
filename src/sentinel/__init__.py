"""Another spelling of names in `aegis`, for programs whose first line is `from sentinel import …`.

The names are in the alias table of `aegis.surfaces.library.aliases`; this file only puts the
table's module in its own place.
"""

import sys
from importlib.util import module_from_spec

from aegis.surfaces.library.aliases import FINDER

sys.modules[__name__] = module_from_spec(FINDER.find_spec(__name__))
