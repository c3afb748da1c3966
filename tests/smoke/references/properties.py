"""How often a property of a reference is tried. Machines that do much else at once are given all the time they take."""

from hypothesis import settings

QUICK = settings(max_examples=60, deadline=None)
SLOW = settings(max_examples=20, deadline=None)
