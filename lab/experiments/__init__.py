"""The experiments behind the pages and the decisions of docs/, on the public interface of qllmft.

Each module is a command, ``python -m lab.experiments.one_head --help``, and keeps its results in docs/records.
`common` has what they share: texts and their embeddings, records that a later call continues, and pages.
"""
