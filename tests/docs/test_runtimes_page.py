"""Figures of the page on language models that come from a kept record."""

from project_files import read_page, read_record


def test_the_speeds_of_runtimes_are_those_of_the_record():
    rows = read_record("docs/records/runtimes.json")["rows"]
    page = read_page("docs/language-models.md").replace(" times", "")
    speeds = {}
    for row in rows:
        speeds.setdefault(row["runtime"], []).append(
            f"{row['ratio']:.2f} ± {row['half_width']:.2f}"
        )
    first, second = speeds["openvino, bfloat16"]
    assert (
        f"was {first} as fast as torch with `minilm` and {second} with `all-mpnet-base-v2`" in page
    )
    assert f"in float32 it was {' and '.join(speeds['openvino'])} as fast" in page
    assert f"ONNX Runtime {' and '.join(speeds['onnx'])}." in page
    assert all(row["differ"] == 0 for row in rows if row["runtime"] != "torch")
    assert {row["texts"] for row in rows} == {384, 192}
