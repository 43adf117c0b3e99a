"""`qllmft explain`: nearest training texts of a text, and the effect of each of its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import PlainConsole, numbers, plain_table, say, say_json, texts
from qllmft.cli.options import Json, RunFolderArgument

if TYPE_CHECKING:
    from rich.console import Console

    from qllmft.inference.explanation import Explanation


def explain(
    run: RunFolderArgument,
    text: Annotated[str, typer.Argument(help="Text to explain the answer for.")],
    nearest: Annotated[int, typer.Option(min=0, help="Number of training texts.")] = 5,
    words: Annotated[
        int, typer.Option(min=0, help="Number of words, those with the largest effect.")
    ] = 10,
    json: Json = False,
) -> None:
    """Explain the answer for a text by the training texts that are nearest, and by its words.

    A word's effect is the probability of the answer with it minus that without it, in percentage points. Words are left
    out one at a time: of two words with the same meaning, both may show no effect.
    """
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference import Predictor
    from qllmft.inference.explanation import explain_text

    console = PlainConsole(stderr=json)
    with ConsoleListener(console) as listener:
        found = explain_text(Predictor.load(run), run, text, nearest=nearest, on_event=listener)
    if json:
        say_json(found.as_dict())
    else:
        _print(found, words, console)


def _print(found: Explanation, words: int, console: Console) -> None:
    answer = found.prediction
    say(f"{answer.label}, probability {answer.probabilities[answer.label]:.4f}", console)
    if words and found.words:
        effects = numbers("position", "effect")
        table = plain_table(*texts("word"), *effects, "answer without it")
        for word in found.words[:words]:
            table.add_row(word.word, f"{word.position}", f"{100 * word.effect:+.2f}", word.label)
        console.print(table)
    if found.note:
        say(f"no nearest texts: {found.note}", console)
    elif found.neighbours:
        table = plain_table(*numbers("cosine"), "label", *texts("training text"))
        for each in found.neighbours:
            table.add_row(f"{each.cosine:.3f}", each.label, each.text)
        console.print(table)
