"""The class of the re-uploading circuit's values."""

from lab.field.head import Head
from lab.field.reuploading import TrigonometricPolynomial

HEAD = Head(
    name="trigonometric polynomial",
    source="class of the re-uploading circuit: all products of its frequencies",
    tables=("others",),
    module=lambda features, _: TrigonometricPolynomial(features),
)
