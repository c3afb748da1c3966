"""From hits to causes: the root cause first, consequences and harmless lines left out."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from envdoctor.checking.check import Evidence
from envdoctor.explain.diagnosis import Diagnosis, ShownLine
from envdoctor.explain.matching import Match
from envdoctor.explain.reading import Hit
from envdoctor.explain.signature import HARMLESS

SURE, UNSURE = 0.9, 0.6


def diagnose(hits: Sequence[Hit]) -> tuple[Diagnosis, ...]:
    """One diagnosis a category, root cause first."""
    faults = [(hit, hit.matches[0]) for hit in hits if hit.matches[0].signature.category != HARMLESS]
    faults.sort(key=lambda fault: (_is_weak(*fault), fault[0].first))
    by_category: dict[str, tuple[Hit, Match]] = {}
    for hit, match in faults:
        by_category.setdefault(match.signature.category, (hit, match))
    return tuple(_diagnosis(hit, match) for hit, match in by_category.values())


def _is_weak(hit: Hit, match: Match) -> bool:
    return match.signature.weak


def _diagnosis(hit: Hit, match: Match) -> Diagnosis:
    signature = match.signature
    return Diagnosis(
        category=signature.category,
        title=filled(signature.title, match.fields),
        cause=filled(signature.cause, match.fields),
        lines=(hit.first, hit.last),
        evidence=(Evidence("log", hit.text.strip(), f"line {hit.first}"),),
        codes=signature.codes,
        recipe=signature.recipe,
        confidence=UNSURE if _is_weak(hit, match) else SURE,
        confirmed=None,
        next=signature.next,
        signature=signature.name,
        strikes=signature.strikes,
        cure=filled(signature.cure, match.fields),
        commands=tuple(filled(command, match.fields) for command in signature.commands),
        shown=(ShownLine(hit.first, hit.text, True),),
    )


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The sentence with its words put in; a word that the line did not tell becomes `the <word>`."""
    return _Sentence().vformat(template, (), fields) if "{" in template else template


class _Sentence(string.Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        return kwargs.get(field_name, f"the {field_name}"), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)
