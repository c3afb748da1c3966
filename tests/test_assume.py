import pytest

from envdoctor.assume import assume
from envdoctor.errors import UsageError
from envdoctor.facts import Absent, Driver, Facts, Known


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
    ("setting", "message"),
    [
        ("driver", "--assume takes AREA.FIELD=VALUE"),
        ("driver.nvml", "--assume takes AREA.FIELD=VALUE"),
        ("engine.nvml=1", "there is no area `engine`"),
        ("driver.colour=red", "`driver` has no `colour`"),
        ("host.cores=many", "Expected `int`"),
        ("driver.libraries=x", "Expected `array`"),
    ],
)
def test_what_cannot_be_assumed_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        assume(Facts(), (setting,))

    assert "\n" not in str(refused.value)
