"""What if: facts with single values replaced, `driver.nvml=410.48`, and GPUs named, `driver.gpus=RTX 3090`."""

from typing import Any

import msgspec

from envdoctor.errors import UsageError
from envdoctor.facts import AREAS, Facts

GPUS = "driver.gpus"


def assume(facts: Facts, settings: tuple[str, ...]) -> Facts:
    """The facts with each KEY=VALUE applied. KEY is `area.field`; an empty VALUE makes the fact absent.

    `driver.gpus` also takes products or compute capabilities: `driver.gpus=RTX 3090,8.0`. Raises UsageError for a key
    that names no single-valued fact or a value of the wrong type.
    """
    for setting in settings:
        facts = _assume_one(facts, setting)
    return facts


def _assume_one(facts: Facts, setting: str) -> Facts:
    key, equals, text = setting.partition("=")
    area_name, dot, field_name = key.partition(".")
    if not equals or not dot:
        raise UsageError(f"--assume takes AREA.FIELD=VALUE, such as `driver.nvml=535.104.05`, not `{setting}`")
    if area_name not in AREAS:
        raise UsageError(f"--assume {setting}: there is no area `{area_name}` of facts ({', '.join(AREAS)})")
    tree: dict[str, Any] = msgspec.to_builtins(facts)
    area: dict[str, Any] = tree.setdefault(area_name, {})
    fields = [field.name for field in msgspec.structs.fields(type(getattr(facts, area_name)))]
    if field_name not in fields:
        raise UsageError(f"--assume {setting}: `{area_name}` has no `{field_name}` (it has {', '.join(fields)})")
    found_via = f"--assume {key}"
    if not text:
        area[field_name] = {"state": "absent", "reason": found_via}
        return _convert(tree, area_name, setting)
    for value in [_gpus(text, setting)] if key == GPUS and not text.startswith("[") else _readings(text):
        area[field_name] = {"state": "known", "value": value, "found_via": found_via}
        try:
            return _convert(tree, area_name, setting)
        except UsageError as error:
            problem = error
    raise problem


def _gpus(text: str, setting: str) -> list[dict[str, Any]]:
    from envdoctor.knowledge import gpu

    found: list[dict[str, Any]] = []
    for index, named in enumerate(part.strip() for part in text.split(",")):
        major, _, minor = named.partition(".")
        if major.isdecimal() and minor.isdecimal():
            name, capability = f"GPU of compute capability {named}", named
        else:
            row = gpu.find(named) or gpu.find(f"GeForce {named}")
            if row is None:
                raise UsageError(
                    f"--assume {setting}: no table has a GPU `{named}`; name its compute capability, such as 8.6"
                )
            name, capability = row.name, row.cc
        found.append({"index": index, "name": name, "compute_capability": capability, "memory": None})
    return found


def _readings(text: str) -> list[Any]:
    try:
        return [text, msgspec.json.decode(text)]
    except msgspec.DecodeError:
        return [text]


def _convert(tree: dict[str, Any], area_name: str, setting: str) -> Facts:
    probed = tuple(tree.get("probed", ()))
    tree["probed"] = probed if area_name in probed else (*probed, area_name)
    try:
        return msgspec.convert(tree, Facts)
    except msgspec.ValidationError as error:
        raise UsageError(f"--assume {setting}: {error}") from error
