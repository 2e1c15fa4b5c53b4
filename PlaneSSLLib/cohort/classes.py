"""Classes of whole studies: from a table, and from what each study says itself."""
from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from .. import PlaneSSLError


def read_classes(path: Path, known: tuple[str, ...]) -> dict[str, dict[str, int | None]]:
    """A CSV with a column "subject" and one for each class, 0 or 1, empty where unknown -> subject -> class -> answer.

    Its cells are parted by commas, by semicolons, as spreadsheets in much of Europe write them, or by tabs. An empty
    answer is None. known: the classes of the anatomy. PlaneSSLError names the line and the column that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PlaneSSLError(f"The table of classes {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise PlaneSSLError(f"The table of classes {path} is no plain text in UTF-8: spreadsheets save one as 'CSV "
                            "UTF-8'.") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True,
                          delimiter=max(",;\t", key=text.partition("\n")[0].count))
    try:
        return _read(rows, path, known)
    except csv.Error as error:
        raise PlaneSSLError(f"{path}, line {rows.reader.line_num}: {error}.") from None


def _read(rows: csv.DictReader, path: Path, known: tuple[str, ...]) -> dict[str, dict[str, int | None]]:
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


def settled(own: Mapping[str, int], row: Mapping[str, int | None], before: Mapping[str, object],
            known: Collection[str]) -> tuple[dict[str, dict[str, int]], list[str]]:
    """The classes of a study from all that is said of it, and a sentence for each that is said in two ways.

    own: what the study says itself, now. row: what a table says, now; an empty answer, None, takes back what one said.
    before: the document of the study in the cohort. What a table has said stands, until a table says otherwise.

    Returns {"classes": class -> 0 or 1, "of_table": those among them that come from a table}.
    """
    stood = before.get("of_table", {})
    of_table = {name: answer for name, answer in {**stood, **row}.items() if answer is not None and name in known}
    doubtful = [f"a table says {name} {answer}, and its study.json {own[name]}: the table is believed"
                for name, answer in of_table.items() if own.get(name, answer) != answer]
    return {"classes": {**{name: answer for name, answer in own.items() if name in known}, **of_table},
            "of_table": of_table}, doubtful


def table_notes(table: Collection[str], subjects: Iterable[str], unknown: Iterable[str]) -> list[str]:
    """Sentences about a table whose subjects are not those of the studies that were prepared.

    subjects: of these studies, each. unknown: those among them of whom no class is known.
    """
    counts = Counter(subjects)
    there = set(counts)
    astray, without = sorted(set(table) - there), sorted(set(unknown) - set(table))
    notes = []
    if astray:
        notes.append(f"{len(astray)} of {len(table)} subjects in the table of classes are those of no study here, "
                     f"{astray[0]} among them")
    if without:
        notes.append(f"{len(without)} of {len(there)} studies have no row in the table of classes, and none of their "
                     f"classes is known: {without[0]} among them")
    if several := sorted(name for name in set(table) & there if counts[name] > 1):
        notes.append(f"{len(several)} rows of the table of classes are of subjects with several studies, and hold for "
                     f"all of them ({several[0]} among them): where these differ, name the studies in study.json")
    alike = {_bare(name): name for name in astray}
    if likely := next(((alike[_bare(name)], name) for name in without if _bare(name) in alike), None):
        notes.append("'{}' in the table may be meant for '{}': spreadsheets drop zeros, and names must be the same to "
                     "the letter".format(*likely))
    return notes


def _bare(subject: str) -> str:
    """What is left of a name when a spreadsheet, or somebody in a hurry, has written it."""
    return subject.strip().lower().lstrip("0")
