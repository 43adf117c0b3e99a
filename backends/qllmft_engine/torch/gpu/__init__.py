"""The engine of GPUs: kernels in Triton that apply several gates in one launch."""
