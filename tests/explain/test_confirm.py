"""What a log says against what the facts say."""

from collections.abc import Iterator

from envdoctor.checking.check import Check, Evidence, Finding, Judgement, NotApplicable, Remedy, check
from envdoctor.explain.confirm import confirm
from envdoctor.explain.diagnosis import Diagnosis
from envdoctor.explain.signature import Stage
from envdoctor.facts import Facts, Known, Project
from envdoctor.probes.gather import with_area
from tests.explain.samples import diagnoses, signature

FINDING = Finding(
    state="fail",
    title="the headers are of protobuf 3.6.1, 3.5.0 is wanted",
    why="The header says so.",
    evidence=(Evidence("headers", "3.6.1", "/usr/include"),),
    remedy=Remedy("Put those of 3.5.0 first.", ("export CPATH=/x",), "protobuf"),
)


def sample_check(code: str, *judgements: Judgement) -> Check:
    def judge(_facts: Facts) -> Iterator[Judgement]:
        yield from judgements

    return check(code, f"sample-{code.lower()}", needs=(), strikes=100)(judge)


def diagnosed(*names_and_codes: tuple[str, str]) -> tuple[Diagnosis, ...]:
    signatures = [
        signature(name, pattern=f"fault {name}", codes=(code,), commands=("a general command",))
        for name, code in names_and_codes
    ]
    return diagnoses("".join(f"fault {name}\n" for name, _ in names_and_codes), signatures)


def test_a_finding_bears_the_diagnosis_out_and_its_remedy_is_for_this_machine() -> None:
    (found,) = confirm(diagnosed(("old", "ZZ001")), Facts(), [sample_check("ZZ001", FINDING)], "this machine", True)

    assert found.confirmed is True
    assert found.confidence > 0.9
    assert found.evidence[-1] == FINDING.evidence[0]
    assert (found.cure, found.commands, found.recipe) == ("Put those of 3.5.0 first.", ("export CPATH=/x",), "protobuf")
    assert "ZZ001 on this machine: the headers are of protobuf 3.6.1" in found.note


def test_a_check_that_passes_contradicts_the_message_and_the_text_says_so() -> None:
    (found,) = confirm(diagnosed(("old", "ZZ001")), Facts(), [sample_check("ZZ001")], "this machine", True)

    assert found.confirmed is False
    assert found.confidence < 0.5
    assert "this machine does not show it (ZZ001 sample-zz001: nothing found)" in found.note


def test_what_cannot_be_judged_is_neither_confirmed_nor_denied() -> None:
    unknown = Finding(state="unknown", title="it hangs", why="No answer.")
    checks = [sample_check("ZZ001", NotApplicable("nothing to judge")), sample_check("ZZ002", unknown)]

    found = confirm(
        diagnosed(("skipped", "ZZ001"), ("unknown", "ZZ002"), ("no-such", "ZZ999")), Facts(), checks, "", True
    )

    assert [one.confirmed for one in found] == [None, None, None]
    assert all(one.note == "" for one in found)


def test_a_check_that_only_adds_to_another_contradicts_nothing() -> None:
    signatures = [signature("old", pattern="fault old", codes=("ZZ001", "ZZ002"))]
    checks = [sample_check("ZZ001", NotApplicable("nothing to judge")), sample_check("ZZ002")]

    (found,) = confirm(diagnoses("fault old\n", signatures), Facts(), checks, "this machine", True)

    assert found.confirmed is None


def test_only_a_named_target_changes_which_cause_comes_first() -> None:
    found = diagnosed(("first", "ZZ001"), ("second", "ZZ002"))
    checks = [sample_check("ZZ001"), sample_check("ZZ002", FINDING)]

    assert [one.category for one in confirm(found, Facts(), checks, "theirs", True)] == ["second", "first"]
    assert [one.category for one in confirm(found, Facts(), checks, "this machine", False)] == ["first", "second"]


def test_a_check_that_breaks_says_nothing_about_the_log() -> None:
    def judge(_facts: Facts) -> Iterator[Judgement]:
        raise ValueError("broken")
        yield

    broken = check("ZZ001", "sample-broken", needs=(), strikes=100)(judge)

    (found,) = confirm(diagnosed(("old", "ZZ001")), Facts(), [broken], "this machine", True)

    assert found.confirmed is None


def test_a_log_of_a_build_says_what_was_built_where_no_project_is_named() -> None:
    @check("TOR998", "torch-without-cuda", needs=("project",), strikes=100)
    def judge_the_project(facts: Facts) -> Iterator[Judgement]:
        """A check that needs a project."""
        if any(extension.kind == "CUDAExtension" for extension in facts.project.setup_extensions):
            yield FINDING
        else:
            yield NotApplicable("no project")

    def confirmed(strikes: Stage, facts: Facts) -> bool | None:
        raised = signature("cuda-home", pattern="CUDA_HOME is not set", codes=("TOR998",), strikes=strikes)
        found = diagnoses("OSError: CUDA_HOME is not set\n", [raised])
        return confirm(found, facts, [judge_the_project], "this machine", True)[0].confirmed

    own = with_area(Facts(), "project", Project(root=Known("/home/user/ops", "--project")))
    assert confirmed("configure", Facts()) is True
    assert confirmed("run", Facts()) is None
    assert confirmed("configure", own) is None
