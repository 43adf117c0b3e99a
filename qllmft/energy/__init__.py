"""Energy of one inference with the head: on a QPU, on a GPU by state vector, and measured on this machine."""
