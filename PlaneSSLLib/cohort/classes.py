"""Classes of whole studies from a table."""
from __future__ import annotations

import csv
from pathlib import Path

from .. import PlaneSSLError


def read_classes(path: Path, known: tuple[str, ...]) -> dict[str, dict[str, int | None]]:
    """A CSV with a column "subject" and one for each class, 0 or 1, empty where unknown -> subject -> class -> answer.

    An empty answer is None. known: the classes of the anatomy. PlaneSSLError names the line and the column that is
    wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaneSSLError(f"The table of classes {path} cannot be read: {error}.") from None
    rows = csv.DictReader(text.splitlines())
    columns = set(rows.fieldnames or ())
    strange = sorted(columns - {"subject", *known})
    twice = len(columns) < len(rows.fieldnames or ())
    if "subject" not in columns or strange or twice:
        raise PlaneSSLError(f"The table of classes {path} needs a column 'subject' and columns among "
                            f"{', '.join(known) or 'the classes of an anatomy that has some'}; "
                            f"it has {', '.join(sorted(columns)) or 'none'}.")
    found: dict[str, dict[str, int | None]] = {}
    for number, row in enumerate(rows, start=2):
        answers = {name: (row[name] or "").strip() for name in columns - {"subject"}}
        if None in row:
            raise PlaneSSLError(f"{path}, line {number}: it has more cells than the table has columns.")
        wrong = next((name for name, answer in answers.items() if answer not in {"0", "1", ""}), None)
        if wrong or not row["subject"] or row["subject"] in found:
            what = f"{wrong} is '{answers[wrong]}', not 0, 1 or empty" if wrong else (
                f"the subject '{row['subject']}' is empty or stands twice")
            raise PlaneSSLError(f"{path}, line {number}: {what}.")
        found[row["subject"]] = {name: int(answer) if answer else None for name, answer in answers.items()}
    return found
