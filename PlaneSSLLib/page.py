"""A page of results that opens in any browser: a table and pictures, all inside one file."""
from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from .files import write_text

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.3rem .9rem;border-bottom:1px solid #ddd;text-align:left}
td.number{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}figure{margin:2rem 0}
figcaption,footer{color:#666}"""


def write_page(path: Path, title: str, introduction: str, header: Sequence[str], rows: Sequence[Sequence],
               pictures: Sequence[tuple[Path, str]]) -> Path:
    """Write the page; pictures are (PNG file, caption) and are put into it."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    figures = "".join(_figure(file, escape(caption)) for file, caption in pictures)
    write_text(path, f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<style>{STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(introduction)}</p>
<table><tr>{head}</tr>{body}</table>{figures}<footer>PlaneSSL, for research use only.</footer></body></html>
""")
    return path


def _figure(file: Path, caption: str) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return (f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>")


def _cell(value) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.3f}</td>'
    return f"<td>{escape(str(value))}</td>"
