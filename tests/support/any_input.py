"""Input of every kind for the properties: files that were damaged, text, JSON; and how many examples there are."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# environment: examples of each property, in the place of the few of the fast tests
EXAMPLES = "QLLMFT_EXAMPLES"
INSERTED = [
    b"NaN",
    b"1e999",
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"\n",
    b"\0",
    b"\xff",
    b"9" * 5_000,
]
ODD_VALUES = [
    10**400,
    -(10**400),
    1e308,
    -1,
    10**19,
    math.nan,
    math.inf,
    True,
    None,
    "x",
    "\ud800",
    [],
    {},
    0.5,
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)


def examples(few: int) -> settings:
    """So many examples in the fast tests; the number of the environment in the thorough ones."""
    return settings(
        max_examples=int(os.environ.get(EXAMPLES, few)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """``content`` with one to three parts of it cut out, repeated or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 2, 8, 64, len(content)])))
        new = draw(
            st.one_of(
                st.just(b""),
                st.just(2 * content[start:end]),
                st.binary(max_size=4),
                st.sampled_from(INSERTED),
            )
        )
        content = content[:start] + new + content[end:]
    return content


def contents(folder: Path) -> dict[str, Any]:
    """Bytes of every file below ``folder``, by name."""
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values in JSON, of the first two entries of a list."""
    yield path
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:2])
        if isinstance(value, list)
        else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """JSON with another value at a place."""
    if not path:
        return value
    changed = content.copy()
    changed[path[0]] = with_value(content[path[0]], path[1:], value)
    return changed
