"""The paper's numbers beside those of runs, its figures, and maps of studies, on the public interface of qllmft.

`python -m lab.paper` has the commands. `runs` and `measured` read the paper's experiments, `catalogue` has the
figures by name, `page` and `maps` write the pages.
`python -m lab.paper.best_epoch` is an experiment with a page of its own.
"""
