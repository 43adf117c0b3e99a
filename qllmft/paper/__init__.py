"""The paper's numbers compared with those of runs, and its figures redrawn.

`results` reads the paper's experiments from runs, `figures` draws them, and `page` compares them with the printed ones.
"""
