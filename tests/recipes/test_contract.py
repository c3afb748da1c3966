"""What every recipe must be: named once, curing codes that exist, with a page, and pure over facts."""

import pytest

from envdoctor.checking.discover import load_checks
from envdoctor.facts import AREAS, Facts
from envdoctor.repair.discover import find_recipes, load_recipes
from envdoctor.repair.recipe import PAGE_SECTIONS, Manual, Options, Plan, Recipe, Refusal

RECIPES = load_recipes()
CODES = {check.code for check in load_checks()}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_page_has_its_sections_in_order(recipe: Recipe) -> None:
    places = [recipe.page.find(f"{section}:") for section in PAGE_SECTIONS]

    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_cures_codes_that_exist_and_answers_to_them(recipe: Recipe) -> None:
    assert recipe.cures
    assert set(recipe.cures) <= CODES
    assert recipe in find_recipes(RECIPES, [recipe.cures[0].lower()])
    assert find_recipes(RECIPES, [recipe.name]) == (recipe,)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_recipe_answers_even_where_nothing_is_known(recipe: Recipe, in_place: bool) -> None:
    answer = recipe.plan(Facts(probed=AREAS), Options("/project/.envdoctor", in_place))

    assert isinstance(answer, (Plan, Manual, Refusal))


def test_a_remedy_names_only_recipes_that_exist() -> None:
    import re
    from pathlib import Path

    names = {recipe.name for recipe in RECIPES}
    sources = Path(__file__).parents[2].joinpath("checks").glob("*.py")
    named = {name for path in sources for name in re.findall(r'recipe="([a-z0-9-]+)"', path.read_text())}

    assert named <= names
