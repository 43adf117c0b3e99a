"""AGENTS.md, the skill and llms.txt, which programs read first: they are short, and their links and commands hold."""

import importlib.util
import re
import shlex
from types import SimpleNamespace

import pytest
from project_files import ROOT, read_page

AGENTS = ROOT / "AGENTS.md"
SKILL = ROOT / "skills" / "qllmft" / "SKILL.md"
yaml = pytest.importorskip("yaml")


def shell_commands(page):
    """Return the commands of a page's blocks, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(command, comments=True) for line in lines for command in line.split(" && ")]


@pytest.mark.parametrize("page", [AGENTS, SKILL], ids=lambda page: page.name)
def test_links_lead_to_files_and_titles(page):
    targets = re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8"))
    assert targets
    for target in targets:
        path, _, anchor = target.partition("#")
        file = page.parent / path
        assert file.exists(), target
        titles = re.findall(r"^#+ (.+)", file.read_text("utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", [AGENTS, SKILL], ids=lambda page: page.name)
def test_files_and_names_in_code_exist(page):
    codes = re.findall(
        r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    )
    paths = [code for code in codes if re.fullmatch(r"[\w./*]+(/|\.(py|toml|j2|md))", code)]
    assert not [path for path in paths if not list(ROOT.glob(path))]
    for name in re.findall(r"`make ([\w-]+)`", page.read_text("utf-8")):
        assert re.search(rf"^{name}:", read_page("Makefile"), re.MULTILINE)


def test_the_page_for_agents_is_short_and_its_commands_are_those_of_the_makefile():
    assert len(AGENTS.read_text("utf-8").splitlines()) <= 25
    makefile = read_page("Makefile")
    for command, *arguments in shell_commands(AGENTS):
        if command == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE)
        elif command != "qllmft":
            assert f"$(BIN)/{command}" in makefile
        assert all((ROOT / word).exists() for word in arguments if word.startswith("tests/"))
    assert "LIBRARY" in read_page("circuits/qllmft_circuits/ansatz.py")


def test_the_skill_has_the_front_matter_of_the_format():
    _, front_matter, body = SKILL.read_text("utf-8").split("---\n", 2)
    fields = yaml.safe_load(front_matter)
    assert set(fields) == {"name", "description", "license"}
    assert fields["name"] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert 0 < len(fields["description"]) <= 1024
    assert len(body.splitlines()) < 500


def test_the_skill_quotes_the_lines_of_a_verdict():
    verdicts = read_page("qllmft/run/verdict.py")
    rows = re.findall(r"^\| `([^`…]+) …", SKILL.read_text("utf-8"), re.MULTILINE)
    assert rows == [
        "No clear winner on",
        "Quantum head is worse than",
        "Quantum head is better than",
        "Circuit:",
        "Next:",
    ]
    for row in rows:
        assert row.removeprefix("Quantum head ") in verdicts or row in verdicts


def test_the_skill_prices_before_it_sends():
    commands = [shlex.join(command) for command in shell_commands(SKILL)]
    paid = [
        command for command in commands if "ionq_forte" in command and "--dry-run" not in command
    ]
    (submission,) = paid
    assert "--max-cost" in submission
    assert "--yes" not in submission
    (dry,) = (command for command in commands if "--dry-run" in command)
    assert commands.index(dry) < commands.index(submission)
    assert dry.partition(" --dry-run")[0] == submission.partition(" --max-cost")[0]


@pytest.fixture(scope="module")
def hooks():
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[dev]'")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "site" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class SiteFiles(list):
    """The files of a site, as MkDocs gives them to its hooks."""

    def documentation_pages(self):
        return self


def make_files(hooks, config):
    """Return a file with a page for each page of the navigation."""
    sources = {page: ROOT / source for source, page in hooks.PAGES.items()}
    files = SiteFiles()
    for _, _, uri in hooks._flatten(config.nav):
        source = sources.get(uri, ROOT / "docs" / uri)
        markdown = source.read_text("utf-8") if source.is_file() else "# A generated page\n"
        page = SimpleNamespace(markdown=markdown)
        files.append(SimpleNamespace(src_uri=uri, url=uri.replace(".md", ".html"), page=page))
    return files


def test_llms_txt_lists_each_page_of_the_navigation_once(hooks):
    values = yaml.load(read_page("mkdocs.yml"), Loader=yaml.BaseLoader)
    config = SimpleNamespace(
        site_name=values["site_name"],
        site_description=values["site_description"],
        nav=values["nav"],
        site_dir="site",
        use_directory_urls=False,
        plugins=SimpleNamespace(_current_plugin=None),
    )
    files = make_files(hooks, config)
    addresses = [file.url for file in files]
    environment = object()
    assert hooks.on_env(environment, config, files) is environment
    index = files.pop()
    assert index.src_uri == "llms.txt"
    title, summary, *sections = index.content_string.rstrip("\n").split("\n\n")
    assert title == "# qllmft"
    assert summary == f"> {values['site_description']}"
    assert all(header.startswith("## ") for header in sections[::2])
    items = [item for items in sections[1::2] for item in items.split("\n")]
    pattern = re.compile(r"- \[[^\]]+\]\(([^)]+\.html)\)(?:: [^`*]+)?")
    assert [pattern.fullmatch(item)[1] for item in items] == addresses


def test_a_note_of_llms_txt_is_the_first_sentence_without_markup(hooks):
    page = (
        "# A title\n\n| a | b |\n|---|---|\n\n[Runs](run.md) have a `name`. `qllmft` prints it.\n"
    )
    text = hooks.make_llms_text("n", "d", [{"A": "a.md"}], {"a.md": ("a.html", page)})
    assert text == "# n\n\n> d\n\n## Start\n\n- [A](a.html): Runs have a name.\n"
