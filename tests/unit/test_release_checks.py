"""What the checks find and what they leave alone: tables, texts, disguises, and identifiers in every way of writing."""

import base64
import csv
import io
import random
import struct
import time
import zipfile
import zlib

import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment

from workbench.disclosure import DisclosurePolicy, suppress_flow, suppress_table
from workbench.release import checks
from workbench.release.checks import CHECKS, Check, Scope, check_file
from workbench.release.checks.identity import is_old_identity_number
from workbench.release.findings import Severity, blocks

SCOPE = Scope(policy=DisclosurePolicy(threshold=10, rounding=5), canaries=frozenset({"金丝雀-7Q"}))


def found(name: str, content: str | bytes) -> set[tuple[str, str]]:
    data = content.encode() if isinstance(content, str) else content
    return {(finding.check, finding.severity.value) for finding in check_file(name, data, scope=SCOPE)}


def page(body: str) -> str:
    return f"<!DOCTYPE html><html><head><title>t</title></head><body>{body}</body></html>"


def html_table(csv_text: str) -> str:
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line.split(",")) + "</tr>" for line in csv_text.splitlines())
    return page(f"<table>{rows}</table>")


def workbook(csv_text: str, change=lambda book: None) -> bytes:
    book = Workbook()
    for line in csv_text.splitlines():
        book.active.append([int(cell) if cell.isdigit() else cell for cell in line.split(",")])
    change(book)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


# -- tables -------------------------------------------------------------------------------------------------------------

BAD_TABLES = {
    "small count": "组,人数\n男,120\n女,7\n",
    "small count in English": "group,n\nmale,120\nfemale,7\n",
    "count with percentage": "变量,全体\n男,120 (94.5%)\n女,7 (5.5%)\n",
    "crosstab without a word": "组,男,女\n是,120,35\n否,80,3\n",
    "crosstab by age group": "年龄组,男,女\n40-60岁,120,35\n60岁以上,80,3\n",
    "unrounded": "组,人数\n男,123\n女,85\n",
    "percentage and size beside": "组,%,n\n男,3.5,200\n",
    "percentage and size in the head": "变量,全体 (n = 200)\n糖尿病,3.5%\n高血压,40%\n",
    "flow": "规则,剩余人数\n全部,100\n成年,95\n",
    "one hidden and a total": "组,人数\n男,120\n女,<10\n其他,35\n合计,165\n",
    "no head": "男,120\n女,7\n",
}


@pytest.mark.parametrize("text", BAD_TABLES.values(), ids=BAD_TABLES)
@pytest.mark.parametrize("form", ["csv", "tsv", "html", "xlsx", "md", "txt"])
def test_small_counts_are_found_in_every_form(text, form):
    content = {
        "csv": lambda: text,
        "tsv": lambda: text.replace(",", "\t"),
        "html": lambda: html_table(text),
        "xlsx": lambda: workbook(text),
        "md": lambda: "".join("| " + line.replace(",", " | ") + " |\n" for line in text.splitlines()),
        "txt": lambda: text.replace(",", "    "),
    }[form]()
    assert ("small cells", "block") in found(f"a.{form}", content)


GOOD_TABLES = {
    "suppressed": "组,人数\n男,120\n女,已抑制\n其他,已抑制\n合计,165\n",
    "zero": "组,人数\n男,120\n女,0\n",
    "mean and deviation": "变量,全体 (n=200)\n年龄 均值 (标准差),62 (11)\nLDH 中位数,245.5\n",
    "kaplan-meier": "time,at_risk,survival\n" + "".join(f"{i * 1.37:.2f},{500 - 5 * i},{1 - i * 0.0123:.4f}\n" for i in range(30)),
    "normalised": "组,男,女\n<40,0.1234,0.2234\n40-60,0.3012,0.1020\n>60,0.2000,0.0500\n",
    "hazard ratios": "变量,HR,95% CI 下限,95% CI 上限,P\n年龄,1.05,1.01,1.09,0.012\nLDH,1.51,1.20,1.90,0.001\n",
    "large percentage": "组,%,n\n男,45.0,200\n",
    "codes": "编码,名称,人数\n4548,舒张压,120\n3,收缩压,85\n",
}


@pytest.mark.parametrize("text", GOOD_TABLES.values(), ids=GOOD_TABLES)
@pytest.mark.parametrize("form", ["csv", "html"])
def test_no_alarm(text, form):
    content = text if form == "csv" else html_table(text.replace("<40", "&lt;40").replace(">60", "&gt;60"))
    assert not [pair for pair in found(f"a.{form}", content) if pair[1] == "block"]


