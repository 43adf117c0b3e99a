"""README: its order, the words of its first screens, and the size on disk that it shares with the Makefile."""

import re
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from project_files import ROOT, read_page

from packages import PACKAGES
from qllmft.config.presets import DEFAULT_PRESET, load_preset

README = read_page("README.md")
FIRST_PAGE = read_page("docs/index.md")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.toml"))),
    *(file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.j2"))),
]
UNCLEAR = (
    "killed run continues",
    "Bodies that learn",
    "keeps what there is",
    "the same command goes on",
    "Not tried so far",
)


def test_the_order_is_purpose_command_output_table_and_places_to_go():
    first = README.partition("\n## ")[0]
    assert 1 <= first.partition("```")[0].count(".\n") <= 5
    assert first.index("```sh") < first.index("```text")
    assert not re.search(r"^\|", first, re.MULTILINE)
    sections = re.findall(r"^## (.*)$", README, re.MULTILINE)
    assert sections == ["Install", "Results", "Speed", "Where to go"]
    results = README.partition("\n## Results\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\|-", results, re.MULTILINE)) == 1
    assert len(re.findall(r"^\|", results, re.MULTILINE)) == 2 + 4
    assert "|" not in results.partition("\n|")[0]


def test_the_readme_is_short():
    assert len(README) <= 7000


def test_the_readme_and_the_first_page_show_the_same_output():
    assert re.search(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0] in FIRST_PAGE


def test_the_picture_has_the_text_and_the_label_that_the_first_page_prints():
    printed = re.search(r"^(\w+)\t([\d.]+)\t(.+)$", FIRST_PAGE, re.M)
    label, probability, text = printed.groups()
    picture = read_page("docs/pipeline.svg")
    assert f">“{text}”<" in picture
    assert f">{label} {float(probability):.2f}<" in picture


def test_the_folders_of_the_readme_are_those_of_its_command():
    (line,) = re.findall(r"^qllmft train (--folds \d+)$", README, re.MULTILINE)
    config = load_preset(DEFAULT_PRESET).config({"data.folds": int(line.split()[1])})
    assert set(re.findall(r"runs/(\w+)", README)) == {config.identity}
    assert set(re.findall(r"runs/(\w+)", FIRST_PAGE)) == {config.identity}


def test_words_of_the_readme_are_in_the_glossary():
    words = ("No-circuit ablation", "Circuit dependence", "Minimum detectable effect", "Baseline")
    glossary = read_page("docs/glossary.md")
    assert [word for word in words if f"### {word}\n" not in glossary] == []
    assert not re.search("odd readout", README)


def test_old_addresses_of_the_guide_lead_to_rows_of_pages():
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', read_page("docs/guide.md")))
    links = {
        (page.name, anchor)
        for page in PAGES
        for anchor in re.findall(r"guide\.md#([^)\s]+)\)", page.read_text("utf-8"))
    }
    assert [link for link in links if link[1] not in anchors] == []


@pytest.mark.parametrize("words", UNCLEAR)
def test_unclear_words_are_on_no_page(words):
    assert [page.name for page in PAGES if words.lower() in page.read_text("utf-8").lower()] == []


def find_installed(name, extra=""):
    """Return the distributions that an installed one needs, by name."""
    distributions = {}
    missing = [(name, extra)]
    while missing:
        name, extra = missing.pop()
        distributions[name] = metadata.distribution(name)
        for line in distributions[name].requires or []:
            need = Requirement(line)
            if need.name not in distributions and (
                need.marker is None or need.marker.evaluate({"extra": extra})
            ):
                missing.append((need.name, ""))
    return distributions


def sizes():
    """Return what the Makefile says of the size on disk."""
    (sizes_text,) = re.findall(r"on disk about (.*?)\)", read_page("Makefile"))
    return sizes_text


def test_the_size_on_disk_is_the_makefiles():
    assert sizes() in README


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sizes are those on Linux")
def test_the_size_on_disk_is_that_of_the_installed_packages():
    if "+cpu" not in metadata.version("torch"):
        pytest.skip("PyTorch is not the build for the CPU")
    cpu, cuda = map(float, re.findall(r"([\d.]+) GB", sizes()))
    size = sum(
        file.stat().st_size
        for distribution in find_installed("qllmft", "demo").values()
        for file in map(distribution.locate_file, distribution.files or [])
        if file.is_file()
    )
    assert cpu < cuda
    assert 0.7 < size / 1e9 / cpu < 1.3  # uv leaves out the compiled files
