"""The structure: which package may import which, what a light import costs."""

import ast
import configparser
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pai_modelscope

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pai_modelscope"

# Imports point from an earlier layer to a later one, never back, and never sideways within one layer.
LAYERS = [
    {"cli"},
    {"gallery"},
    {"serving"},
    {"pipelines", "trainers", "notebook"},
    {"training"},
    {"methods", "curation"},
    {"evaluation"},
    {"sampling"},
    {"acceleration"},
    {"families"},
    {"checkpoints", "compat"},
    {"adapters"},
    {"data"},
    {"prompting"},
    {"text"},
    {"images"},
    {"diffusion"},
    {"zoo"},
    {"config"},
    {"library_logs"},
    {"tensor_files"},
    {"pickles"},
    {"model_layout"},
    {"text_encoding"},
    {"untrusted"},
    {"plugins"},
    {"cluster"},
    {"errors"},
    {"files"},
    {"limits"},
    {"registration"},
]
LAYER = {name: height for height, names in enumerate(LAYERS) for name in names}

# Names of the writers' own folders: a reader of the project has none of them.
FOREIGN = ["/work" + "/", "/tmp" + "/mini", "shared" + "/", "../" + "shared"]


def tracked() -> list[Path]:
    """The files that git knows; in an unpacked archive without git, all files of the source folders."""
    try:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for folder in ("pai_modelscope", "recipes", "tests") for path in (ROOT / folder).rglob("*.py")]
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).exists()]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and ROOT / "notebooks" not in path.parents]


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_packages(tree: ast.AST, package: str) -> set[str]:
    """Packages that any import statement of a module of `package` names, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            names |= {f"{base}{node.module or ''}.{alias.name}".replace("..", ".") for alias in node.names}
    prefix = "pai_modelscope."
    found = {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}
    return found & LAYER.keys()


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def package_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def modules() -> list[str]:
    return ["pai_modelscope"] + [
        found.name for found in pkgutil.walk_packages(pai_modelscope.__path__, "pai_modelscope.")
    ]


def test_every_package_has_a_layer() -> None:
    assert {layer_of(path) for path in package_files()} <= LAYER.keys()


def test_contributing_draws_the_layers() -> None:
    """Its picture has a line for each layer, in their order: the names, and what they are for."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = re.search(r"```text\n(┌.*?)```", text, re.DOTALL)
    assert drawing
    lines = re.findall(r"^│ (.{32})(.+?) *│$", drawing[1], re.MULTILINE)
    assert [set(names.split()) for names, _ in lines] == LAYERS
    assert all(len(purpose) > 10 for _, purpose in lines)


