"""The data dictionary page, made from the declarations of :mod:`workbench.tables`."""

from __future__ import annotations

from html import escape
from itertools import groupby

from workbench.locale import get_language, tr
from workbench.tables import SCHEMA_VERSION, TABLES, Column, Table

__all__ = ["dictionary_html", "dictionary_markdown"]

_KINDS = {
    "person": ("患者", "Persons"),
    "event": ("事件", "Events"),
    "era": ("时期（由事件计算）", "Eras, computed from events"),
    "derived": ("派生事实", "Derived facts"),
    "site": ("机构与数据集", "Places and the data set"),
    "vocabulary": ("词表", "Vocabularies"),
    "result": ("结果", "Results"),
}

_TYPES = {
    "integer": ("整数", "integer"),
    "number": ("数值", "number"),
    "text": ("文本", "text"),
    "date": ("日期", "date"),
    "datetime": ("日期时间", "date and time"),
}

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{border:1px solid #ccc;padding:.25rem .5rem;text-align:left}"
    "th{background:#f3f4f6}code{font-size:90%}nav{columns:3}h3{margin-top:2rem}"
)


def _title() -> str:
    return tr(f"数据字典（{SCHEMA_VERSION}）", f"Data dictionary ({SCHEMA_VERSION})")


def _by_kind() -> list[tuple[str, list[Table]]]:
    order = list(_KINDS)
    tables = sorted(TABLES.values(), key=lambda table: order.index(table.kind))
    return [(tr(*_KINDS[kind]), list(group)) for kind, group in groupby(tables, key=lambda table: table.kind)]


def _headings() -> list[str]:
    return [tr("列", "column"), tr("类型", "type"), tr("必填", "required"), tr("含义", "meaning"), tr("指向", "refers to")]


def _about(declared: Table) -> str:
    words = (declared.description_zh, declared.description) if get_language() == "zh" else (declared.description, declared.description_zh)
    return " · ".join(words)


def _meaning(column: Column) -> str:
    words = [tr(column.description_zh, column.description)]
    if get_language() == "zh":
        words.append(f"({column.description})")
    if column.unit:
        words.append(f"[{column.unit}]")
    if column.minimum is not None or column.maximum is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (column.minimum, column.maximum))
        words.append(f"{{{low}…{high}}}")
    if column.allowed:
        words.append(f"{{{', '.join(column.allowed)}}}")
    if column.extension:
        words.append(tr("【本平台扩展】", "[ours]"))
    return " ".join(words)


def _row(column: Column) -> list[str]:
    return [column.name, tr(*_TYPES[column.type]), tr("是", "yes") if column.required else "", _meaning(column), column.references]


def dictionary_markdown() -> str:
    """Write the dictionary as Markdown, in the language in force (Chinese with the English beside it, or English)."""
    lines = [f"# {_title()}", ""]
    for heading, tables in _by_kind():
        lines += [f"## {heading}", ""]
        for declared in tables:
            lines += [
                f"### {declared.name}",
                "",
                _about(declared),
                "",
                f"{tr('主键', 'Key')}: {', '.join(declared.key) or tr('无', 'none')}",
                "",
            ]
            lines += [f"| {' | '.join(_headings())} |", "|---|---|---|---|---|"]
            lines += [f"| {' | '.join(_row(column))} |" for column in declared.columns]
            lines.append("")
    return "\n".join(lines)


def dictionary_html() -> str:
    """Write the dictionary as one HTML page that needs no other file."""
    parts = [
        f"<!doctype html><html lang='{tr('zh-CN', 'en')}'><meta charset='utf-8'><title>{escape(_title())}</title><style>{_STYLE}</style>"
    ]
    parts.append(f"<h1>{escape(_title())}</h1><nav>{''.join(f'<div><a href=#{name}>{name}</a></div>' for name in TABLES)}</nav>")
    for heading, tables in _by_kind():
        parts.append(f"<h2>{escape(heading)}</h2>")
        for declared in tables:
            parts.append(f"<h3 id='{declared.name}'><code>{declared.name}</code></h3><p>{escape(_about(declared))}</p>")
            parts.append(f"<table><tr>{''.join(f'<th>{escape(word)}</th>' for word in _headings())}</tr>")
            parts += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _row(column))}</tr>" for column in declared.columns]
            parts.append("</table>")
    return "\n".join([*parts, "</html>", ""])
