"""The installed recipes, and those that a user's words mean."""

from collections import Counter
from collections.abc import Sequence

from envdoctor.errors import ExtensionError, UsageError
from envdoctor.plugins import load_plugins
from envdoctor.repair.recipe import Recipe

GROUP = "envdoctor.recipes"


def load_recipes() -> tuple[Recipe, ...]:
    """Every installed recipe, by name. Raises ExtensionError for a module that does not load or a name given twice."""
    recipes = load_plugins(GROUP, Recipe)
    twice = sorted(name for name, count in Counter(recipe.name for recipe in recipes).items() if count > 1)
    if twice:
        raise ExtensionError(f"two recipes share the name {', '.join(twice)}")
    return tuple(sorted(recipes, key=lambda recipe: recipe.name))


def find_recipes(recipes: Sequence[Recipe], words: Sequence[str]) -> tuple[Recipe, ...]:
    """The recipes of these names and codes, each once. Raises UsageError for a word that is neither."""
    found: dict[str, Recipe] = {}
    for word in words:
        matches = [one for one in recipes if word.lower() == one.name or word.upper() in one.cures]
        if not matches:
            from difflib import get_close_matches

            known = [one.name for one in recipes] + sorted({code for one in recipes for code in one.cures})
            close = get_close_matches(word, known, n=1)
            hint = f"; did you mean `{close[0]}`" if close else ""
            raise UsageError(f"no recipe has the name `{word}` or cures it{hint} (`envdoctor list recipes`)")
        found.update((one.name, one) for one in matches)
    return tuple(found.values())
