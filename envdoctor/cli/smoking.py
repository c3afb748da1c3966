"""Facts with what the ops gave, for the commands that take `--smoke`."""

from collections.abc import Callable

from envdoctor.facts import Facts
from envdoctor.target import Target


def with_ops(target: Target, facts: Facts, notify: Callable[[str], None]) -> Facts:
    """The same facts and the results of every op of the target; none where it has no op."""
    from envdoctor.errors import UsageError
    from envdoctor.facts import Smoke
    from envdoctor.probes.gather import with_area
    from envdoctor.smoke.run import Wanted, run_smoke

    try:
        results = run_smoke(target, facts, Wanted(), notify).attributed.results
    except UsageError:
        # Nothing to run: an answer here, where more was asked for than that.
        results = ()
    return with_area(facts, "smoke", Smoke(ops=results))
