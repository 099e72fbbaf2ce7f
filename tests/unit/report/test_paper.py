"""Where report.pdf is written, and where it is not: never into a sealed run."""

import os
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from sealed_runs import KeyPair, make_run

from harness.cli import paper
from harness.cli.judging import report_of
from harness.cli.main import cli
from harness.cli.paper import write_paper, write_paper_at_its_end
from harness.errors import InputError, RecordError, RefusedError
from harness.report import pdf
from harness.report.pdf import PaperError

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")


def attached(content: bytes) -> dict[str, bytes]:
    with pikepdf.open(BytesIO(content)) as document:
        return {name: file.get_file().read_bytes() for name, file in document.attachments.items()}


def test_a_run_gets_one_with_its_files(tmp_path: Path) -> None:
    """In the run, byte for byte with what lies beside it, and the same when it is written again."""
    run = make_run(tmp_path)
    assert write_paper(run, report_of(run)) == run.path / "report.pdf"
    first = run.paper.read_bytes()
    assert attached(first) == {
        name: (run.path / name).read_bytes() for name in ("verdict.json", "run.json", "plan.json")
    }
    write_paper(run, report_of(run))
    assert run.paper.read_bytes() == first


def test_a_sealed_run_is_not_written(tmp_path: Path) -> None:
    """Neither by default, nor by a path that leads into it; a path elsewhere gets one."""
    run = make_run(tmp_path / "runs")
    KeyPair(tmp_path).seal(run)
    before = sorted(run.path.rglob("*"))
    (tmp_path / "link").symlink_to(run.path)
    for inside in (None, run.path / "other.pdf", tmp_path / "link" / "other.pdf"):
        with pytest.raises(RefusedError) as caught:
            write_paper(run, report_of(run), inside)
        assert caught.value.hint == f"harness report {run.path} --pdf {run.path.name}.pdf"
    assert sorted(run.path.rglob("*")) == before
    elsewhere = tmp_path / "for-the-auditor.pdf"
    assert write_paper(run, report_of(run), elsewhere) == elsewhere
    assert elsewhere.read_bytes().startswith(b"%PDF-1.7")


def test_a_name_that_is_no_pdf_is_refused(tmp_path: Path) -> None:
    """`--pdf RUN` would write the latest run into a file of that name."""
    run = make_run(tmp_path)
    for wrong in (run.path, tmp_path / "20261116T040000Z-weekly-restore-test"):
        with pytest.raises(InputError, match=r"expected a file \*\.pdf"):
            write_paper(run, report_of(run), wrong)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """A folder that is not there stands for it."""
    run = make_run(tmp_path)
    with pytest.raises(RecordError, match="cannot be written"):
        write_paper(run, report_of(run), tmp_path / "nowhere" / "report.pdf")


def test_a_run_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Pango is missing, it is said with what to type, and all else is as ever."""

    def missing(*_: object) -> bytes:
        raise PaperError("report.pdf: a library is missing: libpango", hint="apt-get install x")

    monkeypatch.setattr(pdf, "render_pdf", missing)
    run = make_run(tmp_path)
    write_paper_at_its_end(run, report_of(run))
    said = capsys.readouterr().err
    assert "no report.pdf: report.pdf: a library is missing: libpango" in said
    assert "apt-get install x" in said
    assert f"harness report {run.path} --pdf" in said
    assert not run.paper.exists()


def test_report_writes_it_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--pdf` writes it, `--pdf FILE` elsewhere; a report that is there is kept up to date."""
    run = make_run(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)

    def typed(*words: str) -> None:
        cli.main(["report", str(run.path), *words], standalone_mode=False)

    typed()
    assert not run.paper.exists()
    typed("--pdf", "other.pdf")
    assert (tmp_path / "other.pdf").is_file()
    assert not run.paper.exists()
    typed("--pdf")
    assert "report.pdf" in capsys.readouterr().err
    os.truncate(run.paper, 0)
    typed()
    assert run.paper.read_bytes() == (tmp_path / "other.pdf").read_bytes()


def test_what_is_attached_is_what_there_is(tmp_path: Path) -> None:
    """The names are those of the run directory."""
    run = make_run(tmp_path)
    assert [run.path / name for name, _ in paper.ATTACHED] == [
        run.verdict,
        run.run_record,
        run.plan,
    ]
