"""Nothing that is read becomes code: no pickle, eval, unsafe YAML or shell in what is ours.

Beam itself pickles our functions to its workers, and TensorFlow runs the graph of a model:
docs/security.md says what that means.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("transforms", "trainer", "serving", "pipeline", "deployment", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"),
    *("xmlrpc", "telnetlib", "ftplib", "imp"),
}
CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.FullLoader"),
    *("yaml.UnsafeLoader", "yaml.Loader", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("ssl._create_unverified_context", "tf.keras.models.load_model", "importlib.import_module"),
    *("np.load", "numpy.load", "hashlib.md5"),
}
# Reviewed: the names are written in the file itself.
ALLOWED = {
    name: {"importlib.import_module"}
    for name in ("trainer/gates/registry.py", "benchmarks/ingest/stages.py")
}
FLAGS = {("shell", True), ("allow_pickle", True), ("verify", False), ("autoescape", False)}


def dangers(text: str) -> Iterator[str]:
    """What of a module could make code of data, with its line."""
    for node in ast.walk(ast.parse(text)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module)
            names = {module.split(".")[0], *(f"{module}.{alias.name}" for alias in node.names)}
        else:
            names = set()
        yield from (f"{line}: {name}" for name in names & (MODULES | CALLS))
        # `re.compile` is an attribute, and no name by itself.
        is_used = isinstance(getattr(node, "ctx", None), ast.Load)
        if is_used and isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in CALLS:
            yield f"{line}: {ast.unparse(node)}"
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            yield from [f"{line}: {node.arg}"] * ((node.arg, node.value.value) in FLAGS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_is_made_of_data(path):
    allowed = ALLOWED.get(str(path.relative_to(ROOT)), set())
    found = [danger for danger in dangers(path.read_text()) if danger.split()[1] not in allowed]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from dill import loads",
        "from yaml import full_load",
        "eval('1')",
        "f = exec",
        "import yaml\nyaml.load(x, Loader=yaml.Loader)",
        "subprocess.run(x, shell=True)",
        "np.load(x)",
        "read(x, allow_pickle=True)",
        "os.system(x)",
        "from os import system",
        "tempfile.mktemp()",
    ],
)
def test_a_danger_is_found(text):
    assert list(dangers(text))


def test_what_only_looks_like_one_is_not():
    assert not list(dangers("re.compile('x')\nyaml.safe_load(x)\nmodel.eval\nast.literal_eval(x)"))
