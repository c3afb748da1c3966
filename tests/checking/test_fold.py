from envdoctor.checking.fold import fold
from envdoctor.checking.judge import judge
from envdoctor.checking.report import ReportedFinding
from envdoctor.facts import Facts
from tests.checking.sample_checks import broken_check, finding, make_check


def folded(*checks: object) -> tuple[ReportedFinding, ...]:
    return fold(judge(Facts(), checks))  # type: ignore[arg-type]  # a tuple of checks


def test_findings_come_worst_first_and_then_in_the_order_in_which_they_strike() -> None:
    findings = folded(
        make_check("AA001", finding(state="note"), strikes=1),
        make_check("AA002", finding(), strikes=300),
        make_check("AA003", finding(state="warn"), strikes=1),
        make_check("AA004", finding(), strikes=200),
        make_check("AA005", finding(state="unknown"), strikes=1),
    )

    assert [item.code for item in findings] == ["AA004", "AA002", "AA005", "AA003", "AA001"]


def test_a_consequence_folds_beneath_its_cause() -> None:
    findings = folded(
        make_check("AA001", finding("root", explains=("AA002",))),
        make_check("AA002", finding("follows", state="warn")),
    )

    assert [item.code for item in findings] == ["AA001"]
    assert findings[0].explains == ("AA002",)
    assert [(item.code, item.title) for item in findings[0].consequences] == [("AA002", "follows")]


def test_a_mild_cause_does_not_hide_a_worse_finding() -> None:
    findings = folded(
        make_check("AA001", finding(state="warn", explains=("AA002",))),
        make_check("AA002", finding()),
    )

    assert [item.code for item in findings] == ["AA002", "AA001"]


def test_a_code_that_is_explained_but_absent_is_not_claimed() -> None:
    (only,) = folded(make_check("AA001", finding(explains=("AA009",))))

    assert only.explains == ()


def test_causes_that_explain_each_other_lose_neither() -> None:
    findings = folded(
        make_check("AA001", finding("one", explains=("AA002",))),
        make_check("AA002", finding("two", explains=("AA001",))),
    )

    assert [item.code for item in findings] == ["AA001"]
    assert findings[0].consequences[0].title == "two"


def test_a_crash_comes_after_the_fails_and_blames_nobody_else() -> None:
    findings = folded(broken_check("AA001"), make_check("AA002", finding()), make_check("AA003", finding(state="warn")))

    assert [(item.code, item.state) for item in findings] == [
        ("AA002", "fail"),
        ("AA001", "crashed"),
        ("AA003", "warn"),
    ]


def test_the_fingerprint_follows_code_and_subject_and_not_the_words() -> None:
    one, two, three = (
        folded(make_check("AA001", finding(title, subject=subject)))[0].fingerprint
        for title, subject in [("x 1.0", "lib.so"), ("x 2.0", "lib.so"), ("x 1.0", "other.so")]
    )

    assert one == two
    assert one != three


def test_a_consequence_that_strikes_before_its_cause_folds_all_the_same() -> None:
    findings = folded(
        make_check("AA001", finding("follows"), strikes=1),
        make_check("AA002", finding("root", explains=("AA001",)), strikes=2),
    )

    assert [(item.code, item.explains) for item in findings] == [("AA002", ("AA001",))]


def test_consequences_of_a_consequence_are_shown_beneath_the_first_cause() -> None:
    findings = folded(
        make_check("AA001", finding("middle", explains=("AA002",)), strikes=1),
        make_check("AA002", finding("last"), strikes=2),
        make_check("AA003", finding("root", explains=("AA001",)), strikes=3),
    )

    assert [(item.code, item.explains) for item in findings] == [("AA003", ("AA001", "AA002"))]
