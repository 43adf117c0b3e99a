"""Classical content of a trained head: quadratic forms, bond dimensions, kernels, and twins without entanglement."""
