"""What a withdrawal takes out of the past: which contents nobody is shown any more, and whether rows come back.

A content is sealed as a whole. Bytes that another dataset still shows stay readable there; the addresses of the dataset
that withdrew them are gone all the same (`gkopen.sealed`, `gkopen.is_sealed`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.exc import SQLAlchemyError

from ckanext.gkopen import blobs, changesets, model, parts
from ckanext.gkopen.domains import Domain

log = logging.getLogger(__name__)


def seal(domain: Domain, dataset_id: str, gone: Collection[str], revision_id: str) -> None:
    """Seal all that a dataset ever showed of the parts that a withdrawal took away (it is public no more by now).

    Their rows may have been published in other parts before, which they left: the contents of these that hold one of
    them are sealed too. Of a dataset of which nothing is public any more everything is.
    """
    published = model.every(
        "select p.part, p.new_sha256 as sha256, bool_or(p.removed > 0 or p.new_sha256 is null) over (partition by"
        " p.part) as lost_rows from gkopen.publication u join gkopen.revision_part p using (revision_id)"
        " where u.dataset_id = :d", d=dataset_id)
    public = {sha for part, sha in changesets.public_parts(dataset_id).items() if part != changesets.METADATA}
    shown = [row for row in published if row["sha256"] is not None and row["sha256"] not in public]
    taken = {row["sha256"] for row in shown if not public or row["part"] in gone}
    if others := {row["sha256"] for row in shown if row["lost_rows"] and row["part"] != changesets.METADATA} - taken:
        keys = _withdrawn(domain, taken, public)
        taken |= {sha for sha in others if _holds(domain, sha, keys)}
    model.execute("insert into gkopen.sealed (dataset_id, sha256, revision_id) select :d, sha256, :r"
                  " from unnest(cast(:shas as text[])) as taken (sha256) on conflict do nothing",
                  d=dataset_id, r=revision_id, shas=sorted(taken))
    model.execute(
        "update gkopen.blob set sealed_at = now() where sha256 = any(cast(:shas as bpchar[])) and sealed_at is null"
        " and not exists (select 1 from gkopen.public_part p where p.sha256 = blob.sha256)", shas=sorted(taken))


def read(dataset_id: Any, sha256s: Sequence[str]) -> list[bytes]:
    """Contents as a dataset may show them. Raises blobs.Sealed, blobs.Missing."""
    check(dataset_id, sha256s)
    return list(map(blobs.reader(sha256s), sha256s))


def check(dataset_id: Any, sha256s: Sequence[str]) -> None:
    """Raises blobs.Sealed where a dataset may not show one of the contents."""
    if sealed := model.value("select sha256 from unnest(cast(:shas as text[])) as asked (sha256)"
                             " where gkopen.is_sealed(cast(:d as uuid), sha256) limit 1", d=str(dataset_id),
                             shas=list(sha256s)):
        raise blobs.Sealed(sealed)


def brings_back(domain: Domain, dataset_id: Any, changes: Iterable[Mapping[str, Any]]) -> bool:
    """Whether changes (rows of revision_part) would publish rows that were withdrawn from this dataset."""
    sealed = [row["sha256"] for row in model.every(
        "select distinct s.sha256 from gkopen.sealed s join gkopen.revision_part p on p.new_sha256 = s.sha256"
        " and p.part <> :metadata where s.dataset_id = :d", d=dataset_id, metadata=changesets.METADATA)]
    new = [change["new_sha256"] for change in changes if change["new_sha256"] and change["part"] != changesets.METADATA]
    if not sealed or not new:
        return False
    public = [sha for part, sha in changesets.public_parts(str(dataset_id)).items() if part != changesets.METADATA]
    keys = _withdrawn(domain, sealed, public)
    return any(_holds(domain, sha, keys) for sha in new)


def _withdrawn(domain: Domain, taken: Iterable[str], public: Iterable[str]) -> pa.Array | None:
    """The keys of rows that stand in contents `taken` and in none that is public; None where one of `taken` cannot be
    read: any row may have stood in it."""
    gone = [_keys_of(domain, sha) for sha in sorted(taken)]
    known = [keys for keys in gone if keys is not None]
    if len(known) < len(gone):
        return None
    shown = [keys for sha in sorted(public) if (keys := _keys_of(domain, sha)) is not None]
    mine, others = (pa.concat_arrays([pa.array([], pa.string()), *found]) for found in (known, shown))
    return mine.filter(pc.invert(pc.is_in(mine, value_set=others)))


def _keys_of(domain: Domain, sha256: str) -> pa.Array | None:
    try:
        return parts.row_keys(domain, parts.read_part(domain, blobs.read(sha256, sealed=True), domain.key))
    except SQLAlchemyError:
        raise
    except Exception:
        log.exception("the content %s cannot be read", sha256)
        return None


def _holds(domain: Domain, sha256: str, keys: pa.Array | None) -> bool:
    """Whether a content has one of the keys. What cannot be read may have, and of unknown keys (None) any has."""
    own = _keys_of(domain, sha256) if keys is not None else None
    return own is None or bool(pc.any(pc.is_in(own, value_set=keys)).as_py())
