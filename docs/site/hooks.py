"""Pages of the site from outside docs/: other folders, decisions, the gallery of executed examples, llms.txt."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # source file: page of the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "backends/README.md": "backends.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/noise.md": "benchmarks-noise.md",
    "circuits/README.md": "circuits.md",
    "docs/decisions": "decisions/index.md",
    "examples": "gallery/index.md",
}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
_NEXT_CELL = "\x1e"  # printed between two cells
FIGURES = {"draw_a_circuit.py": "figure.svg"}  # the example takes the file as its argument
_INSIDE_A_NUMBER = re.compile(
    r"(?<=\d) (?=±)|(?<=○) (?=\d)|(?<=±) (?=\d)|(?<=\d,) (?=[−+]?\d)|(?<=\bp) (?=[<=])|(?<=[<=]) (?=\d)"
)
_TITLE = re.compile(r"\A\s*# .*")  # a page about a study has its short name
_TABLE = re.compile(r"^\|.*\|\n\|(?:\s*:?-+:?\s*\|)+\n(?:\|.*\|(?:\n|\Z))+", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"[*○≈~<>+−-]*\s*\d[\d\s,.:/–−+±%×*()\[\]-]*|[–—-]")
_NO_PARAGRAPH = ("#", "|", "<", "!", "```", ":::", "-", "*The notebook")
_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`\\]")  # the text of a link stays
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z`*\[])")
_TEST_NAME = re.compile(r"(?<=<code>)[\w/]*test_[\w./:\[\]-]*(?=</code>)")
_NAME_PART_END = re.compile(r"::|[/_]")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Add the pages of docs/results that the navigation does not list to its results."""
    (results,) = (entry["Results"] for entry in config.nav if "Results" in entry)
    listed = {page for entry in results for page in entry.values()}
    pages = (f"results/{file.name}" for file in sorted((ROOT / "docs" / "results").glob("*.md")))
    results += [page for page in pages if page not in listed]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/."""
    added = {
        page: (ROOT / source).read_text("utf-8")
        for source, page in PAGES.items()
        if source.endswith(".md")
    }
    pictures: dict[str, str] = {}
    added |= {"decisions/index.md": _decisions(), "gallery/index.md": _gallery(pictures)} | pictures
    for page, content in added.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_env(env: Any, config: Any, files: Files) -> Any:
    """Add llms.txt, a list of all pages of the navigation for programs that read the site."""
    pages = {
        file.src_uri: (file.url, file.page.markdown or "") for file in files.documentation_pages()
    }
    content = make_llms_text(config.site_name, config.site_description, config.nav, pages)
    files.append(File.generated(config, "llms.txt", content=content))
    return env


def make_llms_text(
    name: str, description: str, nav: list[Any], pages: Mapping[str, tuple[str, str]]
) -> str:
    """Return a site's pages in the format of llms.txt: name, description, and a list of links for each section.

    Args:
        name: Name of the site.
        description: What the site is about, in one line.
        nav: The navigation of mkdocs.yml.
        pages: Address and Markdown of each page, by its file in docs/.
    """
    sections: dict[str, list[str]] = {}
    for section, title, file in _flatten(nav):
        address, markdown = pages[file]
        summary = _first_sentence(markdown)
        note = f": {summary}" if summary else ""
        sections.setdefault(section, []).append(f"- [{title}]({address}){note}\n")
    blocks = (f"## {section}\n\n{''.join(links)}" for section, links in sections.items())
    return "\n".join([f"# {name}\n\n> {description}\n", *blocks])


def _flatten(nav: list[Any], section: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the section, title and file of each page of a navigation."""
    for entry in nav:
        ((title, content),) = entry.items()
        if isinstance(content, str):
            yield section or "Start", title, content
        else:
            yield from _flatten(content, f"{section}: {title}" if section else title)


