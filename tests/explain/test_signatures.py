"""The signatures beside the checks: each says what it must, names what exists, and knows the wording of its tool."""

import re
import time

import pytest
import re2

from envdoctor.checking.discover import load_checks
from envdoctor.explain.catalogue import installed_signatures
from envdoctor.explain.diagnose import filled
from envdoctor.explain.matching import Match, Matcher
from envdoctor.explain.signature import HARMLESS, Signature
from envdoctor.repair.discover import load_recipes

SIGNATURES = installed_signatures()
EACH = [pytest.param(signature, id=signature.name) for signature in SIGNATURES]
FAULTS = [pytest.param(signature, id=signature.name) for signature in SIGNATURES if signature.category != HARMLESS]

# Other programs rely on these words; a new one is added here and to the documentation.
NAMES = """
arch-missing build-isolation built-without-cuda caffe2-api-change caffe2-not-importable caffe2-target-renamed
cmake-config-broken cmake-package-not-found cmake-too-new cmake-too-old compiler-oom compiler-too-old
container-runtime-missing cuda-header-missing cuda-home-missing cuda-lib-mixed cuda-mismatch cuda-not-found-cmake
cudnn-mismatch cxx-standard cxx11-abi cython-python-mismatch detectron-ops-missing dll-load-failed
driver-library-mismatch driver-not-loaded driver-stack-803 driver-too-old env-var-malformed extension-not-built
forward-compat-804 gcc11-cuda115-stdfunction glibc-too-old glibcxx-missing header-missing libcudart-missing
libcudnn-missing link-lib-missing mixed-python-env mkl-symbol msvc-missing nccl-mixed ninja-missing
numpy-abi numpy-header-missing nvcc-arch-unsupported nvcc-gcc nvcc-include-mismatch nvcc-intrinsics
nvcc-too-old-std patchelf-corruption prebuilt-path-baked-in protobuf-link protobuf-python protobuf-version
ptx-toolchain python-header-missing relocation-overflow setuptools-missing shared-lib-missing system-lib-missing
torch-abi-mismatch torch-api-removed torch-build-defect torch-cpu-build torch-header-removed torch-lib-missing
torchvision-mismatch visible-devices wsl-gpu-blocked
"""
CATEGORIES = frozenset(NAMES.split())


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(SIGNATURES)


def best(matcher: Matcher, line: str) -> Match | None:
    return next(iter(matcher.match(line, (line,))), None)


def test_every_category_has_a_signature_and_every_signature_a_category() -> None:
    assert {signature.category for signature in SIGNATURES} - {HARMLESS} == CATEGORIES


@pytest.mark.parametrize("signature", FAULTS)
def test_a_signature_names_checks_and_a_recipe_that_exist(signature: Signature) -> None:
    codes = {check.code for check in load_checks()}
    recipes = {recipe.name for recipe in load_recipes()}

    assert set(signature.codes) <= codes
    assert signature.recipe is None or signature.recipe in recipes


@pytest.mark.parametrize("signature", FAULTS)
def test_what_strikes_next_is_a_signature_or_a_category(signature: Signature) -> None:
    assert set(signature.next) <= {one.name for one in SIGNATURES} | CATEGORIES


@pytest.mark.parametrize("signature", FAULTS)
def test_a_signature_gives_a_command_to_copy(signature: Signature) -> None:
    assert signature.commands


@pytest.mark.parametrize("signature", EACH)
def test_a_signature_is_the_best_answer_to_its_own_examples(signature: Signature, matcher: Matcher) -> None:
    assert signature.examples
    for example in signature.examples:
        found = best(matcher, example)
        assert found is not None and found.signature.name == signature.name, example


