"""Python imports this at its start where PYTHONPATH names the folder, as in the processes of perturbed tests."""

import os

from last_bits import VARIABLE, perturb_imports

if seed := os.environ.get(VARIABLE):
    perturb_imports(int(seed))
