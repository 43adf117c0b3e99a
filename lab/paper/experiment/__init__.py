"""The paper's experiment at its own size: a plan, its trainings, their counts, and five readings of them.

`plan` reads ``plan.toml``, `training` and `grids` do one entry of it, `runner` does all of them, and `records` keeps
the counts of right answers. `readings` makes accuracies of the counts, and `page` writes them beside the paper's.
"""
