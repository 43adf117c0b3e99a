"""Qiskit Aer as backends: exact on CPU or GPU, and with the gate noise of IonQ's Forte. Needs the extra ``aer``."""
