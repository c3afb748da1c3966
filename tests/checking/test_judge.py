from envdoctor.checking.check import NotApplicable
from envdoctor.checking.judge import judge
from envdoctor.facts import Facts
from tests.checking.sample_checks import broken_check, finding, make_check


def test_a_check_that_yields_nothing_is_ok() -> None:
    (outcome,) = judge(Facts(), [make_check("AA001")])

    assert outcome.state == "ok"


def test_a_check_that_breaks_is_crashed_and_the_others_go_on() -> None:
    broken, sound = judge(Facts(), [broken_check("AA001"), make_check("AA002", finding())])

    assert broken.state == "crashed"
    assert broken.crash is not None and broken.crash.startswith("KeyError: 'lost' at sample_checks.py:")
    assert sound.state == "fail"


def test_a_check_whose_facts_nobody_gathered_is_skipped_and_never_ok() -> None:
    (outcome,) = judge(Facts(probed=("host",)), [make_check("AA001", needs=("host", "cuda"))])

    assert outcome.state == "skipped"
    assert outcome.skipped == "the facts hold nothing about cuda"


def test_a_check_whose_probe_broke_is_unknown_and_never_ok() -> None:
    facts = Facts(failed={"cuda": "ValueError: bad at cuda.py:7"})

    (outcome,) = judge(facts, [make_check("AA001", needs=("cuda",))])

    assert outcome.state == "unknown"
    assert outcome.findings[0].evidence[0].value == "ValueError: bad at cuda.py:7"


def test_a_check_that_does_not_apply_is_skipped_with_its_reason() -> None:
    (outcome,) = judge(Facts(), [make_check("AA001", NotApplicable("no project"))])

    assert (outcome.state, outcome.skipped) == ("skipped", "no project")


def test_a_probe_that_broke_is_told_once() -> None:
    facts = Facts(failed={"cuda": "ValueError: bad"})

    first, second = judge(facts, [make_check("AA001", needs=("cuda",)), make_check("AA002", needs=("cuda",))])

    assert (first.state, second.state) == ("unknown", "skipped")
    assert second.skipped == "the cuda probe broke, as AA001 says"
