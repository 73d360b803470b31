"""RDF of datasets, made once for each state of a package and kept in Valkey; the feed is put together of it.

ckanext-dcat draws every dataset of a page anew, in one graph that each dataset walks through again. Here its profiles
draw a dataset's triples alone (`triples`), which are written (`written`) and kept by the dataset's id and time of
change; a page of the feed is the catalogue's own triples and those of its datasets one after the other, which is the
same graph. Valkey may be emptied at any time: what is missing is drawn again. docs/decisions/rdf.md says why.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import UTC
from functools import lru_cache
from typing import Any

from ckan.lib.redis import connect_to_redis
from ckan.lib.search import SearchError
from ckan.plugins import toolkit
from ckanext.dcat import logic, utils
from ckanext.dcat.processors import RDF_PROFILES_CONFIG_OPTION, RDFSerializer
from ckanext.dcat.utils import dataset_uri
from dateutil.parser import parse as parse_time
from flask import Response, request
from rdflib import DCAT, URIRef
from redis import RedisError

from ckanext.gkopen import caching
from ckanext.gkopen.dcat.triples import Triples
from ckanext.gkopen.dcat.written import JSONLD, TURTLE, XML, Form, piece

log = logging.getLogger(__name__)

FORMS = {"ttl": TURTLE, "n3": TURTLE, "xml": XML, "rdf": XML, "jsonld": JSONLD}
"""Form of an address → how triples are written."""
OF_DATASET, OF_PAGE = 7 * 86400, 3600
"""Seconds for which a dataset's triples are kept, which wait for another page, and a page of the feed, for which nobody
asks any more once another state is public."""
_COMMON = re.compile(r"[1-9]\d{0,2}", re.ASCII)
"""Numbers of pages that are kept."""
_PAGE = re.compile(r"[1-9]\d{0,6}", re.ASCII)
"""Numbers of pages that Solr can be asked for."""
_BLANK = re.compile(r"(:[0-9.]+) (?=[0-9]{2}:?[0-9]{2}$)", re.ASCII)
"""Where a plus sign stood before a zone's hours: 2026-01-31T09:30:00 08:00."""


@toolkit.chained_action
@toolkit.side_effect_free
def dcat_catalog_show(original: Callable[..., str], context: Any, data_dict: dict[str, Any]) -> str:
    """One page of the catalogue's feed. Other profiles than the site's are drawn by ckanext-dcat."""
    name = data_dict.get("format") or "xml"
    form = FORMS.get(name)
    if form is None:
        return original(context, data_dict)
    toolkit.check_access("dcat_catalog_show", context, data_dict)
    if profiles := data_dict.get("profiles"):
        found = _search(context, data_dict)
        return RDFSerializer(profiles=profiles).serialize_catalog(
            {}, found["results"], _format=name, pagination_info=logic._pagination_info(found, data_dict))
    key = _page_key(name, data_dict)
    return _page(context, data_dict, form) if key is None else _keep_one(
        key, lambda: _page(context, data_dict, form), OF_PAGE)


@toolkit.chained_action
@toolkit.side_effect_free
def dcat_dataset_show(original: Callable[..., str], context: Any, data_dict: dict[str, Any]) -> str:
    """One dataset, drawn and written as in the feed. Not kept: `package_show` takes longer."""
    form = FORMS.get(data_dict.get("format") or "xml")
    if data_dict.get("profiles") or form is None:
        return original(context, data_dict)
    toolkit.check_access("dcat_dataset_show", context, data_dict)
    package = toolkit.get_action("package_show")(context, data_dict)
    return form.whole(_drawn(_serializer(), [package], form))


def answer_kept() -> Response | None:
    """For `before_request`, after the tag is known: a page of the feed that is kept goes out byte for byte, where
    ckanext-dcat's view would have the megabytes read as text and written as bytes again."""
    name = (request.view_args or {}).get("_format")
    if request.endpoint != "dcat.read_catalog" or name not in FORMS or set(request.args) - {"page"}:
        return None
    key = _page_key(name, request.args)
    if key is None:
        return None
    toolkit.check_access("dcat_catalog_show", {}, {})
    [text] = _read([key])
    return None if text is None else Response(text, content_type=utils.CONTENT_TYPES[name])


def _page_key(name: str, asked: Mapping[str, Any]) -> str | None:
    """Under which a page is kept. Only what everybody asks for: the memory is that of the sessions, and questions are
    without number."""
    tag, page = caching.tag_of_request(), str(asked.get("page") or 1)
    if tag is None or not _COMMON.fullmatch(page) or any(asked.get(field) for field in ("modified_since", "q", "fq")):
        return None
    # A page names the address of the next one, which is another one where the action was called over HTTP.
    return f"page/{name}/{page}{request.path}/{tag}"


@toolkit.chained_helper
def structured_data(original: Callable[..., str], dataset_dict: dict[str, Any], profiles: Any = None) -> str:
    """schema.org of a dataset, for its page."""
    if profiles:
        return original(dataset_dict, profiles)
    return _keep_one(_key(dataset_dict, "schemaorg"), lambda: original(dataset_dict), OF_DATASET)


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


