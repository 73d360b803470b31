"""What the API page shows: programs that work when they are pasted. `tests/openapi` runs them."""

from __future__ import annotations

from dataclasses import dataclass

from ckanext.gkopen.domains import Text
from ckanext.gkopen.openapi.answers import example_domain, example_filter
from ckanext.gkopen.openapi.rows import dataset_name, example_row


@dataclass(frozen=True, slots=True)
class Snippet:
    """`language`: curl, python, pandas, r, javascript."""

    language: str
    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Example:
    id: str
    title: Text
    words: Text
    snippets: tuple[Snippet, ...]


def examples(site: str, published: tuple[str, int] | None) -> list[Example]:
    """`published`: a dataset of the example's domain and its revision that can be asked for now, if there is one."""
    domain = example_domain()
    dataset, seq = published or (dataset_name(domain), 1)
    row = example_row(domain)
    column = example_filter(domain)
    money = next((f.name for f in domain.fields if f.type == "money" and row[f.name] is not None), domain.key[0])
    names = {"SITE": site, "DOMAIN": domain.name, "DATASET": dataset, "SEQ": str(seq), "COLUMN": column,
             "VALUE": str(row[column]), "MONEY": money, "KEY": domain.key[0]}

    def filled(language: str, name: str, code: str) -> Snippet:
        for word, value in names.items():
            code = code.replace(f"<{word}>", value)
        return Snippet(language, name, code.strip("\n"))

    return [
        Example("whole", *_WORDS["whole"], (
            filled("curl", "curl", _CURL_FILE), filled("pandas", "Python (pandas)", _PANDAS), filled("r", "R", _R))),
        Example("query", *_WORDS["query"], (
            filled("curl", "curl", _CURL_QUERY), filled("python", "Python (requests)", _PYTHON_QUERY),
            filled("javascript", "JavaScript", _JAVASCRIPT))),
        Example("sums", *_WORDS["sums"], (filled("curl", "curl", _CURL_SUM),)),
        Example("changes", *_WORDS["changes"], (filled("python", "Python (requests)", _PYTHON_CHANGES),)),
        Example("history", *_WORDS["history"], (filled("curl", "curl", _CURL_HISTORY),)),
    ]


_WORDS = {
    "whole": (Text("整张表", "A whole table"), Text(
        "一个领域全部机构的数据是一个文件，另有 .excel.csv、.xlsx、.jsonl、.parquet、.zip。"
        "请按文本读取，代码中的前导零和金额才不会改变。",
        "The rows of all bodies of a domain are one file; .excel.csv, .xlsx, .jsonl, .parquet and .zip lie beside"
        " it. Read it as text, so that leading zeros and amounts stay what they are.")),
    "query": (Text("查询", "A query"), Text(
        "filters 支持相等、列表和范围（gt、gte、lt、lte）；q 在中文文本中查找子串；"
        "按 cursor 翻页，不重复、不遗漏。",
        "filters takes values, lists and ranges (gt, gte, lt, lte); q finds substrings of Chinese text; follow"
        " cursor from page to page: nothing comes twice and nothing is left out.")),
    "sums": (Text("汇总", "Sums"), Text(
        "按声明的列分组，计数、求和、求平均，结果精确。",
        "Groups by declared columns: counts, sums, averages, exact.")),
    "changes": (Text("跟踪变更", "Following the changes"), Text(
        "每行是一个变更，按公开的先后排列；保存最后一行的 cursor，下次从那里继续。"
        "withdrawn 表示删除该数据集该分段的全部行。",
        "Each line is a change, in the order in which they became public; keep the cursor of the last line and go"
        " on from there. withdrawn means: drop all rows that you hold of this part of this dataset.")),
    "history": (Text("历史版本与单行历史", "Earlier revisions, and one row through time"), Text(
        "每个已发布的版本和每一行都有长期有效的地址；撤回的回答 410 并说明理由。",
        "Every published revision and every row has an address that stays; what was withdrawn answers 410 and says"
        " why.")),
}
_CURL_FILE = """
curl -fsS -O '<SITE>/open/<DOMAIN>.csv'
head -n 2 <DOMAIN>.csv
"""
_PANDAS = """
from decimal import Decimal
import pandas as pd

table = pd.read_csv("<SITE>/open/<DOMAIN>.csv", dtype=str, keep_default_na=False)
amounts = [Decimal(text) for text in table["<MONEY>"] if text]
print(len(table), sum(amounts))
"""
_R = """
table <- read.csv("<SITE>/open/<DOMAIN>.csv", colClasses = "character", encoding = "UTF-8", na.strings = "")
nrow(table)
"""
_CURL_QUERY = """
curl -fsS -G '<SITE>/api/3/action/gkopen_rows' \\
  --data-urlencode 'domain=<DOMAIN>' \\
  --data-urlencode 'filters={"<COLUMN>": "<VALUE>"}' \\
  --data-urlencode 'limit=10'
"""
_PYTHON_QUERY = """
import json
from decimal import Decimal
import requests

query = {"domain": "<DOMAIN>", "filters": json.dumps({"<COLUMN>": "<VALUE>"}), "limit": 1000}
rows, cursor = [], None
while True:
    answer = requests.get("<SITE>/api/3/action/gkopen_rows", params={**query, "cursor": cursor}, timeout=60)
    answer.raise_for_status()
    page = json.loads(answer.text, parse_float=Decimal)["result"]
    rows += page["results"]
    cursor = page["cursor"]
    if cursor is None:
        break
print(len(rows), rows[0]["<KEY>"], rows[0]["<MONEY>"])
"""
_JAVASCRIPT = """
const query = new URLSearchParams({
  domain: "<DOMAIN>", filters: JSON.stringify({"<COLUMN>": "<VALUE>"}), money: "text", limit: "1000",
});
const rows = [];
for (let cursor = ""; cursor !== null;) {
  query.set("cursor", cursor);
  const answer = await fetch(`<SITE>/api/3/action/gkopen_rows?${query}`);
  if (!answer.ok) throw new Error(await answer.text());
  const page = (await answer.json()).result;
  rows.push(...page.results);
  cursor = page.cursor;
}
console.log(rows.length, rows[0]["<KEY>"], rows[0]["<MONEY>"]);
"""
_CURL_SUM = """
curl -fsS -G '<SITE>/api/3/action/gkopen_aggregate' \\
  --data-urlencode 'domain=<DOMAIN>' \\
  --data-urlencode 'group_by=<COLUMN>' \\
  --data-urlencode 'sum=<MONEY>'
"""
_PYTHON_CHANGES = """
import json
from decimal import Decimal
import requests

table, cursor = {}, ""  # keep both between two runs
answer = requests.get("<SITE>/open/changes.jsonl", params={"domain": "<DOMAIN>", "cursor": cursor},
                      stream=True, timeout=60)
answer.raise_for_status()
for line in answer.iter_lines():
    change = json.loads(line, parse_float=Decimal)
    if change["op"] == "withdrawn":
        gone = (change["dataset"], change["part"])
        table = {place: row for place, row in table.items() if (place[0], row["part"]) != gone}
    elif change["op"] == "removed":
        table.pop((change["dataset"], *change["key"].values()), None)
    else:
        table[change["dataset"], *change["key"].values()] = {"part": change["part"], **change["after"]}
    cursor = change["cursor"]
print(len(table), cursor)
"""
_CURL_HISTORY = """
curl -fsS '<SITE>/open/<DOMAIN>/<DATASET>@<SEQ>.csv'
curl -fsS '<SITE>/api/3/action/gkopen_publication_list?id=<DATASET>'
"""
