"""Logistic regression on the products of two features over the squared length."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lab.field.certificates import unit_products
from lab.field.head import STRENGTHS, Head

HEAD = Head(
    name="normalised quadratic",
    source="control of arXiv 2609.37134: affine in the products, as logistic regression",
    tables=("square", "others"),
    estimators=lambda *_: [
        make_pipeline(
            FunctionTransformer(unit_products),
            StandardScaler(),
            LogisticRegression(C=c, max_iter=300),
        )
        for c in STRENGTHS
    ],
)