@pytest.mark.parametrize("seed", range(20))
def test_what_our_own_suppression_shows_passes(seed):
    rng = random.Random(seed)
    counts = [[rng.choice([0, 2, 7, 12, 55, 230]) for _ in range(3)] for _ in range(rng.randint(2, 5))]
    table = suppress_table(counts, policy=SCOPE.policy)
    lines = ["组,甲,乙,丙,合计"]
    lines += [",".join([f"组{i}", *[str(c).replace(",", "") for c in row], str(total).replace(",", "")])
              for i, (row, total) in enumerate(zip(table.cells, table.row_totals, strict=True))]  # fmt: skip
    lines.append(",".join(["合计", *[str(c).replace(",", "") for c in (*table.column_totals, table.total)]]))
    assert not [pair for pair in found("a.csv", "\n".join(lines)) if pair[1] == "block"], lines
    flow = suppress_flow(sorted((rng.randint(0, 500) for _ in range(5)), reverse=True), policy=SCOPE.policy)
    text = "规则,剩余人数,排除人数\n" + "".join(f"规则,{s.remaining},{s.excluded or ''}\n" for s in flow)
    assert not [pair for pair in found("f.csv", text.replace("1,", "1")) if pair[1] == "block"], text


def test_a_line_a_cell_is_the_table_that_it_was_made_of():
    def long(*cells: str) -> str:
        return "\n".join(["column,row,value,table", *cells])

    shown = ("全部 (n=140),咳嗽,已抑制,变量", "缺失,咳嗽,20,变量", "全部 (n=140),发热,30,变量", "缺失,发热,20,变量")
    assert not found("report.csv", long(*shown, *shown))
    hidden = ("男,糖尿病,已抑制,性别", "女,糖尿病,30,性别", "合计,糖尿病,40,性别")
    assert ("small cells", "block") in found("report.csv", long(*shown, *hidden))
    assert ("small cells", "block") in found("report.csv", long(*shown, "例数,发热,7,性别"))


@pytest.mark.parametrize("sentence", ["共 7 例死亡", "n = 7", "7 patients died", "(N＝7)"])
def test_small_counts_in_running_text(sentence):
    assert ("small cells", "block") in found("a.md", sentence)
    assert ("small cells", "block") in found("a.html", page(f"<p>{sentence}</p><svg><text>x</text></svg>"))
    assert ("small cells", "block") in found("a.html", page(f"<svg><g><text>{sentence}</text></g></svg>"))


@pytest.mark.parametrize("sentence", ["共 70 例死亡", "n = 70", "随访 7 天", "排除 <10 例"])
def test_running_text_without_alarm(sentence):
    assert not found("a.md", sentence)


ROW_LEVEL = {
    "costs": "组,费用\n" + "".join(f"A,{i * 137.31:.2f}\n" for i in range(60)),
    "patient_id": "patient_id,组\n1,A\n",
    "住院号": "住院号,组\n1,A\n",
    "dates": "组,入院\n" + "".join(f"A,2020-01-{i + 1:02d}\n" for i in range(20)),
    "long numbers": "key,组\n" + "".join(f"{100_000 + i * 7},A\n" for i in range(20)),
    "many rows": "组,类\n" + "A,B\n" * 1500,
    "evidence": "变量,证据\n" + "吸烟,吸烟20年余\n" * 2,
    "words of reports": "finding,report text\nnodule,右肺上叶见结节\n",
}


@pytest.mark.parametrize("text", ROW_LEVEL.values(), ids=ROW_LEVEL)
def test_row_level_tables_are_found(text):
    assert ("row level", "block") in found("a.csv", text)
    assert ("row level", "block") in found("a.html", html_table(text))


def test_sentences_down_a_column_are_for_a_person_to_look_at():
    said = "".join(f"变量{i},患者无发热{i}，咳嗽{i}天。\n" for i in range(12)).replace(",患者", "\t患者").replace("变量", "v")
    text = "name\tdescription\n" + said
    assert ("row level", "warn") in found("a.tsv", text)
    labels = "变量\t单位\n" + "".join(f"既往高血压病史{i}\tmmol/L\n" for i in range(12))
    assert not found("a.tsv", labels)


