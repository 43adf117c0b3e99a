"""Search space of a sweep, from its TOML file."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError, model_validator

from qllmft.baselines import BASELINES
from qllmft.config.toml_files import validate_content
from qllmft_base.errors import UserError
from qllmft_base.plugins import BUILT_IN
from qllmft_base.validation import faults
from qllmft_studies.file import CampaignFile, Quick, read_campaign_file
from qllmft_studies.grid import Parameter, grid_size

UNSEARCHED_SETTINGS = {  # settings that no search varies
    "seed": "the best of several seeds is a lucky one. Choose their number with --seeds",
    "data.task": "two tasks have two scores, which cannot be compared. Write a search for each",
}


class Space(CampaignFile):
    """Search space of a sweep: a grid of parameters, or the grid of a classical baseline."""

    table: str = "none"  # of the paper, in Roman numerals; "none" if it has none
    preset: str = ""  # of the configurations
    parameters: tuple[Parameter, ...] = ()  # varied settings
    # parameters that make the rows of the paper's results; the best of each row is tested
    rows: tuple[str, ...] = ()
    # baseline whose own grid is searched; preset and parameters are empty then
    grid_of: str | None = None

    @model_validator(mode="after")
    def _check_search(self) -> Space:
        if self.grid_of is None:
            if not (self.preset and self.parameters):
                raise ValueError(
                    "a search needs a preset and [[parameters]], each with a setting and its values"
                )
        elif self.grid_of not in BASELINES or not BASELINES[self.grid_of].is_grid:
            built_in_baselines = [name for name in BASELINES if BASELINES.source(name) == BUILT_IN]
            grids = [name for name in built_in_baselines if BASELINES[name].is_grid]
            raise ValueError(f"grid_of is {self.grid_of!r}, expected one of {', '.join(grids)}")
        elif self.preset or self.parameters or self.quick:
            raise ValueError(
                f"grid_of searches the grid of {self.grid_of} itself. Omit preset, parameters and quick"
            )
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) < len(names):
            raise ValueError(f"two parameters have the same name. There are {', '.join(names)}")
        self._check_varied_settings()
        if unknown := set(self.rows) - {p.name for p in self.parameters if p.scale is None}:
            raise ValueError(
                f"rows of {', '.join(sorted(unknown))}, which is no parameter without a scale"
            )
        if self.quick and (unknown := self.quick.values.keys() - set(names)):
            raise ValueError(f"quick.values of {', '.join(sorted(unknown))}, which is no parameter")
        return self

    def _check_varied_settings(self) -> None:
        """Raise ValueError if a setting would have two values, or is not one of a search."""
        varied_settings = [setting for p in self.parameters for setting in p.settings]
        for setting in varied_settings:
            if setting in UNSEARCHED_SETTINGS:
                raise ValueError(f"a parameter is {setting}, and {UNSEARCHED_SETTINGS[setting]}")
            if varied_settings.count(setting) > 1:
                raise ValueError(f"{setting} is in two parameters. Omit it from one of them")
            if setting in self.settings or (self.quick and setting in self.quick.settings):
                raise ValueError(f"settings has {setting}, which a parameter varies. Omit one")

    @property
    def size(self) -> int:
        """Return the number of points of the grid."""
        return grid_size(self.parameters)

    def _small_parts(self, quick: Quick) -> dict[str, Any]:
        return {
            "name": f"{self.name}-quick",
            "title": f"{self.title}, in small",
            "parameters": [
                parameter.with_values(quick.values[parameter.name])
                if parameter.name in quick.values
                else parameter
                for parameter in self.parameters
            ],
        }


def load_space(choice: str) -> Space:
    """Load a search space of the package by its name, or one's own by the path of its TOML file."""
    name, tree = read_campaign_file(choice)
    if "subject" in tree:
        raise UserError(f"{choice} is a study and no search space. Use `qllmft study {choice}`.")
    space = validate_content(Space, {"name": name, **tree}, f"sweep {choice}")
    try:
        if space.quick:
            space.in_small()
        if space.preset:
            space.load_preset(space.preset)
    except ValidationError as error:
        raise UserError(f"sweep {choice}: quick.values: {faults(error)[0].message}.") from None
    except UserError as error:
        raise UserError(f"sweep {choice}: preset: {error}") from None
    return space
