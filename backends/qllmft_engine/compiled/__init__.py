"""What numba compiles: kernels on registers of 64 bytes, from single gates up to whole programs."""
