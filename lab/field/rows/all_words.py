"""Logistic regression on all products of two or more bits, with an L1 penalty."""

from sklearn import __version__
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lab.field.head import Head
from lab.field.words import all_products

HAS_L1_RATIO = tuple(map(int, __version__.split(".")[:2])) >= (
    1,
    8,
)  # of scikit-learn, for the penalty's name
L1 = {"l1_ratio": 1} if HAS_L1_RATIO else {"penalty": "l1"}

HEAD = Head(
    name="all words, L1",
    source="linear model of all products of the bits, or of the signs of 8 features",
    tables=("words",),
    estimators=lambda *_: [
        make_pipeline(
            FunctionTransformer(all_products), LogisticRegression(C=c, solver="liblinear", **L1)
        )
        for c in (0.03, 0.1, 0.3, 1.0)
    ],
)
