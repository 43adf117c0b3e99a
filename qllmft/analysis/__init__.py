"""Classical content of a trained head: quadratic forms, bond dimensions, kernels, and a twin without entanglement."""