def _page(context: Any, data_dict: dict[str, Any], form: Form) -> str:
    found = _search(context, data_dict)
    serializer = _serializer()
    serializer.g = graph = Triples()
    catalog = serializer.graph_from_catalog({})
    for package in found["results"]:
        graph.add((catalog, DCAT.dataset, URIRef(dataset_uri(package))))
    if pages := logic._pagination_info(found, data_dict):
        serializer._add_pagination_triples(pages)
    return form.whole([piece(form, graph, str(catalog)), *_pieces(serializer, found["results"], form)])


def _search(context: Any, data_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The packages of a page. ckanext-dcat puts those that changed last on the first page: what is published while a
    reader turns pages would be on none that he reads. Here each stays where it is, and new ones come behind the last.

    :raises toolkit.ValidationError: the question cannot be answered
    """
    page = str(data_dict.get("page") or 1)
    if not _PAGE.fullmatch(page):
        raise logic.wrong_page_exception
    rows = int(toolkit.config.get("ckanext.dcat.datasets_per_page", logic.DATASETS_PER_PAGE))
    only = ["-dataset_type:harvest", "-dataset_type:showcase"]
    if since := data_dict.get("modified_since"):
        only.append(f"metadata_modified:[{_utc(str(since))}Z TO NOW]")
    query, condition = data_dict.get("q", "*:*"), data_dict.get("fq")
    try:
        return toolkit.get_action("package_search")(context, {
            "rows": rows, "start": rows * (int(page) - 1), "sort": "metadata_created asc, id asc", "q": query,
            "fq": condition, "fq_list": only})
    except SearchError as error:
        if data_dict.get("q") or condition:
            raise toolkit.ValidationError({"fq": [str(error)[:200]]}) from error
        raise


def _utc(text: str) -> str:
    """A time with a zone (09:30Z is one) in UTC, as ckanext-dcat takes those that have none. In an address a plus sign
    means a blank."""
    try:
        time = parse_time(_BLANK.sub(r"\1+", text))
        return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat()
    except (ValueError, OverflowError) as error:
        raise toolkit.ValidationError({"modified_since": [str(error)[:200]]}) from error


def _pieces(serializer: Any, packages: Sequence[Mapping[str, Any]], form: Form) -> list[str]:
    """The triples of each package, in their order; those that are not kept are drawn, and kept."""
    keys = [_key(package, form.name) for package in packages]
    held = _read(keys)
    missing = [place for place, text in enumerate(held) if text is None]
    drawn = dict(zip(missing, _drawn(serializer, [packages[place] for place in missing], form), strict=True))
    _write({keys[place]: text for place, text in drawn.items()}, OF_DATASET)
    return [drawn[place] if text is None else text.decode() for place, text in enumerate(held)]


def _drawn(serializer: Any, packages: Iterable[Mapping[str, Any]], form: Form) -> list[str]:
    """What the site's profiles say of each package, as text."""
    profiles = [profile(None, compatibility_mode=serializer.compatibility_mode) for profile in serializer._profiles]
    texts = []
    for package in packages:
        graph, dataset = Triples(), URIRef(dataset_uri(package))
        for profile in profiles:
            profile.g = graph
            profile.graph_from_dataset(package, dataset)
        texts.append(piece(form, graph, str(dataset)))
    return texts


def _serializer() -> Any:
    """An RDFSerializer of one's own with the site's profiles: to find them takes as long as to draw four datasets."""
    return copy(_made(toolkit.config.get(RDF_PROFILES_CONFIG_OPTION)))


@lru_cache(1)
def _made(_profiles: str | None) -> RDFSerializer:
    return RDFSerializer()


def _key(package: Mapping[str, Any], written: str) -> str:
    body, site = (package.get("organization") or {}).get("title"), utils.catalog_uri()
    return f"{written}/{package['id']}/{package.get('metadata_modified')}/{body}/{site}/{caching.PROGRAM}"


def _keep_one(key: str, draw: Callable[[], str], seconds: int) -> str:
    [kept] = _read([key])
    if kept is not None:
        return kept.decode()
    text = draw()
    _write({key: text}, seconds)
    return text


def _read(keys: list[str]) -> list[bytes | None]:
    try:
        redis: Any = connect_to_redis()
        return redis.mget([_named(key) for key in keys]) if keys else []
    except RedisError as error:
        log.warning("Valkey does not answer, and RDF is drawn anew: %s", error)
        return [None] * len(keys)


def _write(texts: Mapping[str, str], seconds: int) -> None:
    if not texts:
        return
    try:
        redis: Any = connect_to_redis()
        with redis.pipeline(transaction=False) as pipe:
            for key, text in texts.items():
                pipe.set(_named(key), text, ex=seconds)
            pipe.execute()
    except RedisError as error:
        log.warning("Valkey does not answer, and RDF is not kept: %s", error)


def _named(key: str) -> str:
    return f"gkopen/rdf/{toolkit.config['ckan.site_id']}/{key}"
