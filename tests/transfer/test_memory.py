"""Imports and exports of many documents: memory does not follow their number."""

import subprocess
import sys
from pathlib import Path

ROWS = 200_000
GROWTH_MAX_MB = 96
"""The caches of SQLite and a batch; all rows at once would take three times as much."""

PROGRAM = """
import resource, sys
from pathlib import Path
from tests.transfer.places import Place

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

folder, rows = Path(sys.argv[1]), int(sys.argv[2])
file = folder / "rows.jsonl"
with file.open("w") as out:
    for number in range(rows):
        out.write('{"number": %d, "text": "%s"}\\n' % (number * 7919 % rows, "some text " * 30))
place = Place(folder / "place")
before = peak_mb()
importer, staged = place.stage(file, table="rows")
print(staged.rows, round(peak_mb() - before))
importer.close()
"""


def test_many_documents_are_staged_in_little_memory(tmp_path: Path) -> None:
    """Two hundred thousand documents, their text 60 MB, are read and checked in what a few thousand need."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(ROWS)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    rows, growth_mb = map(int, done.stdout.split())
    assert rows == ROWS
    assert growth_mb < GROWTH_MAX_MB