def _first_sentence(markdown: str) -> str:
    """Return the first sentence of the first paragraph of a page without its markup, or "" if it has none."""
    for block in markdown.split("\n\n"):
        text = " ".join(block.split())
        if text and not text.startswith(_NO_PARAGRAPH):
            sentence = _SENTENCE_END.split(text, maxsplit=1)[0].rstrip(":")
            return _MARKUP.sub(r"\1", sentence)
    return ""


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files into links between pages, title pages as in the menu, and keep numbers on one line.

    Raises:
        PluginError: If a link leads to no file.
    """
    location = page.file.src_uri
    if page.title:
        markdown = _TITLE.sub(lambda _: f"# {page.title}", markdown, count=1)
    source = next(
        (file for file, target in PAGES.items() if target == location and file.endswith(".md")),
        f"docs/{location}",
    )

    def link(match: re.Match[str]) -> str:
        picture, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = os.path.normpath(Path(source).parent / target)
        found = PAGES.get(Path(path).as_posix())
        if found is None and path.startswith("docs" + os.sep):
            found = Path(path).relative_to("docs").as_posix()
        if found is not None:
            return f"{picture}[{text}]({Path(os.path.relpath(found, Path(location).parent)).as_posix()}{anchor})"
        if not (ROOT / path).exists():
            raise PluginError(f"{source} links to {target}, which is not a file of the repository")
        return f"{text} (`{Path(path).as_posix()}`)"

    markdown = _TABLE.sub(_test_second, markdown)
    markdown = _TABLE.sub(_numbers_at_the_right, markdown)
    lines = (
        _INSIDE_A_NUMBER.sub("\u00a0", line) if line.startswith("|") else line
        for line in markdown.split("\n")
    )
    return _LINK.sub(link, "\n".join(lines))


def on_page_content(html: str, **_: Any) -> str:
    """Let the names of tests break at their parts, so that tables with them fit."""
    return _TEST_NAME.sub(lambda match: _NAME_PART_END.sub(r"\g<0><wbr>", match[0]), html)


def _cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return _CELL_END.split(line.strip().removeprefix("|").removesuffix("|"))


def _test_second(table: re.Match[str]) -> str:
    """Return a table of models with the test scores beside the names, where a phone shows them without scrolling."""
    lines = table[0].rstrip("\n").split("\n")
    rows = list(map(_cells, lines))
    names = [name.strip() for name in rows[0]]
    place = next((i for i, name in enumerate(names) if name.startswith("test")), 0)
    if names[0] != "model" or place < 2:
        return table[0]
    for row in rows:
        row.insert(1, row.pop(place))
    return "".join(f"|{'|'.join(row)}|\n" for row in rows)


def _numbers_at_the_right(table: re.Match[str]) -> str:
    """Return a Markdown table whose columns of numbers are right-aligned, unless it aligns some itself."""
    _, rule, *rows = map(_cells, table[0].strip().split("\n"))
    if ":" in "".join(rule):
        return table[0]
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(rule))]
    numeric = [
        any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell) for cells in columns
    ]
    lines = table[0].split("\n")
    lines[1] = f"|{'|'.join('---:' if right else '---' for right in numeric)}|"
    return "\n".join(lines)


def _decisions() -> str:
    """Return a list of the pages in docs/decisions by their titles."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [
        (page.name, page.read_text("utf-8").splitlines()[0].removeprefix("# ")) for page in pages
    ]
    return "# Decisions\n\n" + "".join(
        f"- [{title}](../decisions/{name})\n" for name, title in titles
    )


def _gallery(pictures: dict[str, str]) -> str:
    """Return a page with the purpose, code, output and figure of each example.

    Args:
        pictures: Receives the SVG of each example that draws one, by its address.
    """
    return "# Gallery\n\nEach example was run while this page was built.\n\n" + "\n".join(
        [*_shown(pictures), *map(_notebook, NOTEBOOKS)]
    )


def _shown(pictures: dict[str, str]) -> Iterator[str]:
    for example in EXAMPLES:
        code = example.read_text("utf-8")
        module = ast.parse(code)
        title, _, rest = (ast.get_docstring(module) or example.stem).partition("\n")
        with tempfile.TemporaryDirectory() as folder:
            figure = FIGURES.get(example.name)
            printed = _run([str(example), *([figure] if figure else [])], folder)
            if figure:
                pictures[f"gallery/{example.stem}.svg"] = (Path(folder) / figure).read_text("utf-8")
        yield f"## {title.rstrip('.:')}\n\n{rest.strip()}\n"
        yield f'??? note "examples/{example.name}"\n' + _indented(
            f"```python\n{_without_docstring(code, module)}```"
        )
        yield f"```text\n{printed}```\n" + (f"\n![{title}]({example.stem}.svg)\n" if figure else "")


def _notebook(file: Path) -> str:
    """Return the cells of a notebook with their output."""
    cells = json.loads(file.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    program = f"\nprint({_NEXT_CELL!r}, flush=True)\n".join(
        source for cell, source in zip(cells, sources, strict=True) if cell["cell_type"] == "code"
    )
    with tempfile.TemporaryDirectory() as folder:
        printed = iter(_run(["-c", program], folder).split(f"{_NEXT_CELL}\n"))
    shown = [f"*The notebook `examples/{file.name}`*"]
    for cell, source in zip(cells, sources, strict=True):
        if cell["cell_type"] == "code":
            output = next(printed)
            shown += [f"```python\n{source}\n```", f"```text\n{output}```" if output else ""]
        else:
            shown.append(f"#{source}" if source.startswith("# ") else source)
    return "\n\n".join(shown) + "\n"


def _run(arguments: list[str], folder: str) -> str:
    """Run a Python script and return its output.

    Raises:
        PluginError: If the script fails.
    """
    environment = os.environ | {
        "COLUMNS": "100",
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(
            str(ROOT / part) for part in (".", "circuits", "backends", "packages")
        ),
    }
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise PluginError(f"{arguments[0]} failed:\n{done.stderr}")
    return done.stdout.replace(str(ROOT), ".")


def _without_docstring(code: str, module: ast.Module) -> str:
    return "\n".join(code.splitlines()[module.body[0].end_lineno :]).strip() + "\n"


def _indented(text: str) -> str:
    return "\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "\n"
