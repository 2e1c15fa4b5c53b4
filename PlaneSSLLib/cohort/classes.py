"""Classes of whole studies from a table."""
from __future__ import annotations

import csv
from pathlib import Path

from .. import PlaneSSLError


def read_classes(path: Path, known: tuple[str, ...]) -> dict[str, dict[str, int | None]]:
    """A CSV with a column "subject" and one for each class, 0 or 1, empty where unknown -> subject -> class -> answer.

    Its cells are parted by commas, or by semicolons, as spreadsheets in much of Europe write them. An empty
    answer is None. known: the classes of the anatomy. PlaneSSLError names the line and the column that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaneSSLError(f"The table of classes {path} cannot be read: {error}.") from None
    head = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head and "," not in head else ",")
    columns = set(rows.fieldnames or ())
    strange = sorted(columns - {"subject", *known})
    twice = len(columns) < len(rows.fieldnames or ())
    if "subject" not in columns or strange or twice:
        raise PlaneSSLError(f"The table of classes {path} needs a column 'subject' and columns among "
                            f"{', '.join(known) or 'the classes of an anatomy that has some'}; "
                            f"it has {', '.join(sorted(columns)) or 'none'}.")
    found: dict[str, dict[str, int | None]] = {}
    for row in rows:
        number, subject = rows.line_num, (row["subject"] or "").strip()
        if None in row:
            raise PlaneSSLError(f"{path}, line {number}: it has more cells than the table has columns.")
        answers = {name: (row[name] or "").strip() for name in columns - {"subject"}}
        if not subject and not any(answers.values()):
            continue  # what spreadsheets leave below a table
        wrong = next((name for name, answer in answers.items() if answer not in {"0", "1", ""}), None)
        if wrong or not subject or subject in found:
            what = f"{wrong} is '{answers[wrong]}', not 0, 1 or empty" if wrong else (
                f"the subject '{subject}' is empty or stands twice")
            raise PlaneSSLError(f"{path}, line {number}: {what}.")
        found[subject] = {name: int(answer) if answer else None for name, answer in answers.items()}
    return found
