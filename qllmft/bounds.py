"""Bounds of settings, language models and files of runs, so that a small file is not the cause of large work.

The package `qllmft_base` has the bounds of any file, and of memory and operations.
"""

from __future__ import annotations

# settings of a model
MAX_CIRCUIT_QUBITS = 30  # of a circuit: 4 GiB of amplitudes per sample
# of the circuits of a part, which need 6 s and 0.6 GB then; the paper's largest has about 1,600
MAX_CIRCUIT_GATES = 10_000
MAX_LATENT_VALUES = 4_096  # qubits of a head in all registers, and encoders behind them
MAX_HIDDEN_UNITS = 16_384  # of a network
MAX_OBSERVABLES = 4_096  # of a head
MAX_MATRIX_ENTRIES = 2**27  # of a weight matrix: 0.5 GiB
MAX_SUPPORT_VECTORS = 200_000  # of a kept model
MAX_PROMPT_CHARACTERS = 10_000  # before each text, with which it is read anew
MAX_SETTING_SECTIONS = 8  # in the name of a setting; the deepest in a configuration has three
MAX_LORA_RANK = 4_096  # of an adapter, as large as the width of a layer
MAX_LORA_MODULES = 2_000  # names; PEFT compares each with all others
LARGEST_FORMULA_CONSTANT = 1e18  # of the formulas of energy, so that no energy overflows
MAX_GATE_S = 1.0  # of a machine's file; a longer gate is one in microseconds

# labels and targets of a corpus
MAX_LABELS = 1_000  # different ones; more are mostly a wrong column
LARGEST_TARGET = 1e15  # size of a target; squares of larger ones would overflow in training

# JSON and text files of a language model
MAX_BODY_TEXT_BYTES = 2**27  # of one file; tokenizers of many languages have 35 MB
MAX_MODULES = 20  # each loads its weights anew; published models have up to 6
LARGEST_BODY_INTEGER = 2**63  # as other libraries hold it
LARGEST_TENSOR_SIDE = 2**24  # by the configuration; vocabularies have up to 262,144 words
MAX_LAYERS = 200  # each is built as objects
MAX_INNER_LAYERS = 4  # in each of the layers
MAX_WINDOW_TOKENS = 1_024  # to which Longformer lengthens each text
MAX_BODY_LABELS = 2**16  # each gets a name
MAX_EXTRA_TOKENS = 1_000  # of T5, which has 100
MAX_SPARE_PARAMETERS = 2**24  # beyond those of the weights, which may lack a pooler

# tokenizer of a language model
MAX_TEXT_GROWTH = 10_000  # times, by the steps before the words, in bytes
MAX_TOKENIZER_STEPS = 30  # before the words
MAX_PIECE_CHARACTERS = 100  # that replace one, or that precede a part of a word
MAX_WORD_CHARACTERS = 1_000  # the time for a word grows with the square
MAX_TEMPLATE_CHARACTERS = 10_000  # of special tokens around a text

# Python file of an own head
MAX_HEAD_FILE_BYTES = 1 << 20

# files in the folder of a run
MAX_CHECKPOINT_EPOCHS = 2**53  # a float holds each smaller number
LARGEST_METRIC = 1e300  # of a line's numbers; axes of a figure multiply them
MAX_LOCK_HOLDER_BYTES = 1_000  # a process and its machine in a line
MAX_PID_DIGITS = 10  # in the name of a temporary file; the number of a process has fewer
MAX_DEVICES = 20  # whose labels a page shows
MAX_TRACKED_FILE_BYTES = 10_000_000  # larger files are not sent to a tracker
