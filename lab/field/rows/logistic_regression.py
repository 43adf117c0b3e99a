"""Logistic regression on the features."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lab.field.head import STRENGTHS, Head

HEAD = Head(
    name="logistic regression",
    source="the plainest baseline",
    tables=("square", "words", "others"),
    estimators=lambda *_: [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300)) for c in STRENGTHS
    ],
)
