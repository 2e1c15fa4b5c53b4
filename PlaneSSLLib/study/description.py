"""The JSON document of `planessl study`."""
from __future__ import annotations

from .model import Stack, Study


def describe(study: Study) -> dict:
    """A study as plain numbers and texts; scripts depend on the names."""
    return {
        "subject": study.subject,
        "anatomy": study.anatomy,
        "stacks": [_stack(stack) for stack in study.stacks],
        "problems": [{"file": str(problem.file), "reason": problem.reason} for problem in study.problems],
        "notes": list(study.notes),
        "labels": [{"file": str(label.file), "stack": label.stack, "phase": label.phase} for label in study.labels],
    }


def problem_sentences(study: Study) -> list[str]:
    """A sentence for every kind of problem with a study's files, which names the first of them."""
    alike: dict[str, list] = {}
    for problem in study.problems:
        alike.setdefault(problem.reason, []).append(problem.file)
    return [f"{files[0]}: {reason}" + (f" (and {len(files) - 1} more files like it)" if len(files) > 1 else "")
            for reason, files in alike.items()]


def _stack(stack: Stack) -> dict:
    rows, columns = stack.planes[0].shape
    return {
        "id": stack.id,
        "series": stack.series,
        "description": stack.description,
        "view": stack.view,
        "sequence": stack.sequence,
        "side": stack.side,
        "localizer": stack.localizer,
        "confidence": stack.naming.confidence,
        "reasons": list(stack.naming.reasons),
        "slices": len(stack.planes),
        "phases": stack.phases,
        "dimension": stack.dimension,
        "rows": rows,
        "columns": columns,
        "spacing": list(stack.planes[0].spacing),
        "step": stack.step_mm,
        "planes": [{"position": plane.position.tolist(), "row": plane.row.tolist(), "column": plane.column.tolist()}
                   for plane in stack.planes],
        "notes": list(stack.notes),
    }