@pytest.mark.parametrize("signature", FAULTS)
def test_the_sentences_of_a_signature_are_filled_from_its_examples(signature: Signature, matcher: Matcher) -> None:
    found = best(matcher, signature.examples[0])
    assert found is not None
    sentences = (signature.title, signature.cause, signature.cure)

    for sentence in sentences:
        missing = [word for word in re.findall(r"\{(\w+)\}", sentence) if word not in found.fields]
        assert missing == [], sentence
        assert "{" not in filled(sentence, found.fields)


@pytest.mark.parametrize("quotes", ["''", '""', "\u2018\u2019", "\u201c\u201d", "«»", "`'"])
def test_the_kind_of_quotation_marks_does_not_matter(quotes: str, matcher: Matcher) -> None:
    for signature in SIGNATURES:
        for example in signature.examples:
            plain = re.fullmatch(r"([^'\"`]*)'([^'\"`]*)'([^'\"`]*)", example)
            # Python and shells use no others, so only what compilers and linkers say is put into other marks.
            if plain is None or not re.search(r":\d+:\d+: (?:fatal )?error: |ld: ", example):
                continue
            changed = f"{plain[1]}{quotes[0]}{plain[2]}{quotes[1]}{plain[3]}"
            found = best(matcher, changed)
            assert found is not None and found.signature.category == signature.category, changed


