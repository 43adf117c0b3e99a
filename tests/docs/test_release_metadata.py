"""Metadata of the built package: its page on PyPI has addresses, and no link that leads nowhere."""

import os
import re
import subprocess
import sys
from email import message_from_bytes

import pytest
import yaml
from project_files import ROOT, read_page

BUILD = (
    "import sys; from hatchling.build import prepare_metadata_for_build_wheel as p; p(sys.argv[1])"
)


def metadata(folder, **environment):
    env = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, env=env | environment, check=True
    )
    (file,) = folder.glob("*.dist-info/METADATA")
    return message_from_bytes(file.read_bytes())


@pytest.fixture(scope="module")
def release_metadata(tmp_path_factory):
    server = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "ann/qllmft"}
    return metadata(tmp_path_factory.mktemp("released"), **server)


def links(text):
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)


def test_a_release_names_its_addresses(release_metadata):
    urls = dict(line.split(", ") for line in release_metadata.get_all("Project-URL"))
    assert set(urls) == {"Paper", "Homepage", "Documentation", "Changelog", "Issues"}
    assert urls["Homepage"] == "https://github.com/ann/qllmft"
    assert (
        urls["Changelog"]
        == f"https://github.com/ann/qllmft/blob/v{release_metadata['Version']}/CHANGELOG.md"
    )
    classifiers = release_metadata.get_all("Classifier")
    assert "Programming Language :: Python :: 3.13" in classifiers
    systems = [line for line in classifiers if line.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]  # the others are untested
    assert "Untested: Windows and macOS." in release_metadata.get_payload()


def test_all_links_of_a_release_are_absolute_and_lead_to_files(release_metadata):
    page_links = links(release_metadata.get_payload())
    base = f"https://github.com/ann/qllmft/(?:blob|raw)/v{release_metadata['Version']}/"
    paths = [
        re.sub(base, "", link) for link in page_links if link.startswith("https://github.com/ann/")
    ]
    assert len(paths) >= 12
    assert all(link.startswith(("https://", "#")) for link in page_links)
    assert [path for path in paths if not (ROOT / path.partition("#")[0]).exists()] == []
    assert (
        f"/raw/v{release_metadata['Version']}/docs/pipeline.svg" in release_metadata.get_payload()
    )


def test_a_build_elsewhere_invents_no_address(tmp_path):
    built = metadata(tmp_path)
    assert built.get_all("Project-URL") == ["Paper, https://arxiv.org/abs/2504.08732"]
    assert [link for link in links(built.get_payload()) if not link.startswith("https://")] == []
    assert "Guide (`docs/guide.md`)" in built.get_payload()


def test_the_citation_names_the_version_and_the_paper():
    citation = yaml.safe_load(read_page("CITATION.cff"))
    (paper,) = citation["references"]
    assert f"## {citation['version']}" in read_page("CHANGELOG.md")
    assert (paper["identifiers"][0]["value"], paper["date-published"]) == (
        "arXiv:2504.08732",
        "2025-04-11",
    )
