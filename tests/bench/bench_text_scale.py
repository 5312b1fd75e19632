"""Notes by the hundred thousand: rate, memory, and the same on a local Spark cluster. ``make bench`` runs it.

Notes are those of the synthetic hospital, repeated under new identifiers. Memory is the highest resident set of the process that reads and
writes, and of its largest worker, once for few notes and once for ten times as many; it must not grow by more than a fifth. Spark runs in a
local cluster of two cores and has to give the same answers; without pyspark or Java 17 that part says what is missing and is left out.

    python tests/bench/bench_text_scale.py [--few 50000] [--many 500000] [--spark 20000] [--workers 2]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nlp.variables import ready_set
from workbench.synthetic import generate

SET = "symptoms"
GROWTH = 1.2
_BATCH = 2000

_MEASURED = """
import json, resource, sys, time
from pathlib import Path
from nlp.variables import ready_set
from workbench.texts.stream import structure_file
if __name__ == "__main__":
    source, out, workers = sys.argv[1:]
    began = time.perf_counter()
    done = structure_file(Path(source), Path(out), ready_set("symptoms"), workers=int(workers), progress=False)
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    print(json.dumps({"notes": done.notes, "answers": done.answers, "refused": {**done.read.refused, **done.refused},
                      "seconds": time.perf_counter() - began, "cpu_seconds": cpu,
                      "reader_mb": own.ru_maxrss / 1024, "worker_mb": children.ru_maxrss / 1024}))
"""


def synthetic_texts(patients: int = 300) -> list[tuple[str, str]]:
    """Return the kinds and texts of the synthetic hospital's notes."""
    notes = next(generate(patients, 3, progress=False))["note"]
    return list(zip(notes["note_source_value"].to_pylist(), notes["note_text"].to_pylist(), strict=True))


def write_notes(path: Path, texts: list[tuple[str, str]], count: int) -> int:
    """Write notes, round and round; return their characters."""
    schema = pa.schema([("note_id", pa.int64()), ("note_type", pa.string()), ("note_text", pa.string())])
    characters = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, count, _BATCH):
            chosen = [texts[number % len(texts)] for number in range(start, min(start + _BATCH, count))]
            characters += sum(len(text) for _, text in chosen)
            kinds, words = zip(*chosen, strict=True)
            writer.write_table(pa.table([pa.array(range(start, start + len(chosen)), pa.int64()), list(kinds), list(words)], schema=schema))
    return characters


def measure(source: Path, out: Path, workers: int) -> dict:
    """Structure a file in a process of its own and return what it took."""
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    script = out.with_suffix(".py")
    script.write_text(_MEASURED, encoding="utf-8")
    done = subprocess.run([sys.executable, script, source, out, str(workers)], env=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def show(told: dict, characters: int) -> None:
    print(
        f"{told['notes']:>9,} notes  {told['answers']:>9,} answers  refused {told['refused']}  {told['seconds']:7.1f} s  "
        f"{told['notes'] / told['seconds']:6.0f} notes/s  {characters / told['cpu_seconds'] / 1000:6.1f} kchar per CPU-second  "
        f"memory: reader {told['reader_mb']:.0f} MB, worker {told['worker_mb']:.0f} MB",
        flush=True,
    )


def on_spark(folder: Path, texts: list[tuple[str, str]], count: int) -> bool:
    """Ask the same notes on a local cluster; tell whether the answers are the same."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        print('Spark: left out, pyspark is not installed (pip install "pyspark==4.0.1", the extra bench)')
        return True
    if shutil.which("java") is None:
        print("Spark: left out, there is no Java 17 (apt-get install default-jre-headless)")
        return True
    from workbench.texts.spark import structure_frame

    source, out = folder / "spark.parquet", folder / "spark-answers.parquet"
    write_notes(source, texts, count)
    measure(source, folder / "file-answers.parquet", 2)
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    settings = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    try:
        session.sparkContext.setLogLevel("OFF")
        began = time.perf_counter()
        structure_frame(session.read.parquet(str(source)).repartition(8), ready_set(SET)).write.parquet(str(out))
        seconds = time.perf_counter() - began
    finally:
        session.stop()
    same = answers_of(out) == answers_of(folder / "file-answers.parquet")
    told = "as" if same else "OTHER THAN"
    print(f"Spark, local[2]: {count:,} notes  {seconds:7.1f} s  {count / seconds:6.0f} notes/s  answers {told} those of a file")
    return same


def answers_of(path: Path) -> Counter:
    columns = ["note_id", "variable", "value", "unit", "assertion", "span_start", "span_end", "confidence"]
    return Counter(tuple(row.values()) for row in pq.read_table(path, columns=columns).to_pylist())


def main() -> int:
    asked = argparse.ArgumentParser()
    for name, default in (("few", 50_000), ("many", 500_000), ("spark", 20_000), ("workers", 2)):
        asked.add_argument(f"--{name}", type=int, default=default)
    given = asked.parse_args()
    texts = synthetic_texts()
    mean = sum(len(text) for _, text in texts) / len(texts)
    print(f"variables: {SET} ({len(ready_set(SET))}); {len(texts):,} different notes, {mean:.0f} characters on average", flush=True)
    told = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (given.few, given.many):
            characters = write_notes(folder / f"{count}.parquet", texts, count)
            told.append(measure(folder / f"{count}.parquet", folder / f"answers-{count}.parquet", given.workers))
            show(told[-1], characters)
        grown = max(told[1][part] / told[0][part] for part in ("reader_mb", "worker_mb"))
        print(f"memory of {given.many:,} notes over that of {given.few:,}: {grown:.2f} (at most {GROWTH})")
        same = on_spark(folder, texts, given.spark) if given.spark else True
    return 0 if grown <= GROWTH and same else 1


if __name__ == "__main__":
    sys.exit(main())
