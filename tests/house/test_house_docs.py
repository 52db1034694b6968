"""What the pages tell readers to type works, and the generated ones are fresh."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


snippets = load("snippets")

PAGES = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "STYLE.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")),
]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page):
    try:
        snippets.run_page(ROOT / page)
    except snippets.Fault as fault:
        pytest.fail(f"{page}:{fault.line}: {fault}")


def test_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def routes() -> list[tuple[str, str]]:
    """The (method, path) pairs of the gateway's route tables."""
    tree = ast.parse((ROOT / "src/aegis/surfaces/gateway/app.py").read_text())
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return [
        ast.literal_eval(key)
        for table in tables
        for key in table.keys
        if isinstance(key, ast.Tuple)
    ]


def test_every_route_has_its_place_on_a_page():
    page = (ROOT / "docs/reference/gateway.md").read_text()
    assert len(routes()) >= 8
    missing = [f"{method} {path}" for method, path in routes() if f"{method} {path}" not in page]
    assert missing == []


def run(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    return snippets.run_page(page)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\nraise SystemExit(3)\n```\n", "exit 3, not 0"),
        ("```python\nnot python\n```\n", "exit 1|invalid syntax"),
        ("```sh\n$ false\n```\n", "exit 1, not 0"),
        ("```sh\n$ true # exit 1\n```\n", "exit 0, not 1"),
        ("```sh\n$ echo one\ntwo\n```\n", "does not print `two`"),
        ("```sh\nif then\n```\n", "not shell"),
        ("```yaml\na: [\n```\n", "yaml does not parse"),
        ("```json\n{'a'}\n```\n", "json does not parse"),
        ("```toml\na =\n```\n", "toml does not parse"),
        ("```pyton\nx = 1\n```\n", "unknown language"),
        ("```python\nx = 1\n", "never closed"),
    ],
)
def test_a_wrong_block_is_noticed(tmp_path, text, fault):
    with pytest.raises((snippets.Fault, SyntaxError), match=fault):
        run(tmp_path, text)


def test_blocks_share_a_directory_and_output_is_compared(tmp_path):
    page = (
        "# Page\n\n```yaml\n# file: a.yaml\nx: 1\n```\n\n"
        "```python\nprint(open('a.yaml').read())\n```\n\n"
        "```sh\n$ cat \\\n  a.yaml\nx: …\n$ exit 7 # exit 7\n```\n\n```text\nanything\n```\n"
    )
    assert run(tmp_path, page) == 4


def test_a_background_command_serves_the_page_and_ends_with_it(tmp_path):
    page = (
        "```sh\n$ python -m http.server 8080 --bind 127.0.0.1 &\n"
        "$ curl -fsS -o /dev/null --retry 20 --retry-delay 1 --retry-connrefused "
        "http://127.0.0.1:8080/\n```\n"
    )
    assert run(tmp_path, page) == 1
