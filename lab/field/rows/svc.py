"""Support vector classifier with an RBF kernel."""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lab.field.head import Head

HEAD = Head(
    name="SVC",
    source="baseline of arXiv 2605.11213",
    tables=("words",),
    estimators=lambda *_: [make_pipeline(StandardScaler(), SVC(C=c)) for c in (0.1, 1.0, 10.0)],
)
