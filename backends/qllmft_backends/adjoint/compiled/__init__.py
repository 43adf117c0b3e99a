"""What numba compiles: kernels on registers of 64 bytes, from single gates up to whole programs."""

from pathlib import Path

from qllmft_backends.adjoint.compiled.work_queue import serve
from qllmft_backends.adjoint.kernel_cache import drop_stale_kernels

_FOLDER = Path(__file__).parent
# before the first kernel is loaded, whichever module has it; numba has one cache for those of this folder
drop_stale_kernels(
    [*_FOLDER.glob("*.py"), *_FOLDER.with_name("program").glob("*.py")],
    Path(serve.stats.cache_path),
)
