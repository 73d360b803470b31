"""Pages: public domain pages, the officers' desk, review. A view reads and decides through actions only."""

from ckanext.gkopen.views import (
    changes,
    domain,
    feed,
    language,
    metadata,
    office,
    open,
    operations,
    oversight,
    review,
    rows,
    runs,
    withdrawn,
)

blueprints = [
    language.blueprint, domain.blueprint, open.blueprint, changes.blueprint, rows.blueprint, office.blueprint,
    runs.blueprint, metadata.blueprint, review.blueprint, operations.blueprint, oversight.blueprint,
    withdrawn.blueprint,
]