# -- identifiers --------------------------------------------------------------------------------------------------------

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
WAYS = {
    "plain": lambda n: n,
    "lower x": str.lower,
    "full width": lambda n: "".join(chr(ord(c) + 0xFEE0) for c in n),
    "spaced": " ".join,
    "grouped": lambda n: f"{n[:6]} {n[6:14]} {n[14:]}",
    "dashed": lambda n: f"{n[:6]}-{n[6:14]}-{n[14:]}",
    "zero width": "\u200b".join,
    "Chinese numerals": lambda n: n.translate(str.maketrans("0123456789", "〇一二三四五六七八九")),
    "capital numerals": lambda n: n.translate(str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖")),
    "other digits": lambda n: n.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "in a sentence": lambda n: f"患者身份证号{n}，男",
}


def identity_number(rng: random.Random) -> str:
    born = f"{rng.randint(1920, 2020)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    body = f"{rng.choice([11, 31, 42, 44, 51, 65])}{rng.randint(0, 9999):04d}{born}{rng.randint(0, 999):03d}"
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(WEIGHTS, body, strict=True)) % 11]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_identity_numbers_in_every_writing(way):
    rng = random.Random(1)
    for _ in range(100):
        assert ("identity number", "block") in found("a.txt", f"x {way(identity_number(rng))} y")


@pytest.mark.parametrize("form", ["csv", "html", "xlsx"])
def test_identity_numbers_split_over_cells(form):
    number = identity_number(random.Random(2))
    text = f"a,b,c\n{number[:6]},{number[6:14]},{number[14:]}\n"
    content = {"csv": text, "html": html_table(text), "xlsx": workbook(text)}[form]
    assert ("identity number", "block") in found(f"a.{form}", content)


def test_old_identity_numbers():
    assert ("identity number", "block") in found("a.txt", "证件 110101900307123。")
    assert not is_old_identity_number("110101901307123")
    assert not found("a.txt", "0.110101900307123")


def test_random_numbers_are_no_identity_numbers():
    rng = random.Random(3)
    numbers = "\n".join(f"{rng.randrange(10**17, 10**18)}" for _ in range(50_000))
    alarms = [f for f in check_file("a.txt", numbers.encode(), scope=SCOPE) if f.check == "identity number"]
    assert len(alarms) < 5  # fewer than 1 in 10,000


PHONE_WAYS = {
    **WAYS,
    "grouped": lambda n: f"{n[:3]} {n[3:7]} {n[7:]}",
    "dashed": lambda n: f"{n[:3]}-{n[3:7]}-{n[7:]}",
    "+86": lambda n: f"+86{n}",
    "0086": lambda n: f"0086 {n[:3]} {n[3:7]} {n[7:]}",
}


@pytest.mark.parametrize("way", PHONE_WAYS.values(), ids=PHONE_WAYS)
def test_phones_in_every_writing(way):
    rng = random.Random(4)
    for _ in range(50):
        assert ("mobile phone", "block") in found("a.txt", f"x {way(f'1{rng.randint(3, 9)}{rng.randrange(10**9):09d}')} y")


@pytest.mark.parametrize("text", ["138,1234,5678", "0.13812345678", "138123456789", "12812345678", "138 12345 678"])
def test_what_is_no_phone(text):
    assert ("mobile phone", "block") not in found("a.txt", f"x {text} y")


def test_findings_never_repeat_the_value():
    number = identity_number(random.Random(5))
    for finding in check_file("a.csv", f"住院号,x\n{number},13812345678\n".encode(), scope=SCOPE):
        assert not any(value in str(finding.to_json()) for value in (number, "13812345678"))


def test_canaries():
    assert ("canary", "block") in found("a.txt", "名：金丝雀 - ７q")
    assert ("canary", "block") in found("a.html", page("<!-- 金丝雀-7Q -->"))


# -- files --------------------------------------------------------------------------------------------------------------


def png(*extra: bytes, tail: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"") + tail


