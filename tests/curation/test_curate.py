"""From a noisy folder to a training set: every pair is accounted for, whatever is killed when."""

import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from pai_modelscope.cli import main
from pai_modelscope.config.curation import CurateOptions
from pai_modelscope.curation.plan import read_plan
from pai_modelscope.curation.run import choose, curate, deduplicate, score
from pai_modelscope.curation.scorer import ScorerSpec, register_scorer
from pai_modelscope.curation.selection import DOUBLE, scores_of
from pai_modelscope.data.load_dataset import open_training_set
from pai_modelscope.errors import UserError
from tests.support.curation import DEADLY_CAPTION, KILLER

QUICK = ["picture", "caption", "thumbnail"]
PAIRS = 69


def rows_of(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = scores_of(folder, read_plan(folder)).to_table().to_pylist()
    return rows


def digest(folder: Path) -> str:
    return hashlib.sha256(repr(rows_of(folder)).encode()).hexdigest()


@pytest.fixture(scope="module")
def scored(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "out"
    score(str(noisy), str(folder), CurateOptions(workers=2, rows=20))
    return folder


def copy(scored: Path, folder: Path) -> Path:
    return Path(shutil.copytree(scored, folder / "out"))


def test_every_pair_is_a_row_and_a_bad_one_has_its_reason(scored: Path) -> None:
    rows = {str(row["path"]) or str(row["problem"]): row for row in rows_of(scored)}
    assert len(rows) == PAIRS and len({row["id"] for row in rows.values()}) == PAIRS
    bad = [row for row in rows.values() if row["problem"]]
    assert len(bad) == 2 and all(row["clip"] is None and row["side"] is None for row in bad)
    assert any("html.png" in str(row["problem"]) for row in bad) and any(
        "gone.png" in str(row["problem"]) for row in bad
    )
    advert, plain, sound = rows["advert.png"], rows["plain.png"], rows["00.png"]
    assert advert["advert"] and advert["phone"] and advert["address"] and not sound["advert"]
    assert (advert["width"], advert["height"], advert["side"], advert["aspect"]) == (120, 80, 80, 1.5)
    assert plain["contrast"] == 0.0 < 4 < sound["contrast"] and plain["border"] == 1.0  # type: ignore[operator]
    assert sound["chinese"] > 0.8 and sound["clip"] > advert["clip"]  # type: ignore[operator]
    assert len(sound["thumbnail"]) == 768  # type: ignore[arg-type]


def test_duplicates_are_found_of_each_kind_and_nothing_else(scored: Path, tmp_path: Path) -> None:
    folder = copy(scored, tmp_path)
    assert deduplicate(str(folder)) == 5
    names = {row["id"]: row["path"] for row in rows_of(folder)}
    found = pq.read_table(folder / "duplicates.parquet").to_pylist()
    pairs = {(names[row["id"]], names[row["duplicate_of"]]) for row in found}
    kept = {"resized.png": "00.png", "compressed.jpg": "01.png", "mirrored.png": "02.png", "darker.png": "03.png"}
    for copied, original in (kept | {"same.png": "04.png"}).items():
        assert (copied, original) in pairs or (original, copied) in pairs
    assert ("resized.png", "00.png") in pairs, "the larger one is kept"


def test_all_pairs_are_kept_or_left_out_for_one_reason(scored: Path, tmp_path: Path) -> None:
    folder = copy(scored, tmp_path)
    deduplicate(str(folder))
    rules = ["contrast >= 4", "not advert and not phone"]
    selection = choose(str(folder), CurateOptions(rule=rules))
    assert selection.left_out == {"it can't be read": 2, rules[0]: 1, rules[1]: 1, DOUBLE: 5}
    left = pq.read_table(folder / "left_out.parquet").to_pylist()
    ids = [row["id"] for row in (*left, *selection.kept.to_pylist())]
    assert len(ids) == len(set(ids)) == PAIRS == selection.pairs
    told = json.loads((folder / "run.json").read_text("utf-8"))
    assert told["pairs"] == PAIRS and told["kept"] == 60 and sum(told["left_out"].values()) == 9
    assert Counter(row["reason"] for row in left) == told["left_out"] and set(told["scorers"]) == {*QUICK, "clip"}
    kept = open_training_set(folder / "kept")
    assert len(kept) == 60
    texts = {row["id"]: row["caption"] for row in rows_of(folder)}
    lines = [json.loads(line) for line in (folder / "kept/metadata.jsonl").read_text("utf-8").splitlines()]
    digests = {row["id"]: row["digest"] for row in rows_of(folder)}
    for place, line in enumerate(lines):
        assert line["text"] == texts[line["id"]] and kept[place].digest == digests[line["id"]], "files as they were"


def test_where_a_rule_leaves_the_best_copy_out_another_stands_for_it(scored: Path, tmp_path: Path) -> None:
    folder = copy(scored, tmp_path)
    deduplicate(str(folder))
    names = {row["id"]: row["path"] for row in rows_of(folder)}
    selection = choose(str(folder), CurateOptions(rule=["side < 128"], export=False))
    assert [names[row["id"]] for row in selection.kept.to_pylist()] == ["resized.png", "advert.png"]
    assert not (folder / "kept").exists()


def test_the_best_are_taken(scored: Path, tmp_path: Path) -> None:
    folder = copy(scored, tmp_path)
    selection = choose(str(folder), CurateOptions(top=10, by="clip", export=False))
    clips = {row["id"]: row["clip"] or -2 for row in rows_of(folder)}
    best = sorted(clips.values(), reverse=True)[:10]  # type: ignore[type-var]
    assert sorted((clips[row["id"]] for row in selection.kept.to_pylist()), reverse=True) == best  # type: ignore[type-var]
    with pytest.raises(UserError, match="--top and --by"):
        choose(str(folder), CurateOptions(top=10))
    with pytest.raises(UserError, match="no column 'beauty'"):
        choose(str(folder), CurateOptions(top=10, by="beauty"))
    with pytest.raises(UserError, match=r"no pair of 69 is kept: 2 by .* 67 by 'side > 9999'"):
        choose(str(folder), CurateOptions(rule=["side > 9999"]))


def test_a_pair_that_kills_its_worker_is_found_and_takes_nobody_along(
    noisy: Path, scored: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(noisy, tmp_path / "in"))
    text = (source / "metadata.jsonl").read_text("utf-8")
    (source / "metadata.jsonl").write_text(text.replace("一张图", DEADLY_CAPTION), encoding="utf-8")
    register_scorer(KILLER)
    score(str(source), str(tmp_path / "out"), CurateOptions(scorer=["caption", "killer"], workers=2, rows=20))
    rows = rows_of(tmp_path / "out")
    dead = [row for row in rows if "was killed each time" in str(row["problem"])]
    assert len(rows) == PAIRS and [row["place"] for row in dead] == [65]
    before = {row["place"]: row["characters"] for row in rows_of(scored)}
    assert all(row["characters"] == before[row["place"]] for row in rows if row not in dead)


def test_an_error_of_a_scorer_is_one_pairs(noisy: Path, tmp_path: Path) -> None:
    register_scorer(ScorerSpec("fussy", {"fussy": "number"}, "tests.support.curation:Fussy", "fails now and then"))
    score(str(noisy), str(tmp_path / "out"), CurateOptions(scorer=["caption", "fussy"], workers=1, rows=50))
    rows = rows_of(tmp_path / "out")
    failed = [row for row in rows if "the scorer fussy failed: 包" in str(row["problem"])]
    assert [row["path"] for row in failed] == ["advert.png"] and failed[0]["advert"] is True
    assert sum(row["fussy"] == 1.0 for row in rows) == PAIRS - 4
    selection = choose(str(tmp_path / "out"), CurateOptions(rule=["not fussy < 0"], export=False))
    assert selection.left_out == {"it can't be read": 3, "not fussy < 0": 1}, "what is not known makes no rule true"


def command(noisy: Path, out: Path, *more: str, rows: int = 4) -> list[str]:
    scorers = [part for name in QUICK for part in ("--scorer", name)]
    run = [sys.executable, "-m", "pai_modelscope.cli", "curate", "score", str(noisy), str(out)]
    return [*run, "--rows", str(rows), *scorers, *more]


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_end_is_the_same(noisy: Path, tmp_path: Path, kills: int) -> None:
    whole = tmp_path / "whole"
    subprocess.run(command(noisy, whole, "--workers", "2"), check=True, capture_output=True, timeout=120)
    rng, killed = random.Random(kills), tmp_path / "killed"
    while kills:
        process = subprocess.Popen(command(noisy, killed, "--workers", "2"), stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 2.0))
        kills -= kill_one(process, rng)
        process.wait(120)
        if process.returncode == 0:  # a worker's death, or none: there is something to do again
            for file in rng.sample(sorted((killed / "scores").glob("*.parquet")), 9):
                file.unlink()
    subprocess.run(command(noisy, killed, "--workers", "1"), check=True, capture_output=True, timeout=120)
    assert digest(killed) == digest(whole)
    assert not [file for file in (killed / "scores").iterdir() if not file.name[0].isdigit()]


@pytest.mark.slow
def test_workers_of_ray_give_the_same_and_survive_kills(noisy: Path, scored: Path, tmp_path: Path) -> None:
    whole, rayed = tmp_path / "whole", tmp_path / "rayed"
    subprocess.run(command(noisy, whole, "--workers", "2"), check=True, capture_output=True, timeout=120)
    process = subprocess.Popen(
        command(noisy, rayed, "--workers", "2", "--ray", "local"), stderr=subprocess.PIPE, text=True
    )
    rng, killed = random.Random(0), 0
    while process.poll() is None:
        workers = [each for each in psutil.Process(process.pid).children(recursive=True) if is_worker(each)]
        if workers and killed < 5:
            with contextlib.suppress(psutil.NoSuchProcess):
                rng.choice(workers).kill()
                killed += 1
        time.sleep(1)
    assert process.returncode == 0, process.stderr and process.stderr.read()
    assert killed >= 1 and digest(rayed) == digest(whole)
    wrong = subprocess.run(
        command(noisy, tmp_path / "none", "--ray", "127.0.0.1:1"), capture_output=True, text=True, timeout=120
    )
    assert wrong.returncode == 2 and "no Ray cluster at 127.0.0.1:1" in wrong.stderr and "Traceback" not in wrong.stderr


def is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "_Worker" in " ".join(process.cmdline())
    return False


@pytest.mark.slow
def test_a_pair_that_kills_workers_of_ray_is_found(noisy: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(noisy, tmp_path / "in"))
    text = (source / "metadata.jsonl").read_text("utf-8")
    (source / "metadata.jsonl").write_text(text.replace("一张图", DEADLY_CAPTION), encoding="utf-8")
    register_scorer(KILLER)
    options = CurateOptions(scorer=["caption", "killer"], workers=2, rows=20, ray="local")
    score(str(source), str(tmp_path / "out"), options)
    dead = [row for row in rows_of(tmp_path / "out") if "was killed each time" in str(row["problem"])]
    assert [row["place"] for row in dead] == [65]


def kill_one(process: "subprocess.Popen[bytes]", rng: random.Random) -> bool:
    """Kill the run or one of its workers; whether one was there."""
    with contextlib.suppress(psutil.NoSuchProcess):
        run = psutil.Process(process.pid)
        workers = run.children(recursive=True)
        rng.choice([run, *workers]).kill()
        if process.poll() is not None:
            psutil.wait_procs(workers, 60)  # they notice that nobody gives them anything
        return True
    return False


def test_ctrl_c_stops_and_the_next_goes_on(noisy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(noisy, out, "--workers", "1"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not list(out.glob("scores/[0-9]*.parquet")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert "stopped" in process.communicate(timeout=60)[1] and process.returncode == 130
    done = {file.name: file.stat().st_mtime_ns for file in out.glob("scores/[0-9]*.parquet")}
    score(str(noisy), str(out), CurateOptions(scorer=QUICK, workers=1, rows=4))
    assert len(rows_of(out)) == PAIRS
    assert all((out / "scores" / name).stat().st_mtime_ns == when for name, when in done.items())


def test_a_full_disk_is_one_line_and_blames_no_pair(noisy: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    full = command(noisy, tmp_path / "out", "--workers", "2", rows=50)
    done = subprocess.run(full, capture_output=True, text=True, timeout=120, preexec_fn=limit)
    assert done.returncode == 2 and "can't be written to" in done.stderr and "Traceback" not in done.stderr
    assert {file.name for file in (tmp_path / "out/scores").iterdir()} <= {"000001.parquet"}, "which is small"
    subprocess.run(full, check=True, capture_output=True, timeout=120)
    assert sum(row["problem"] is not None for row in rows_of(tmp_path / "out")) == 2


def test_another_input_or_other_scorers_are_refused(noisy: Path, scored: Path, tmp_path: Path) -> None:
    folder = copy(scored, tmp_path)
    with pytest.raises(UserError, match="was begun with the scorers"):
        score(str(noisy), str(folder), CurateOptions(scorer=["picture"], rows=20))
    with pytest.raises(UserError, match="was begun with the input"):
        score(str(tmp_path), str(folder), CurateOptions(rows=20))
    with pytest.raises(UserError, match="was begun with the rows of a shard 20, not 30"):
        score(str(noisy), str(folder), CurateOptions(rows=30))
    changed = Path(shutil.copytree(noisy, tmp_path / "in"))
    score(str(changed), str(tmp_path / "new"), CurateOptions(scorer=["caption"], workers=1))
    (changed / "00.png").write_bytes((changed / "01.png").read_bytes() + b"\0")
    with pytest.raises(UserError, match="has changed since"):
        score(str(changed), str(tmp_path / "new"), CurateOptions(scorer=["caption"], workers=1))
    next((folder / "scores").glob("*.parquet")).unlink()
    with pytest.raises(UserError, match="has scores of 3 shards of 4"):
        choose(str(folder), CurateOptions())


def test_the_command_line(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    flags = ["--workers", "1", "--rule", "contrast >= 4", *(part for name in QUICK for part in ("--scorer", name))]
    assert main(["curate", str(noisy), str(out), *flags]) == 0
    said = capsys.readouterr().err
    assert "scored 69 pairs" in said and "found 5 duplicates" in said and "left out 1: contrast >= 4" in said
    assert "kept 61 of 69" in said
    (tmp_path / "rules.yaml").write_text("rule: ['contrast >= 4', not advert]\ntop: 20\nby: side\n", encoding="utf-8")
    assert main(["curate", "select", str(out), "--config", str(tmp_path / "rules.yaml")]) == 0
    assert "kept 20 of 69" in capsys.readouterr().err and len(open_training_set(out / "kept")) == 20
    for wrong, says in (
        (["curate", str(noisy)], "give INPUT and OUTPUT"),
        (["curate", "select", str(tmp_path / "none")], "holds no scores"),
        (["curate", str(tmp_path / "none"), str(tmp_path / "x")], "There is no training set"),
        (["curate", str(noisy), str(tmp_path / "y"), "--scorer", "beauty"], "there is no scorer 'beauty'; valid are"),
        (["curate", str(noisy), str(tmp_path / "y"), "--rows", "0"], "rows"),
        (["curate", "select", str(out), "--rule", "beauty > 1"], "there is no column 'beauty'"),
    ):
        assert main(wrong) == 2 and says in capsys.readouterr().err
    assert len(open_training_set(out / "kept")) == 20, "what was there stays"


def test_curating_is_one_call(noisy: Path, tmp_path: Path) -> None:
    selection = curate(str(noisy), str(tmp_path / "out"), CurateOptions(scorer=QUICK, workers=1))
    assert selection.left_out == {"it can't be read": 2, DOUBLE: 5} and len(selection.kept) == 62
