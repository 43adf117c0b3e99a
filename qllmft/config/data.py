"""Configuration of the texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from qllmft.config.requirements import DATA
from qllmft.config.section import NEUTRAL, Count, Fraction, Positive, Revision, Section
from qllmft.tasks import TASKS, TaskName

BUILT_IN_CORPUS = "reviews"  # corpus in the package
# prefix of the source of texts that were no file; their kind, size and hash follow
IN_MEMORY = "in memory: "
PAPER_PER_LABEL = 256
PAPER_TEXTS = 512  # of texts with real targets or several labels: as many as of two labels
PairFeatures = Literal["all", "both", "difference", "product"]
BUILT_IN_PER_LABEL = 200
# in the place of what `qllmft predict` answers
SINGLE_TEXT = "'your text'"
PAIR_OF_TEXTS = "'first text' 'second text'"
# calibration texts; fewer decide no label at a share of 5 % of wrong ones, see `qllmft_machines.trust`
MIN_CALIBRATION_TEXTS = 19


class DataConfig(Section):
    """Source of the labelled texts, and how they are split."""

    requirements: ClassVar = DATA
    # "reviews" (in the package), a file, a folder of splits, or a data set on the hub
    source: str = "SetFit/sst2"
    subset: str | None = None  # configuration of a hub data set
    revision: Revision | None = None  # revision of a hub data set
    # column of the texts, or both columns of pairs
    text_column: str | tuple[str, str] = "text"
    # column of the labels, or those of several real targets, or of labels as 0 and 1; a column of several labels has
    # their lists
    label_column: str | Annotated[tuple[str, ...], Field(min_length=1)] = "label"
    # paper: draw n_per_label of each label, test on the rest; given: the data's own splits; split:
    # the data's own test split, or a part of all rows
    protocol: Literal["paper", "given", "split"] = "paper"
    # number of texts drawn per label; None: 256, 200 of "reviews", or all with the protocols "given"
    # and "split"; of all texts 512 in another task than classification
    n_per_label: Positive | None = None
    # share of the rows for the test, with protocol "split"
    test_size: Annotated[Fraction, NEUTRAL] = 0.2
    # number of folds of cross-validation, and the fold that is the test, from 0; None: one test set
    folds: Annotated[Annotated[int, Field(ge=2)] | None, NEUTRAL] = None
    fold: Annotated[Count | None, NEUTRAL] = None
    # number of folds of the other rows that validate, so that every model is trained on all of them and its validation
    # score is cross-validated; None: a part of them validates, and is not trained on
    validation_folds: Annotated[Annotated[int, Field(ge=2)] | None, NEUTRAL] = None
    # number of texts kept apart, which neither train nor validate: the calibration texts of --known-texts; None: the
    # validation texts, none with validation_folds
    known_texts: Annotated[Annotated[int, Field(ge=MIN_CALIBRATION_TEXTS)] | None, NEUTRAL] = None
    # column of groups, such as authors, each in one part alone
    group_column: Annotated[str | None, NEUTRAL] = None
    # column of dates or numbers: the earliest rows train, the latest are the test
    time_column: Annotated[str | None, NEUTRAL] = None
    # column of one table that names the split of each row: train, validation (or val, dev) and test
    split_column: Annotated[str | None, NEUTRAL] = None
    # column of numbers that weigh the rows in training, 0 or more; only their ratios count
    weight_column: Annotated[str | None, NEUTRAL] = None
    # share of the drawn texts for training; the rest is for validation
    train_fraction: Fraction = 0.85
    # separator of fields in a .csv, .tsv or .txt file; None: it is found
    delimiter: str | None = None
    # names of all columns of a file without a line of names, such as "label,text"; None: the file has that line
    column_names: Annotated[tuple[str, ...] | None, NEUTRAL] = None
    # rows without a text or a label, and lines that are no rows
    bad_rows: Literal["error", "skip"] = "error"
    # labels such as nan, null, n/a, - and ?: error, or keep them as labels; bad_rows = "skip" leaves their rows out
    missing_labels: Annotated[Literal["error", "keep"], NEUTRAL] = "error"
    # make one label of those that differ only in capitals, blanks, Unicode forms, or as 1 and 1.0
    merge_labels: Annotated[bool, NEUTRAL] = False
    # labels with too few texts for every part of the split: error; train: their rows are for training alone, and labels
    # that only a given test has count as missed; other: they become one label of that name; drop: they are left out
    rare_labels: Annotated[Literal["error", "train", "other", "drop"], NEUTRAL] = "error"
    # repeated texts, but for capitals, white space and invisible characters: all are kept, or all but one copy dropped,
    # and texts with several labels
    duplicates: Literal["keep", "drop"] = "keep"
    # regression: the label columns hold real numbers; multilabel: each text has any number of
    # labels
    task: Annotated[TaskName, NEUTRAL] = "classification"
    # labels are whole numbers in an order, such as stars: scores of distances stand beside the accuracy
    ordered: Annotated[bool, NEUTRAL] = False
    # vector of a pair with embeddings u and v: difference |u - v|, product u·v by entry, or both,
    # one after the other
    pair_features: Annotated[PairFeatures, NEUTRAL] = "both"
    # between the labels of a text; None: the column has lists
    label_separator: Annotated[str | None, NEUTRAL] = None

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`."""
        settings = super().identifying_settings() | {"text_column": self.text_columns[0]}
        if self.pair_column is not None:
            settings["pair_column"] = self.pair_column
        if self.targets:
            settings |= {"label_column": "label", "targets": list(self.targets)}
        return settings

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ValueError("expected one character, such as ';', or \\t for the tab")
        return delimiter

    @field_validator("column_names", mode="before")
    @classmethod
    def _split_names(cls, names: Any) -> Any:
        return tuple(map(str.strip, names.split(","))) if isinstance(names, str) else names

    @field_validator("column_names")
    @classmethod
    def _check_different(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and not (names and all(names) and len({*names}) == len(names)):
            raise ValueError("expected a different name for each column, such as label,text")
        return names

    def _contradictions(self) -> Iterator[str]:
        names = (*self.text_columns, *self.label_columns, *self.options_of_columns)
        if len(set(names)) < len(names):
            yield f"the columns of texts and labels are {', '.join(names)}, expected different ones"
        if fault := TASKS[self.task].column_fault(self.targets):
            yield fault
        if self.label_separator is not None and not self.label_separator.strip(" "):
            yield f"label_separator is {self.label_separator!r}, expected a character such as ','"
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            yield f"fold is {self.fold} and folds {self.folds}, expected a number of folds above it"

    def neutral_settings(self) -> set[str]:
        """Return the names of settings that change no result, features of pairs among them if texts are single."""
        return super().neutral_settings() | (
            {"pair_features"} if self.pair_column is None else set()
        )

    @property
    def example_texts(self) -> str:
        """Return what a command line has in the place of a text, or of a pair of texts."""
        return SINGLE_TEXT if self.pair_column is None else PAIR_OF_TEXTS

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Return the column of the texts, or both of pairs."""
        return (self.text_column,) if isinstance(self.text_column, str) else self.text_column

    @property
    def pair_column(self) -> str | None:
        """Return the column of the second texts of pairs, or None if texts are single."""
        return None if isinstance(self.text_column, str) else self.text_column[1]

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the columns of several targets or labels, or none if one column has the labels."""
        return () if isinstance(self.label_column, str) else self.label_column

    @property
    def columns(self) -> tuple[str, ...]:
        """Return all columns that are read, without names of labels."""
        key = () if self.key_column is None else (self.key_column,)
        return (*self.text_columns, *self.label_columns, *key, *self.options_of_columns)

    @property
    def options_of_columns(self) -> dict[str, str]:
        """Return the options that name further columns, by their columns."""
        options = {self.split_column: "--split-column", self.weight_column: "--weight-column"}
        return {column: option for column, option in options.items() if column is not None}

    @property
    def key_column(self) -> str | None:
        """Return the column of the rows' groups or times, or None."""
        return self.group_column or self.time_column

    @property
    def pair(self) -> PairFeatures | None:
        """Return the features of pairs, or None if texts are single."""
        return None if self.pair_column is None else self.pair_features

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Return the columns of the labels or targets."""
        return (self.label_column,) if isinstance(self.label_column, str) else self.label_column

    @property
    def has_lists(self) -> bool:
        """Return whether the label column holds the labels of each text together."""
        return TASKS[self.task].several and not self.targets

    @property
    def has_label_names(self) -> bool:
        """Return whether the cells of the label column hold names of labels, and neither targets nor 0 and 1."""
        return not self.targets and not TASKS[self.task].real

    @property
    def drawn_per_label(self) -> int | None:
        """Return n_per_label or its default: 256 in the paper's protocol (200 for the corpus "reviews"), else all.

        It is the number of all texts to draw, by default 512, of real targets and of several labels.
        """
        if self.n_per_label is not None or self.protocol != "paper":
            return self.n_per_label
        if not TASKS[self.task].one_label:
            return PAPER_TEXTS
        return BUILT_IN_PER_LABEL if self.source == BUILT_IN_CORPUS else PAPER_PER_LABEL
