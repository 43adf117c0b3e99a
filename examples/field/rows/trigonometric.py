"""The class of the re-uploading circuit's values."""

from examples.field.head import Head
from examples.field.reuploading import TrigonometricPolynomial

HEAD = Head(
    name="trigonometric polynomial",
    source="class of the re-uploading circuit: all products of its frequencies",
    tables=("others",),
    module=lambda features, _: TrigonometricPolynomial(features),
)