OTHER_NAMES = [
    ("ImportError: libcudart.so.13: cannot open shared object file: No such file or directory", "libcudart-missing"),
    ("OSError: libtorch_hip.so: cannot open shared object file: No such file or directory", "torch-lib-missing"),
    ("x: error while loading shared libraries: libfoo.so.3: cannot open shared object file", "shared-lib-missing"),
    ("OSError: libXrender.so.1: cannot open shared object file: No such file or directory", "system-lib-missing"),
    ("libcudnn_adv.so.9: cannot open shared object file: No such file or directory", "libcudnn-missing"),
    ("a.cc:1:2: erreur fatale : caffe2/core/x.h : Aucun fichier ou dossier de ce type", "header-missing"),
    ("a.cc:1:2: Schwerwiegender Fehler: Python.h: Datei oder Verzeichnis nicht gefunden", "python-header-missing"),
    ("a.cc:1:2: 致命错误\uff1acusolverDn.h\uff1a没有那个文件或目录", "cuda-header-missing"),
    ("a.cu:1:10: fatal error: THC/THCAtomics.cuh: No such file or directory", "torch-header-removed"),
    ("/usr/bin/ld: kann -lcublas nicht finden: Datei oder Verzeichnis nicht gefunden", "link-lib-missing"),
    ("x.so: undefined symbol: _ZN5torch8autograd13_wrap_outputsERKNS_3fooE", "torch-abi-mismatch"),
    ("x.so: undefined symbol: _ZNK5torch8autograd4Node4nameB5cxx11Ev", "cxx11-abi"),
    ("x.so: undefined symbol: _ZN6google8protobuf2io17CodedOutputStream3fooEv", "protobuf-link"),
    ("x.so: undefined symbol: ncclCommSplit", "nccl-mixed"),
    ("x.so: undefined symbol: cublasLtMatmulAlgoGetIds", "cuda-lib-mixed"),
    ("x.so: undefined symbol: cudnnBackendFinalize", "cudnn-mismatch"),
    ("/lib64/libm.so.6: version `GLIBC_2.38' not found (required by x.so)", "glibc-too-old"),
    ("/opt/libstdc++.so.6: version `GLIBCXX_3.4.99' not found (required by x.so)", "glibcxx-missing"),
    ("nvcc fatal   : Unsupported gpu architecture 'compute_120a'", "nvcc-arch-unsupported"),
    ("RuntimeError: operator torchvision::roi_align does not exist", "torchvision-mismatch"),
    ("ModuleNotFoundError: No module named 'some_package._C'", "extension-not-built"),
    ("ModuleNotFoundError: No module named 'some_package.some_part_cpu'", "extension-not-built"),
    ("a.c:13: error: include file 'Python.h' not found", "python-header-missing"),
    ("THC/THCGeneral.h: No such file or directory", "torch-header-removed"),
    ("a.cc:1:10: fatal error: Eigen/Core: No such file or directory", "header-missing"),
    ('  "google::protobuf::Message::foo() const", referenced from:', "protobuf-link"),
    (
        'a.obj : error LNK2019: unresolved external symbol "public: void __cdecl c10::f(int)" (?f@@X)',
        "torch-abi-mismatch",
    ),
    ("dlopen(x.so, 2): symbol not found in flat namespace '_THPVariableClass'", "torch-abi-mismatch"),
    ("lib/libx.so: PC-relative offset overflow in PLT entry for `_ZN3fooE'", "relocation-overflow"),
    ('a.h(49): error: class "caffe2::Blob" may not have a template argument list', "caffe2-api-change"),
    (
        'bits/mathcalls.h(81): error: exception specification is incompatible with that of previous function "sinpi"',
        "nvcc-include-mismatch",
    ),
    ("OSError: /x/libcufft.so.11: undefined symbol: some_new_name, version libcufft.so.11", "cuda-lib-mixed"),
    (
        "a.pb.h:9:10: fatal error: google/protobuf/generated_message_util2.h: No such file or directory",
        "protobuf-version",
    ),
    ("CMake 3.30 or higher is required.  You are running version 3.22.1", "cmake-too-old"),
    ("ld: a.o: undefined reference to symbol '_ZN6google8protobuf2io17CodedOutputStream3fooEv'", "protobuf-link"),
    ("ImportError: x.so: undefined symbol: _ZN5torch", "torch-abi-mismatch"),
    ("ImportError: x.so: undefined symbol: _ZN6google8protobuf", "protobuf-link"),
    ("TypeError: Descriptors should not be created directly, but only retrieved from their parent.", "protobuf-python"),
    ("ImportError: libmpi.so.40", "system-lib-missing"),
    ('x.h(47): error C2039: "variant": 不是 "std" 的成员', "cxx-standard"),
    ("x.h(5,32): error C2039: 'string_view': is not a member of 'std'", "cxx-standard"),
    ("torch/include/ATen/ops/convolution.h:82:105: error: 'transposed' was not declared in this scope", "cxx-standard"),
    ("../lib/libops.so\uff1a对\u2018google::protobuf::Message::foo() const\u2019未定义的引用", "protobuf-link"),
    ("ld: libops.so: référence indéfinie vers « google::protobuf::Message::foo() »", "protobuf-link"),
    ("a.obj : error LNK2019: unresolved external symbol __imp_?foo@autograd@torch@@YAXXZ", "torch-abi-mismatch"),
    ("'libnccl.so' not found in library path", "shared-lib-missing"),
    ("/bin/sh: 1: SWIG_EXECUTABLE-NOTFOUND: not found", "cmake-package-not-found"),
    ("Your installed Caffe2 version uses gflags but the gflags library cannot be found.", "cmake-package-not-found"),
    ("ImportError: Cannot import 'mmcv._ext', therefore 'DeformConv' is not available", "extension-not-built"),
    ("a.cpp:9:1: internal compiler error: in tsubst_copy, at cp/pt.c:13189", "compiler-too-old"),
    ('caffe2.proto:9:3: Expected "required", "optional", or "repeated".', "protobuf-version"),
    (
        'a.cu(11): error: class "cub::detail::it_thread_reduce<int>" has no member "type"',
        "nvcc-include-mismatch",
    ),
]


@pytest.mark.parametrize(("line", "category"), OTHER_NAMES)
def test_other_names_versions_and_languages_are_the_same_fault(line: str, category: str, matcher: Matcher) -> None:
    found = best(matcher, line)

    assert found is not None and found.signature.category == category


