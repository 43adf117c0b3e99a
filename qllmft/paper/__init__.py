"""The paper's numbers held against those of runs: one page, and its figures redrawn.

`results` has what runs say of the paper's experiments, `figures` draws it, `page` lays it beside what is printed.
"""
