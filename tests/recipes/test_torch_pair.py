"""Which torchvision is asked for. That it cures is shown with a real torch in tests/real."""

import pytest
from envdoctor.recipes.torch_pair import torch_pair

from envdoctor.facts import Facts, Package
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from tests.checks.builders import changed, gpu_box, known, with_companion

OPTIONS = Options("/src/ops/.envdoctor")


def installed_as(version: str) -> Facts:
    """A torch 2.13.0 whose package has this version, with a torchvision of another torch."""
    package = Package("torch", version, "/venv/lib/python3.11/site-packages/torch.dist-info")
    facts = with_companion(gpu_box(), version="0.29.1", requires_torch=">=2.14.0")
    return changed(facts, "packages", installed=(package,))


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("2.13.0", ("--no-deps", "torchvision==0.28.0")),
        (
            "2.13.0+cpu",
            ("--no-deps", "--extra-index-url=https://download.pytorch.org/whl/cpu", "torchvision==0.28.0+cpu"),
        ),
        (
            "2.13.0+cu126",
            ("--no-deps", "--extra-index-url=https://download.pytorch.org/whl/cu126", "torchvision==0.28.0+cu126"),
        ),
        ("2.13.0+mine", ("--no-deps", "torchvision==0.28.0")),
    ],
)
def test_torchvision_is_that_of_the_release_and_of_the_build(version: str, arguments: tuple[str, ...]) -> None:
    plan = torch_pair.plan(installed_as(version), OPTIONS)

    assert isinstance(plan, Plan) and plan.safety == "unsafe"
    (step,) = plan.steps
    assert step.packages_of == "/venv/bin/python"
    assert [word for word in step.command[4:] if word != "--disable-pip-version-check"] == list(arguments)


def test_another_build_of_the_same_release_is_installed_anew() -> None:
    facts = with_companion(
        installed_as("2.13.0"), version="0.28.0+cu126", cuda=known("12.6"), requires_torch="==2.13.0"
    )

    plan = torch_pair.plan(facts, OPTIONS)

    assert isinstance(plan, Plan)
    assert "--force-reinstall" in plan.steps[0].command


def test_the_pair_of_a_package_that_no_table_has_is_left_to_the_user() -> None:
    facts = with_companion(gpu_box(), name="detectron2", version="0.6", requires_torch="==1.10.0")

    answer = torch_pair.plan(facts, OPTIONS)

    assert isinstance(answer, Manual) and "detectron2 0.6 asks for torch==1.10.0" in answer.text


def test_a_torch_that_no_table_has_gets_no_torchvision() -> None:
    facts = changed(installed_as("99.0.0"), "torch", version=known("99.0.0"), companions=())

    assert isinstance(torch_pair.plan(facts, OPTIONS), Refusal)


def test_an_interpreter_of_the_distribution_is_not_changed() -> None:
    facts = changed(installed_as("2.13.0"), "python", externally_managed=known("EXTERNALLY-MANAGED"))

    answer = torch_pair.plan(facts, OPTIONS)

    assert isinstance(answer, Manual)
    assert answer.commands[0] == "/venv/bin/python -m venv .venv"