UNRELATED = [
    "main.cpp:3:5: error: 'foo' was not declared in this scope",
    "main.cpp:(.text+0x5): undefined reference to `run()'",
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "RuntimeError: [enforce fail at context_gpu.cu:415] error == cudaSuccess. 2 vs 0. out of memory",
    "RuntimeError: DataLoader worker (pid 4242) is killed by signal: Killed.",
    "FileNotFoundError: [Errno 2] No such file or directory: 'data/annotations.json'",
    "ModuleNotFoundError: No module named 'myproject'",
    "urllib.error.HTTPError: HTTP Error 403: Forbidden",
    "AssertionError: Tensor-likes are not close!",
    "Segmentation fault (core dumped)",
    "TypeError: __init__() got an unexpected keyword argument 'file'",
    "AttributeError: 'NoneType' object has no attribute 'split'",
    "IndexError: list index out of range",
    "RuntimeError: CUDA error: device-side assert triggered",
    "docker: Error response from daemon: pull access denied for someone/image",
    "main.cpp:(.text+0x13): undefined reference to `Foo::bar(std::__cxx11::basic_string<char>)'",
    'src/op.cu(34): error: identifier "my_kernel_launch" is undefined',
    "make: *** No rule to make target 'src/foo.cc', needed by 'foo.o'.  Stop.",
    "ld: warning: libcudart.so.10.1, needed by libfoo.so, may conflict with libcudart.so.10.2",
    "ERROR: No matching distribution found for somepackage==1.0",
    "make: *** [Makefile:5: foo.o] Error 1",
    "ninja: build stopped: subcommand failed.",
    "ModuleNotFoundError: No module named 'keras.backend'",
    "ModuleNotFoundError: No module named 'src.data.dataset'",
    "ImportError: cannot import name 'rbf_kernel' from 'sklearn.metrics.pairwise'",
    "FileNotFoundError: [WinError 2] The system cannot find the file specified: 'data/train.txt'",
    "INFO: CUDA_VISIBLE_DEVICES is set to 0,1",
    "gcc: error: main.cpp: No such file or directory",
    "cat: foo.h: No such file or directory",
    "error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.",
    "[enforce fail at blob.h:94] IsType<T>(). Blob contains int, caller expects caffe2::Tensor<caffe2::CPUContext>",
    "OSError: [Errno 28] No space left on device",
    'kernel.cu(5): error: namespace "std" has no member "min"',
    "Ninja not found. It can be used to accelerate builds.",
    "error: externally-managed-environment",
    'a.cu(8): error: class "thrust::device_vector<float>" has no member "push"',
    "AttributeError: module 'my_ops' has no attribute 'forward'",
    "a.obj : error LNK2019: unresolved external symbol ?run@mine@@YAXXZ referenced in function main",
    "config.json not found in library path",
    "  Update the VERSION argument <min> value or use a ...<max> suffix to tell",
    "Required library version not found",
    "net.cpp:7:5: error: 'cudnn_enabled' was not declared in this scope",
    "a.cpp(5): error C2039: 'size2': is not a member of 'my::Box'",
]


@pytest.mark.parametrize("line", UNRELATED)
def test_a_users_own_fault_and_a_consequence_match_nothing(line: str, matcher: Matcher) -> None:
    assert best(matcher, line) is None


def hostile(pattern: str) -> str:
    """A line that keeps a backtracking engine busy: the pattern's own words, over and over, and never its end."""
    words = re.findall(r"[A-Za-z_]{3,}", pattern) or ["a"]
    return (" ".join(words) + " ") * (20_000 // (sum(map(len, words)) + len(words)) + 1) + "!"


@pytest.mark.parametrize("signature", EACH)
def test_no_pattern_takes_more_than_linear_time(signature: Signature) -> None:
    for pattern in signature.patterns.values():
        compiled = re2.compile(pattern)
        for line in (hostile(pattern), "a" * 20_000, "/" * 20_000 + ".so", "'" * 20_000, ": " * 10_000):
            began = time.perf_counter()
            compiled.search(line)
            assert time.perf_counter() - began < 1
