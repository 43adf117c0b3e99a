"""The tests in `simulated` run in a process of their own, where numba simulates a GPU; see `test_cuda_simulated.py`."""

import numba

collect_ignore = [] if numba.config.ENABLE_CUDASIM else ["simulated"]
