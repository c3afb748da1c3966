"""The CMake language is read as CMake reads it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.probes.cmake_language import Argument, CMakeSyntaxError, Command, expand, parse

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is the oracle and is not here")


def words(text: str, **variables: str) -> tuple[str, ...]:
    return expand(parse(text)[0].arguments, variables)


def test_a_command_has_a_name_in_lower_case_its_arguments_and_its_line() -> None:
    text = "# a project\n\nFind_Package(Caffe2 REQUIRED)\n"

    assert parse(text) == (Command("find_package", (Argument("Caffe2"), Argument("REQUIRED")), 3),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('set(X "a b;c")', ("X", "a b;c")),
        ("set(X a;b c)", ("X", "a", "b", "c")),
        (r"set(X a\;b)", ("X", "a;b")),
        (r'set(X "a\;b")', ("X", r"a\;b")),
        (r'set(X "say \"no\"\n")', ("X", 'say "no"\n')),
        ('set(X "one\\\ntwo")', ("X", "onetwo")),
        ("set(X [[a ${X} \\n]])", ("X", "a ${X} \\n")),
        ("set(X [==[\na]]b]==])", ("X", "a]]b")),
        ('set(X -DNAME="a b")', ("X", '-DNAME="a b"')),
        ("set(X $(MAKEVAR) [abc] a=b)", ("X", "$(MAKEVAR)", "[abc]", "a=b")),
        ("if(A AND (B OR C))", ("A", "AND", "(", "B", "OR", "C", ")")),
        ("set(X a # (not) here\n b #[[nor\nhere]] c)", ("X", "a", "b", "c")),
        ("\ufeffset(X a)", ("X", "a")),
        ("set(X a)\r\nset(Y b)\r\n", ("X", "a")),
    ],
)
def test_arguments_are_taken_apart_as_the_manual_says(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(${DIR}/a.cc)", ("/p/a.cc",)),
        ("f(${LIST})", ("a", "b")),
        ('f("${LIST}")', ("a;b",)),
        ("f(${${NAME}})", ("/p",)),
        ("f(${LITERAL})", ("${DIR}\\n",)),
        ("f(\\${DIR} ${DIR)", ("${DIR}", "${DIR")),
        ("f(${UNKNOWN}/a.cc)", ("${UNKNOWN}/a.cc",)),
        ("f(${EMPTY})", ()),
    ],
)
def test_known_variables_are_replaced_and_unknown_ones_stay(text: str, expected: tuple[str, ...]) -> None:
    assert words(text, DIR="/p", LIST="a;b", NAME="DIR", EMPTY="", LITERAL="${DIR}\\n") == expected


def test_a_variable_that_holds_itself_ends() -> None:
    assert words("f(${A})", A="${A}${A}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("set(A b)\nset(C", 2),
        ('set(A "b', 1),
        ("set(A [[b)", 1),
        ("#[[ never closed", 1),
        ("set(A b)\n\nhello", 3),
        ("(a)", 1),
        ("set A", 1),
        ("@CONFIGURE_ME@", 1),
        ("set(A)\0", 1),
    ],
)
def test_what_is_no_cmake_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(CMakeSyntaxError, match=rf"^line {line}: "):
        parse(text)


@pytest.mark.parametrize("piece", ["[[a ", '"a', "a(", "#[[", "\\", "a(b)", "${", '\\"', "[=", "((("])
def test_long_hostile_text_is_read_in_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))

    try:
        parse(text)
    except CMakeSyntaxError as error:
        assert len(str(error)) < 200


@given(st.text(alphabet=st.sampled_from(list('ab(){}[]=$"\\;#\n\r\t -\0')), max_size=60))
def test_any_text_is_commands_or_refused(text: str) -> None:
    try:
        commands = parse(text)
    except CMakeSyntaxError:
        return
    for command in commands:
        expand(command.arguments, {"a": "${b}", "b": "x;y"})


pieces = st.text(alphabet=st.sampled_from(list("abc=/.-_;[]$ ")), max_size=8)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


@needs_cmake
@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(alphabet="abc=/.-_;", min_size=1, max_size=8),
            pieces.map(lambda text: f'"{escaped(text)}"'),
            pieces.map(lambda text: f'"a\\;{escaped(text)}"'),
            st.just("a\\;b;c\\ d"),
            pieces.map(lambda text: f"[==[{text}]==]"),
            st.just('-DNAME="a b"'),
            st.just("a[b]"),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_arguments_are_those_that_cmake_itself_passes(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    command = f"show({' '.join(arguments)} )\n"

    passed = passed_by_cmake(tmp_path_factory.mktemp("cmake"), command)

    assert list(words(command)) == passed


def passed_by_cmake(folder: Path, command: str) -> list[str]:
    """The arguments with which CMake calls a function."""
    script = folder / "script.cmake"
    body = f"""
function(show)
  set(i 0)
  while(i LESS ARGC)
    file(APPEND "{folder}/${{i}}" "${{ARGV${{i}}}}")
    math(EXPR i "${{i}} + 1")
  endwhile()
  file(WRITE "{folder}/count" "${{ARGC}}")
endfunction()
"""
    script.write_text(body + command)
    subprocess.run(["cmake", "-P", str(script)], check=True, capture_output=True, timeout=30)
    return [(folder / str(index)).read_text() for index in range(int((folder / "count").read_text()))]


@needs_cmake
def test_every_module_of_cmake_can_be_read() -> None:
    modules = sorted(Path("/usr/share").glob("cmake-*/Modules/Find*.cmake"))
    if not modules:
        pytest.skip("cmake keeps its modules elsewhere")

    assert all(parse(module.read_text(errors="replace")) for module in modules if module.stat().st_size > 1000)
