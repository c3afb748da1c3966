"""Words for tab completion."""


def complete_area_or_code(incomplete: str) -> list[str]:
    """Areas and codes of the installed checks."""
    from envdoctor.checking.discover import load_checks

    checks = load_checks()
    words = sorted({check.area for check in checks}) + [check.code for check in checks]
    return [word for word in words if word.lower().startswith(incomplete.lower())]


def complete_code(incomplete: str) -> list[str]:
    """Codes of the installed checks."""
    from envdoctor.checking.discover import load_checks

    return [check.code for check in load_checks() if check.code.lower().startswith(incomplete.lower())]


def complete_fact_area(incomplete: str) -> list[str]:
    """Areas of facts."""
    from envdoctor.facts import AREAS

    return [area for area in AREAS if area.startswith(incomplete)]


def complete_recipe(incomplete: str) -> list[str]:
    """Names of the installed recipes and the codes that they cure."""
    from envdoctor.repair.discover import load_recipes

    recipes = load_recipes()
    words = [recipe.name for recipe in recipes] + sorted({code for recipe in recipes for code in recipe.cures})
    return [word for word in words if word.lower().startswith(incomplete.lower())]
