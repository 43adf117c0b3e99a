"""What the tests of mitigation share with those of machines."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "machines"))
