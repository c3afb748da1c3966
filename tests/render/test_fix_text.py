"""Plans and their outcome, as a person reads them."""

from syrupy.assertion import SnapshotAssertion

from envdoctor.render.fix_text import fix_text
from envdoctor.render.style import PLAIN
from envdoctor.repair.fixing import FixReport, PlannedStep, RecipeResult

OVERLAY = tuple(f"/home/user/ops/.envdoctor/{name}" for name in ("overlay.json", "env.sh", "toolchain.cmake"))
LINK = PlannedStep(
    kind="link",
    summary="Link /home/user/ops/.envdoctor/detectron/lib to /opt/caffe2/lib",
    paths=("/home/user/ops/.envdoctor/detectron/lib",),
    command=("ln", "-sfn", "/opt/caffe2/lib", "/home/user/ops/.envdoctor/detectron/lib"),
)
SETTING = PlannedStep(
    kind="overlay",
    summary="In the overlay: /home/user/ops/.envdoctor/detectron first in PYTHONPATH",
    paths=OVERLAY,
    command=(),
)


def report(*results: RecipeResult, exit_code: int, appeared: tuple[str, ...] = ()) -> FixReport:
    applied = any(result.state == "verified" for result in results)
    return FixReport(
        schema_version=1,
        recipes=results,
        applied=applied,
        verified=exit_code == 0,
        before=("OPS001",),
        after=appeared if applied else ("OPS001",),
        journal=7 if applied else None,
        exit_code=exit_code,
        appeared=appeared,
        project="/home/user/ops",
    )


def test_files_of_the_project_are_named_as_seen_from_its_folder(snapshot: SnapshotAssertion) -> None:
    cured = RecipeResult("detectron-ops-path", "safe", "verified", steps=(LINK, SETTING))

    assert fix_text(report(cured, exit_code=0, appeared=("CUDA001",)), PLAIN) == snapshot


def test_what_is_left_to_the_user_is_there_to_copy(snapshot: SnapshotAssertion) -> None:
    manual = RecipeResult("driver", "manual", "manual", "needs root", commands=("sudo apt-get install nvidia-driver",))

    assert fix_text(report(manual, exit_code=1), PLAIN) == snapshot


def test_a_report_without_recipes_says_so(snapshot: SnapshotAssertion) -> None:
    assert fix_text(report(exit_code=0), PLAIN) == snapshot
