"""RDF of datasets, made once for each state of a package and kept in Valkey; the feed is put together of it.

ckanext-dcat draws every dataset of a page anew, in one graph that each dataset walks through again. Here a dataset's
triples are drawn alone and kept by its id and time of change; a page of the feed is the catalogue's own triples and
those of its datasets one after the other, which is the same graph. Valkey may be emptied at any time: what is missing
is drawn again.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from ckanext.dcat import logic
from ckanext.dcat.processors import RDFSerializer
from ckanext.dcat.utils import catalog_uri, dataset_uri
from rdflib import DCAT, ConjunctiveGraph, URIRef
from redis import RedisError

from ckanext.gkopen import caching

log = logging.getLogger(__name__)

FORMS = {"ttl": "nt", "n3": "nt", "xml": "pretty-xml", "rdf": "pretty-xml", "jsonld": "json-ld"}
"""Form of an address → how a dataset's triples are written. N-Triples are Turtle, and may follow one another."""
DAYS = 7
_COMMON = re.compile(r"[1-9]\d{0,2}", re.ASCII)
"""Numbers of pages that are kept."""
_ROOT = re.compile(r"<rdf:RDF\s+(?P<names>[^>]*)>(?P<inside>.*)</rdf:RDF>", re.DOTALL)


@toolkit.chained_action
@toolkit.side_effect_free
def dcat_catalog_show(original: Callable[..., str], context: Any, data_dict: dict[str, Any]) -> str:
    """One page of the catalogue's feed. Other profiles than the site's are drawn by ckanext-dcat."""
    form = data_dict.get("format") or "xml"
    if data_dict.get("profiles") or form not in FORMS:
        return original(context, data_dict)
    toolkit.check_access("dcat_catalog_show", context, data_dict)
    tag, page = caching.tag_of_request(), str(data_dict.get("page") or 1)
    # Only what everybody asks for: the memory is that of the sessions, and questions are without number.
    if tag is None or not _COMMON.fullmatch(page) or any(data_dict.get(name) for name in ("modified_since", "q", "fq")):
        return _page(context, data_dict, form)
    return _keep_one(f"page/{form}/{page}/{tag}", lambda: _page(context, data_dict, form))


@toolkit.chained_helper
def structured_data(original: Callable[..., str], dataset_dict: dict[str, Any], profiles: Any = None) -> str:
    """schema.org of a dataset, for its page."""
    if profiles:
        return original(dataset_dict, profiles)
    return _keep_one(_key(dataset_dict, "schemaorg"), lambda: original(dataset_dict))


def forget(package_ids: Iterable[str]) -> None:
    """Take away what is kept of packages, in whatever state, and all pages of the feed, which may hold them.

    Raises RedisError: what was withdrawn does not stay in Valkey, where nobody asks for it, until it is old.
    """
    redis: Any = connect_to_redis()
    start, gone = _named(""), set(package_ids)
    for key in redis.scan_iter(match=f"{start}*", count=1000):
        written, _, rest = key.decode().removeprefix(start).partition("/")
        if written == "page" or rest.partition("/")[0] in gone:
            redis.unlink(key)


def _page(context: Any, data_dict: dict[str, Any], form: str) -> str:
    found = logic._search_ckan_datasets(context, data_dict)
    serializer = RDFSerializer()
    catalog = serializer.graph_from_catalog({})
    for package in found["results"]:
        serializer.g.add((catalog, DCAT.dataset, URIRef(dataset_uri(package))))
    if pages := logic._pagination_info(found, data_dict):
        serializer._add_pagination_triples(pages)
    written = "turtle" if FORMS[form] == "nt" else FORMS[form]
    return _join(FORMS[form], [serializer.g.serialize(format=written), *_fragments(found["results"], form)])


def _fragments(packages: Iterable[Mapping[str, Any]], form: str) -> list[str]:
    """The triples of each package, in their order."""
    packages = list(packages)
    keys = [_key(package, FORMS[form]) for package in packages]
    held = _read(keys)
    missing = [place for place, text in enumerate(held) if text is None]
    if missing:
        serializer = RDFSerializer()
        for place in missing:
            serializer.g = ConjunctiveGraph()
            serializer.graph_from_dataset(packages[place])
            held[place] = serializer.g.serialize(format=FORMS[form])
        _write({keys[place]: held[place] or "" for place in missing})
    return [text or "" for text in held]


def _join(written: str, texts: list[str]) -> str:
    """One document of several."""
    if written == "nt":
        return "\n".join(texts)
    if written == "json-ld":
        return json.dumps([node for text in texts for node in json.loads(text)], ensure_ascii=False, indent=1)
    roots = [match for text in texts if (match := _ROOT.search(text))]
    names = dict.fromkeys(name for match in roots for name in match["names"].split())
    inside = "".join(match["inside"] for match in roots)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<rdf:RDF\n  {" ".join(names)}\n>{inside}</rdf:RDF>\n'


def _key(package: Mapping[str, Any], written: str) -> str:
    body = (package.get("organization") or {}).get("title")
    return f"{written}/{package['id']}/{package.get('metadata_modified')}/{body}/{catalog_uri()}/{caching.PROGRAM}"


def _keep_one(key: str, draw: Callable[[], str]) -> str:
    text = _read([key])[0]
    if text is None:
        text = draw()
        _write({key: text})
    return text


def _read(keys: list[str]) -> list[str | None]:
    try:
        redis: Any = connect_to_redis()
        return [text.decode() if text is not None else None for text in redis.mget([_named(key) for key in keys])] \
            if keys else []
    except RedisError as error:
        log.warning("Valkey does not answer, and RDF is drawn anew: %s", error)
        return [None] * len(keys)


def _write(texts: Mapping[str, str]) -> None:
    try:
        redis: Any = connect_to_redis()
        with redis.pipeline(transaction=False) as pipe:
            for key, text in texts.items():
                pipe.set(_named(key), text, ex=DAYS * 86400)
            pipe.execute()
    except RedisError as error:
        log.warning("Valkey does not answer, and RDF is not kept: %s", error)


def _named(key: str) -> str:
    return f"gkopen/rdf/{toolkit.config['ckan.site_id']}/{key}"