@pytest.mark.parametrize("path", package_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = layer_of(path)
    wrong = {
        other
        for other in imported_packages(ast.parse(path.read_text(encoding="utf-8")), package_of(path)) - {own}
        if LAYER[other] <= LAYER[own]
    }
    assert not wrong, f"{own} must not import {sorted(wrong)}"


@pytest.mark.parametrize(
    ("code", "package"),
    [
        ("def f():\n    from pai_modelscope import sampling", "sampling"),
        ("import pai_modelscope.zoo.entries", "zoo"),
        ("from ..errors import UserError", "errors"),
        ("from .. import text", "text"),
    ],
)
def test_the_import_rule_sees_every_form(code: str, package: str) -> None:
    assert imported_packages(ast.parse(code), "pai_modelscope.images") == {package}


METHODS = {path.parent.name for path in (PACKAGE / "methods").glob("*/method.py")}
KNOW_NO_METHOD = [path for path in package_files() if layer_of(path) in {"training", "cli", "trainers", "config"}]


def knowledge_of_methods(tree: ast.AST) -> list[str]:
    """Names of methods as texts, imports of a method's modules, and guesses at what options there are."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [repr(node.value)] if node.value.replace("-", "_") in METHODS else []
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [alias.name for alias in node.names]
            modules = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
            below = [module.removeprefix("pai_modelscope.methods.").split(".")[0] for module in modules]
            found += [module for module, name in zip(modules, below, strict=True) if name in METHODS]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            asked = ast.unparse(node.args[0])
            found += [ast.unparse(node)] if asked.endswith(("options", "options.method")) else []
    return found


@pytest.mark.parametrize("path", KNOW_NO_METHOD, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_loop_and_its_callers_know_no_method(path: Path) -> None:
    """A sixth method is a folder and a line of the registry, or another package."""
    assert knowledge_of_methods(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "if method == 'lora': pass",
        "names = {'textual-inversion': 1}",
        "from pai_modelscope.methods.full.method import FullFineTuning",
        "import pai_modelscope.methods.dreambooth.options",
        "getattr(self.options.method, 'rank', 0)",
        "hasattr(options, 'annotator')",
    ],
)
def test_that_rule_sees_every_form(code: str) -> None:
    assert len(METHODS) == 5 and knowledge_of_methods(ast.parse(code))


_FAMILY_CLASSES = re.compile(r"StableDiffusion\w*|UNet2DConditionModel|AutoencoderKL|BertTokenizer")
KNOW_NO_FAMILY = [
    path
    for path in package_files()
    if layer_of(path) in {"sampling", "training", "adapters", "pipelines", "trainers", "cli", "acceleration"}
]


def knowledge_of_families(tree: ast.AST) -> list[str]:
    """Names of the first family's classes, wherever code or its texts have them; docstrings may explain them."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            names.append(node.value)
        elif isinstance(node, ast.Name):
            names.append(node.id)
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
        elif isinstance(node, ast.alias):
            names.append(node.name)
    return [name for name in names if _FAMILY_CLASSES.search(name)]


@pytest.mark.parametrize("path", KNOW_NO_FAMILY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_draws_and_learns_names_no_family(path: Path) -> None:
    """A second family of models is a file, or another package."""
    assert knowledge_of_families(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "from diffusers import StableDiffusionImg2ImgPipeline",
        "def f(vae: 'AutoencoderKL'): pass",
        "isinstance(tokenizer, transformers.BertTokenizer)",
        "getattr(diffusers, 'UNet2DConditionModel')",
        'raise UserError("give a StableDiffusionPipeline")',
    ],
)
def test_that_rule_sees_families_in_every_form(code: str) -> None:
    assert knowledge_of_families(ast.parse(code))
    assert not knowledge_of_families(ast.parse('"""As StableDiffusionPipeline does."""\nx = 1'))


def test_only_the_adapters_import_modelscope() -> None:
    adapters = {"pipelines", "trainers"}
    for path in package_files():
        names = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        uses = {name for name in names if name == "modelscope" or name.startswith("modelscope.")}
        # The demo shows the call that a ModelScope user writes.
        assert not uses or layer_of(path) in adapters or path == PACKAGE / "cli" / "demo.py", (path, uses)


@pytest.mark.parametrize("name", modules())
def test_every_module_imports(name: str) -> None:
    if name != "pai_modelscope.__main__" and not name.endswith(".__main__"):
        importlib.import_module(name)


@pytest.mark.parametrize(
    "code",
    [
        "import pai_modelscope",
        "from pai_modelscope.cli import main; main(['--help'])",
        "from pai_modelscope.cli import main; main(['train', '--help'])",
        "from pai_modelscope.cli import main; main(['train', 'dreambooth', '--help'])",
    ],
    ids=["import", "help", "help of train", "help of a method"],
)
def test_light_imports(code: str) -> None:
    """Neither needs torch, modelscope or diffusers: seconds for a user who asks only for help."""
    check = (
        "import atexit, sys\n"
        "heavy = ['torch', 'modelscope', 'diffusers', 'transformers', 'cv2']\n"
        "atexit.register(lambda: print('HEAVY', [n for n in heavy if n in sys.modules]))\n" + code
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout


def declared() -> set[str]:
    """The distributions that setup.cfg asks for, extras included, in the one spelling that pip uses."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    return {normal(re.split(r"[\[<>=~! ]", line)[0]) for line in "\n".join(lines).split("\n") if line.strip()}


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def test_dependencies_are_declared_and_pinned() -> None:
    """A fresh machine installs what setup.cfg says: nothing may be there by another package's courtesy."""
    imports = {
        (name or "").split(".")[0]
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    own = {entry.name for entry in ROOT.iterdir() if entry.is_dir()}
    distributions = importlib.metadata.packages_distributions()
    foreign = imports - set(sys.stdlib_module_names) - own
    needed = {normal(distributions.get(name, [name])[0]) for name in foreign}
    indirect = {"tokenizers"}  # a part of transformers, which pins it
    assert needed - indirect <= declared()
    pinned = {
        normal(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert declared() <= pinned


def test_no_foreign_paths() -> None:
    text_suffixes = {".py", ".md", ".cfg", ".toml", ".txt", ".json", ".ipynb", ".yaml", ".yml", ".part", ""}
    for path in tracked():
        if path.suffix in text_suffixes and path.stat().st_size < 2**20:
            text = path.read_bytes().decode("utf-8", errors="ignore")
            assert not [word for word in FOREIGN if word in text], path


def test_the_tracked_tree_stays_small() -> None:
    """The whole project stays cloneable in a minute: 56 MiB, see CONTRIBUTING.md."""
    assert sum(path.stat().st_size for path in tracked()) <= 56 * 2**20


def test_the_wheel_carries_the_assets(tmp_path: Path) -> None:
    """What pip installs must hold the model: a wheel is built the way pip builds it, and read."""
    import zipfile

    wheel = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "pai_modelscope"):
        if (ROOT / name).exists():
            os.symlink(ROOT / name, source / name)
    subprocess.run([sys.executable, "-c", wheel, str(tmp_path)], cwd=source, check=True, capture_output=True)
    packed = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    assets = PACKAGE / "assets"
    shipped = {path.relative_to(ROOT).as_posix() for path in tracked() if assets in path.parents}
    assert shipped <= packed
    assert "pai_modelscope/cli/parser.py" in packed


def test_notice_names_every_author_and_licence() -> None:
    from pai_modelscope.data import shipped_records

    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    credits = {(record["author"], record["license"]) for record in shipped_records()}
    assert credits
    assert [credit for credit in credits if not all(part in notice for part in credit)] == []
    assert (ROOT / "recipes/collections/NOTICE.part").read_text(encoding="utf-8") in notice
    fonts = [path for path in (PACKAGE / "assets" / "fonts").iterdir() if path.suffix in (".otf", ".ttf", ".xz")]
    assert len(fonts) == 2 and all(font.name in notice for font in fonts)


def test_no_two_test_files_share_a_name() -> None:
    """pytest would take the second for the first."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


CALLERS = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0] in {"recipes", "benchmarks", "scripts", "docs", "gallery"}
] + sorted((ROOT / "notebooks/src").glob("*.py"))


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_imported_from_the_package_is_there(path: Path) -> None:
    """Of notebooks, recipes and benchmarks, which tests run in part or not at all."""
    lines = path.read_text(encoding="utf-8").splitlines()
    tree = ast.parse("\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in lines))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pai_modelscope":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                assert hasattr(module, alias.name) or importlib.util.find_spec(whole), whole


def annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = node.args
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [part for part in (*(one.annotation for one in several if one), node.returns) if part]


def names_any(annotation: ast.expr) -> bool:
    texts = [part.value for part in ast.walk(annotation) if isinstance(part, ast.Constant)]
    names = [part.id for part in ast.walk(annotation) if isinstance(part, ast.Name)]
    return "Any" in names or any(isinstance(text, str) and re.search(r"\bAny\b", text) for text in texts)


def untyped(tree: ast.Module) -> list[str]:
    """Public functions, methods and fields of classes whose annotation says `Any`."""
    found = []
    for scope in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))):
        if isinstance(scope, ast.ClassDef) and scope.name.startswith("_"):
            continue
        for node in scope.body:
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                found += [node.name for annotation in annotations(node) if names_any(annotation)]
            elif isinstance(node, ast.AnnAssign) and isinstance(scope, ast.ClassDef) and names_any(node.annotation):
                found.append(ast.unparse(node.target))
    return found


@pytest.mark.parametrize("path", package_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_public_says_its_types(path: Path) -> None:
    assert untyped(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(x: Any): pass",
        "def f() -> 'dict[str, Any]': pass",
        "class C:\n    x: list[Any]",
        "class C:\n    def __init__(self, **more: Any): pass",
    ],
)
def test_an_untyped_part_is_seen(code: str) -> None:
    assert untyped(ast.parse(code)) and not untyped(ast.parse(code.replace("Any", "object")))


def test_any_is_rare() -> None:
    texts = [line for path in package_files() for line in path.read_text(encoding="utf-8").splitlines()]
    count = sum(len(re.findall(r"\bAny\b", line)) for line in texts if not re.match(r"\s*(from|import) ", line))
    assert count <= 150
