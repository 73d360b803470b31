"""Pages: public domain pages, the officers' desk, review. A view reads and decides through actions only."""

from ckanext.gkopen.views import (
    api,
    changes,
    domain,
    feed,
    language,
    metadata,
    office,
    open,
    operations,
    oversight,
    push,
    quarantine,
    review,
    rows,
    runs,
    standards,
    standing,
    takeback,
    tokens,
    trail,
    withdrawn,
)

blueprints = [
    language.blueprint, domain.blueprint, open.blueprint, standards.blueprint, trail.blueprint, api.blueprint,
    changes.blueprint, rows.blueprint, office.blueprint, runs.blueprint, metadata.blueprint, review.blueprint,
    operations.blueprint, oversight.blueprint,
    feed.blueprint, quarantine.blueprint, standing.blueprint, takeback.blueprint, push.blueprint,
    tokens.blueprint, withdrawn.blueprint,
]
