"""The models that a study may name, and how each becomes a pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import DefinitionError
from workbench.risk.models.competing import CauseSpecific, FineGray
from workbench.risk.models.linear import CoxModel, LogisticModel
from workbench.risk.models.pipeline import RiskPipeline
from workbench.risk.models.preparation import steps
from workbench.risk.models.ridge import BY_AIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workbench.risk.extraction.dataset import Feature
    from workbench.risk.protocol.parts import ModelChoice

__all__ = ["RECIPES", "Recipe", "make_model", "takes_gaps"]

OutcomeKind = Literal["binary", "survival", "competing"]


@dataclass(frozen=True)
class Recipe:
    """How a model of the catalogue is made.

    Parameters
    ----------
    model : callable
        Makes the model; its keyword parameters are those that a study may give. One that is called ``random_state`` gets the study's seed.
    outcomes : tuple of {"binary", "survival", "competing"}
        What it can predict.
    parameters : mapping
        Parameters of the model or of the steps whose defaults differ here.
    steps : callable
        Makes the steps before it: takes the features, and by keyword ``imputation``, ``seed`` and parameters that a study may give.
    """

    model: Callable[..., Any]
    outcomes: tuple[OutcomeKind, ...]
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    steps: Callable[..., list[tuple[str, Any]]] = steps

    def made(self, given: Mapping[str, Any], *, features: Sequence[Feature], imputation: str, seed: int) -> list[tuple[str, Any]]:
        """Return the steps and the model, with parameters of a study; those must be known."""
        values = {**self.parameters, **given}
        of_steps = {name: values.pop(name) for name in _keywords(self.steps) - _STUDY if name in values}
        if "random_state" in _keywords(self.model):
            values.setdefault("random_state", seed)
        return [*self.steps(features, imputation=imputation, seed=seed, **of_steps), ("model", self.model(**values))]

    @property
    def known(self) -> set[str]:
        """Names of the parameters that a study may give."""
        return (_keywords(self.steps) | _keywords(self.model)) - _STUDY


#: What a study says of itself, and not a model's choice.
_STUDY = frozenset({"features", "imputation", "seed", "random_state"})


def _keywords(call: Callable[..., Any]) -> set[str]:
    return {name for name, given in signature(call).parameters.items() if given.kind is given.KEYWORD_ONLY}


_SPLINES = {"knots": 4, "alpha": BY_AIC}
_LINES = {"knots": 0}

#: Name of a model -> its recipe, or the module and attribute where that lies, for what is loaded only when it is asked for.
RECIPES: dict[str, Recipe | tuple[str, str]] = {
    "spline_cox": Recipe(CoxModel, ("survival",), _SPLINES),
    "cox": Recipe(CoxModel, ("survival",), _LINES),
    "logistic": Recipe(LogisticModel, ("binary",), _LINES),
    "spline_logistic": Recipe(LogisticModel, ("binary",), _SPLINES),
    "cause_specific": Recipe(CauseSpecific, ("competing",), _SPLINES),
    "fine_gray": Recipe(FineGray, ("competing",), _LINES),
    "hazard_net": ("workbench.risk.models.hazard_net", "RECIPE"),
    "lightgbm": ("workbench.risk.models.trees", "RECIPE"),
}


def make_model(
    choice: ModelChoice,
    *,
    binary: bool,
    causes: int,
    features: Sequence[Feature] = (),
    imputation: Literal["single", "multiple"] = "single",
    seed: int = 0,
) -> RiskPipeline:
    """Make a model of a study's choice, with all that has to be learnt before it.

    Parameters
    ----------
    choice : ModelChoice
        Its name and parameters: those of the model and of the steps before it (``knots``, ``rare``, ``missing_indicators``).
    binary : bool
        Whether the outcome has no times.
    causes : int
        How many causes it has; 1 without competing risks.
    features : sequence of Feature
        The predictors.
    imputation : {"single", "multiple"}
        How gaps are filled; multiple is one draw of several.
    seed : int
        Of everything that is drawn.

    Returns
    -------
    RiskPipeline
        Unfitted.

    Raises
    ------
    DefinitionError
        If there is no such model or parameter, or it does not suit the outcome.

    Examples
    --------
    >>> from workbench.risk.protocol.parts import ModelChoice
    >>> [name for name, _ in make_model(ModelChoice(name="cox"), binary=False, causes=1).steps]
    ['columns', 'impute', 'linear', 'model']
    """
    recipe = _found(choice.name)
    outcome: OutcomeKind = "binary" if binary else "survival" if causes == 1 else "competing"
    if outcome not in recipe.outcomes:
        suited = [name for name, other in RECIPES.items() if isinstance(other, Recipe) and outcome in other.outcomes]
        raise DefinitionError(
            f"the model {choice.name!r} does not suit a {outcome} outcome; it is for {', '.join(recipe.outcomes)}",
            hint=f"for example {', '.join(suited)}",
        )
    for name in choice.parameters:
        if name not in recipe.known:
            raise _unknown(f"the model {choice.name!r} has no parameter {name!r}", name, recipe.known)
    return RiskPipeline(recipe.made(choice.parameters, features=features, imputation=imputation, seed=seed))


def takes_gaps(name: str) -> bool:
    """Return whether it is a model of the catalogue that takes missing values as they are; before others they are filled."""
    return name in RECIPES and _found(name).steps is not steps


def _found(name: str) -> Recipe:
    if name not in RECIPES:
        raise _unknown(f"there is no model {name!r}", name, RECIPES)
    place = RECIPES[name]
    return place if isinstance(place, Recipe) else getattr(import_module(place[0]), place[1])


def _unknown(message: str, name: str, known: Mapping[str, Any] | set[str]) -> DefinitionError:
    near = get_close_matches(name, known, n=1)
    return DefinitionError(message, hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}")