def text_chunk(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("data.csv", "1,2")
    return stream.getvalue()


REFUSED = {
    "data.parquet": b"PAR1",
    "data.csv": b"PAR1\x00\x01",
    "model.pkl": b"\x80\x04",
    "model.txt": b"\x80\x04\x95",
    "data.zip": archive(),
    "data.xlsx": archive(),
    "run.ipynb": b'{"cells": [], "nbformat": 4}',
    "run.txt": b'{"cells": [], "nbformat": 4}',
    "a.svg.txt": b"<svg></svg>",
    "b.txt": b"<svg></svg>",
    "page.md": b"<!-- x --><!DOCTYPE html><html></html>",
    "data.csv.html": b"<html></html>",
    "noname": b"text",
    "gbk.csv": "组,人数".encode("gbk"),
    "nul.txt": b"a\x00b",
    "empty.csv": b"",
    "quote.csv": b'"a,b\n',
    "a.html": b"just text",
    "scan.pdf": b"%PDF-1.7",
    "x.png": b"GIF89a",
    "weights.txt": b'\x40\x00\x00\x00\x00\x00\x00\x00{"t":1}',
}


@pytest.mark.parametrize(("name", "content"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_read_is_refused(name, content):
    assert found(name, content) == {("file type", "block")}


@pytest.mark.parametrize(
    ("content", "fault"),
    [(png(), False), (png(text_chunk(b"Software\0Matplotlib version3.11")), False), (png(text_chunk(b"Comment\0patients")), True),
     (png(tail=b"hidden"), True), (png()[:-6], True), (b"\x89PNG\r\n\x1a\n", True)],
    ids=["plain", "software", "text", "tail", "cut", "empty"],
)  # fmt: skip
def test_pictures(content, fault):
    assert (("embedded", "block") in found("a.png", content)) == fault
    embedded = page(f'<img src="data:image/png;base64,{base64.b64encode(content).decode()}">')
    assert (("embedded", "block") in found("a.html", embedded)) == fault
    assert ("embedded", "note") in found("a.html", embedded)


EMBEDDED = {
    "pdf": ("<embed src='data:application/pdf;base64,JVBERi0='>", "block"),
    "font": ("<style>@font-face{src:url(data:font/woff2;base64,AAAA)}</style>", "block"),
    "frame": ("<iframe srcdoc='x'></iframe>", "block"),
    "data script": ("<script type='application/json'>[" + "1.5," * 40 + "1]</script>", "block"),
    "script": ("<script>document.title='x'</script>", "warn"),
    "outside picture": ("<img src='https://example.org/x.png'>", "warn"),
    "outside style": ("<style>@import 'https://example.org/x.css'</style>", "warn"),
}


@pytest.mark.parametrize(("body", "severity"), EMBEDDED.values(), ids=EMBEDDED)
def test_what_a_page_carries(body, severity):
    assert ("embedded", severity) in found("a.html", page(body))


def test_a_drawing_within_a_page_is_read():
    drawing = base64.b64encode(b"<svg><text>n = 7</text></svg>").decode()
    assert ("small cells", "block") in found("a.html", page(f'<img src="data:image/svg+xml;base64,{drawing}">'))


def test_coded_text():
    coded = base64.b64encode(random.Random(6).randbytes(400)).decode()
    assert ("payload", "block") in found("a.txt", coded)
    assert ("payload", "block") in found("a.html", page(f"<p data-x='{coded}'></p>"))
    assert ("payload", "block") in found("a.txt", "a\u200b" * 60)
    assert not found("a.md", "-" * 300)


@pytest.mark.parametrize(
    "change",
    [lambda b: setattr(b.create_sheet("x"), "sheet_state", "hidden"), lambda b: setattr(b.active["A1"], "comment", Comment("x", "y"))],
    ids=["hidden sheet", "comment"],
)
def test_workbooks_carry_cells_only(change):
    assert found("a.xlsx", workbook("组,人数\n男,120\n", change)) == {("file type", "block")}
    assert found("a.xlsx", workbook("组,人数\n男,120\n")) == set()


def test_spanning_cells_stand_in_each_row():
    rows = "<tr><th rowspan=2>组</th><th colspan=2>人数</th></tr><tr><th>男</th><th>女</th></tr><tr><td>甲</td><td>120</td><td>7</td></tr>"
    assert ("small cells", "block") in found("a.html", page(f"<table>{rows}</table>"))


def test_a_check_that_breaks_blocks(monkeypatch):
    def broken(_document, _scope):
        raise ZeroDivisionError

    monkeypatch.setattr(checks, "CHECKS", (Check("broken", "x", broken),))
    findings = check_file("a.txt", b"x", scope=SCOPE)
    assert blocks(findings)
    assert findings[0].reason == "the check could not finish (ZeroDivisionError)"


def test_every_check_has_a_name_of_its_own_and_a_sentence():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.sentence.endswith(".") for check in CHECKS)
    assert {severity.value for severity in Severity} == {"block", "warn", "note"}


def test_many_findings_are_shortened():
    findings = check_file("a.csv", ("组,人数\n" + "甲,7\n" * 300).encode(), scope=SCOPE)
    counted = [f for f in findings if f.check == "small cells"]
    assert (len(counted), counted[-1].reason) == (51, "250 more findings of this check")


def test_long_files_are_checked_in_a_time_that_grows_with_their_length():
    rng = random.Random(7)
    lines = [f"甲,{rng.random():.15f}\n" for _ in range(16_000)]
    seconds = []
    for n_lines in (4000, 16_000):
        content = ("组,值\n" + "".join(lines[:n_lines])).encode()
        begun = time.process_time()
        check_file("a.csv", content, scope=SCOPE)
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 10 * seconds[0]


def test_reading_a_table_leaves_the_readers_of_others_alone():
    before = csv.field_size_limit()
    found("counts.csv", "group,n\na,20\n")
    assert csv.field_size_limit() >= before
