"""Pages: public domain pages, the officers' desk, review. A view reads and decides through actions only."""

from ckanext.gkopen.views import domain, language, metadata, office, open, operations, oversight, review, withdrawn

blueprints = [language.blueprint, domain.blueprint, open.blueprint, office.blueprint, metadata.blueprint,
              review.blueprint, operations.blueprint, oversight.blueprint, withdrawn.blueprint]
