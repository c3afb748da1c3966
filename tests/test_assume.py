import pytest

from envdoctor.assume import assume
from envdoctor.errors import UsageError
from envdoctor.facts import Absent, Driver, Facts, Known, value_of


def test_a_value_is_replaced_and_says_where_it_comes_from() -> None:
    facts = assume(Facts(driver=Driver(nvml=Known("580.1", "NVML")), probed=("driver",)), ("driver.nvml=410.48",))

    assert facts.driver.nvml == Known("410.48", "--assume driver.nvml")


def test_an_area_that_nobody_probed_becomes_known() -> None:
    assert assume(Facts(), ("torch.cuda=11.8",)).probed == ("torch",)


def test_an_empty_value_makes_a_fact_absent() -> None:
    assert isinstance(assume(Facts(), ("driver.nvml=",)).driver.nvml, Absent)


@pytest.mark.parametrize(("setting", "expected"), [("torch.cxx11_abi=true", True), ("host.cores=4", 4)])
def test_a_value_takes_the_type_of_its_fact(setting: str, expected: object) -> None:
    area, field = setting.partition("=")[0].split(".")

    assert getattr(getattr(assume(Facts(), (setting,)), area), field).value == expected


@pytest.mark.parametrize(
    ("named", "capabilities"),
    [
        ("NVIDIA GeForce RTX 3090", ["8.6"]),
        ("RTX 3090", ["8.6"]),
        ("8.6", ["8.6"]),
        ("A100, 7.5", ["8.0", "7.5"]),
        ("12.0", ["12.0"]),
    ],
)
def test_gpus_are_assumed_by_product_or_by_compute_capability(named: str, capabilities: list[str]) -> None:
    gpus = value_of(assume(Facts(), (f"driver.gpus={named}",)).driver.gpus)

    assert gpus is not None
    assert [gpu.compute_capability for gpu in gpus] == capabilities
    assert [gpu.index for gpu in gpus] == list(range(len(capabilities)))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("driver", "--assume takes AREA.FIELD=VALUE"),
        ("driver.nvml", "--assume takes AREA.FIELD=VALUE"),
        ("engine.nvml=1", "there is no area `engine`"),
        ("driver.colour=red", "`driver` has no `colour`"),
        ("host.cores=many", "Expected `int`"),
        ("driver.libraries=x", "Expected `array`"),
        ("driver.gpus=RTX 9999", "no table has a GPU `RTX 9999`; name its compute capability"),
        ("driver.gpus=[1]", "Expected `object`"),
    ],
)
def test_what_cannot_be_assumed_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        assume(Facts(), (setting,))

    assert "\n" not in str(refused.value)
