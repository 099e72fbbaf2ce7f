"""report.pdf conforms to PDF/A-3a and PDF/UA-1, by veraPDF, and veraPDF would notice if it did not.

`make test-paper` installs what this needs: Maven, a JDK, and veraPDF's validator by pom.xml.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from judged_runs import NAMES, judged

from harness.model.codec import to_indented_json
from harness.report.pdf import Attached, render_pdf

HERE = Path(__file__).parent
LEVELS = ("3a", "ua1")

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def validator() -> Path:
    """A folder with veraPDF and what it needs; downloaded once into Maven's own repository."""
    libraries = HERE.parents[1] / ".setup" / "verapdf"
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
    run("mvn", "-q", "-B", "-f", HERE / "pom.xml", copy, f"-DoutputDirectory={libraries}")
    return libraries


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each kind of run, and of runs of nothing."""
    folder = tmp_path_factory.mktemp("papers")
    for name in NAMES:
        report = judged(name)
        attached = [
            Attached(name="verdict.json", content=to_indented_json(report.judgement), says="V"),
            Attached(name="run.json", content=to_indented_json(report.run), says="R"),
            Attached(name="plan.json", content=to_indented_json(report.plan), says="P"),
        ]
        (folder / f"{name}.pdf").write_bytes(render_pdf(report, attached))
    return {name: folder / f"{name}.pdf" for name in NAMES}


def validated(validator: Path, *papers: Path) -> dict[tuple[str, str], tuple[bool, set[str]]]:
    """(level, file name) -> (whether it conforms, the rules that it breaks)."""
    said = run("java", "-cp", f"{validator}/*", HERE / "Validate.java", ",".join(LEVELS), *papers)
    found = {}
    for line in said.splitlines():
        level, path, conforms, assertions, failed = line.split("\t")
        assert int(assertions) > 1_000, "nothing was looked at"
        found[level, Path(path).stem] = (conforms == "true", set(failed.split()))
    return found


def test_every_kind_of_report_conforms(validator: Path, papers: dict[str, Path]) -> None:
    """PDF/A-3a and PDF/UA-1, each report, no rule broken."""
    found = validated(validator, *papers.values())
    assert found == {(level, name): (True, set()) for level in LEVELS for name in NAMES}


def no_output_intent(document: pikepdf.Pdf) -> None:
    del document.Root.OutputIntents


def unnamed_relation(document: pikepdf.Pdf) -> None:
    for file in document.Root.AF:
        del file.AFRelationship


def untagged(document: pikepdf.Pdf) -> None:
    del document.Root.MarkInfo


def unembedded_font(document: pikepdf.Pdf) -> None:
    for one in document.objects:
        if isinstance(one, pikepdf.Dictionary) and "/FontFile2" in one:
            del one["/FontFile2"]


def silent_picture(document: pikepdf.Pdf) -> None:
    for one in document.objects:
        if isinstance(one, pikepdf.Dictionary) and one.get("/S") == "/Figure" and "/Alt" in one:
            del one["/Alt"]


@pytest.mark.parametrize(
    ("damage", "level"),
    [
        (no_output_intent, "3a"),
        (unnamed_relation, "3a"),
        (untagged, "3a"),
        (unembedded_font, "3a"),
        (silent_picture, "ua1"),
    ],
)
def test_it_would_be_noticed(
    damage: Callable[[pikepdf.Pdf], None],
    level: str,
    validator: Path,
    papers: dict[str, Path],
    tmp_path: Path,
) -> None:
    """A report without one of the things that the standards ask for does not conform."""
    broken = tmp_path / "broken.pdf"
    with pikepdf.open(papers["failing"]) as document:
        damage(document)
        document.save(broken)
    conforms, rules = validated(validator, broken)[level, "broken"]
    assert not conforms
    assert rules
