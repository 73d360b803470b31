"""A table of contents: which interface is answered where. No logic here.

Two plugins, because a route that replaces one of the DataStore's own must come before `datastore` in `ckan.plugins`,
and an IDatastore hook after it: `ckan.plugins = gkopen_routes datastore … gkopen`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ckan import plugins
from ckan.lib.plugins import DefaultTranslation
from ckan.plugins import toolkit
from flask import Blueprint
from flask_login import user_logged_in
from werkzeug.middleware.proxy_fix import ProxyFix

from ckanext.gkopen import away, caching, csrf, domains, helpers, lockout, logs, malformed, unfit, views
from ckanext.gkopen.cli import gkopen as command
from ckanext.gkopen.datastore import actions as datastore_actions
from ckanext.gkopen.datastore import alias
from ckanext.gkopen.datastore.dump import blueprint as dump_blueprint
from ckanext.gkopen.datastore.plugin import DatastoreMixin
from ckanext.gkopen.dcat import hasten, kept
from ckanext.gkopen.history import helpers as past
from ckanext.gkopen.logic import action, auth, guard, page
from ckanext.gkopen.metadata import choices, licences, validators
from ckanext.gkopen.metadata.facets import facets
from ckanext.gkopen.normalise import derived
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.standards import prefix
from ckanext.gkopen.publish.storage_s3 import S3Storage
from ckanext.gkopen.push import tokens
from ckanext.gkopen.search.plugin import SearchMixin


class GkopenRoutesPlugin(plugins.SingletonPlugin):
    """Routes that win over CKAN's own: the dump in one snapshot."""

    plugins.implements(plugins.IBlueprint)

    def get_blueprint(self) -> list[Blueprint]:
        return [dump_blueprint]


class GkopenSearchPlugin(SearchMixin, plugins.SingletonPlugin):
    """Only the Chinese search, for a CKAN that wants nothing else (and for judging it: docs/search.md)."""


@toolkit.blanket.config_declarations
class GkopenPlugin(SearchMixin, DatastoreMixin, DefaultTranslation, plugins.SingletonPlugin):
    plugins.implements(plugins.IConfigurer)
    plugins.implements(plugins.IBlueprint)
    plugins.implements(plugins.IClick)
    plugins.implements(plugins.IActions)
    plugins.implements(plugins.IAuthFunctions)
    plugins.implements(plugins.IValidators)
    plugins.implements(plugins.ITemplateHelpers)
    plugins.implements(plugins.IFacets, inherit=True)
    plugins.implements(plugins.IMiddleware, inherit=True)
    plugins.implements(plugins.IAuthenticator, inherit=True)
    plugins.implements(plugins.IApiToken, inherit=True)
    plugins.implements(plugins.ISignal)
    plugins.implements(plugins.ITranslation)
    plugins.implements(plugins.IFiles, inherit=True)

    def before_dataset_search(self, search_params: dict[str, Any]) -> dict[str, Any]:
        return super().before_dataset_search(behind.packages_shown(search_params))

    def update_config(self, config: Any) -> None:
        logs.configure(config, as_json=toolkit.asbool(config.get("ckanext.gkopen.log_json")))
        domains.configure(config.get("ckanext.gkopen.domains_dir"))
        licences.configure(config)
        ocds = prefix.accepted("ocds", config.get("ckanext.gkopen.prefix.ocds"))
        derived.configure(ocid=f"{ocds}-" if ocds else None)
        toolkit.add_template_directory(config, "templates")
        toolkit.add_public_directory(config, "public")
        toolkit.add_resource("assets", "gkopen")

    def files_get_storage_adapters(self) -> dict[str, Any]:
        return {"gkopen:s3": S3Storage}

    def get_blueprint(self) -> list[Blueprint]:
        return list(views.blueprints)

    def get_commands(self) -> list[Any]:
        return [command]

    def get_actions(self) -> dict[str, Any]:
        return action.functions() | guard.guarded() | datastore_actions.functions() | page.functions() | {
            "dcat_catalog_show": kept.dcat_catalog_show, "dcat_dataset_show": kept.dcat_dataset_show}

    def get_auth_functions(self) -> dict[str, Any]:
        return auth.functions()

    def get_validators(self) -> dict[str, Any]:
        return {name: getattr(validators, name) for name in validators.__all__}

    def get_helpers(self) -> dict[str, Any]:
        return {name: getattr(module, name) for module in (choices, helpers, past) for name in module.__all__} | {
            "structured_data": kept.structured_data}

    def dataset_facets(self, facets_dict: OrderedDict[str, Any], package_type: str) -> OrderedDict[str, Any]:
        return facets(facets_dict)

    def organization_facets(self, facets_dict: OrderedDict[str, Any], organization_type: str,
                            package_type: str | None) -> OrderedDict[str, Any]:
        return facets(facets_dict)

    def make_middleware(self, app: Any, config: Any) -> Any:
        csrf.exempt_per_request()
        unfit.say_what_fits(app)
        away.register(app)
        alias.read_in_time()
        page.find_by_name_once()
        page.remember_translations()
        page.remember_assets()
        hasten.hasten()
        proxies = toolkit.config["ckanext.gkopen.proxies"]
        app.wsgi_app = ProxyFix(caching.say_how_long(malformed.without_nul(app.wsgi_app)), x_for=proxies, x_proto=0)
        app.before_request(malformed.refuse)
        app.before_request(caching.answer_unchanged)
        app.before_request(kept.answer_kept)
        app.after_request(malformed.say_plainly)
        app.register_error_handler(RecursionError, malformed.not_endless)
        app.register_error_handler(malformed.SearchQueryError, malformed.no_query)
        app.register_error_handler(toolkit.ObjectNotFound, malformed.not_found)
        app.register_error_handler(toolkit.NotAuthorized, malformed.not_authorized)
        app.register_error_handler(toolkit.ValidationError, malformed.not_valid)
        return app

    def login(self) -> Any:
        return lockout.refuse_while_resting()

    def decode_api_token(self, encoded: str, **kwargs: Any) -> dict[str, Any] | None:
        """CKAN asks of each request with an Authorization header, and logs an error for what is none of its tokens: a
        push token has no account."""
        return {"push_token": True} if tokens.in_header(encoded) else None

    def get_signal_subscriptions(self) -> dict[Any, Any]:
        return {toolkit.signals.failed_login: [lockout.count_failure],
                user_logged_in: [lockout.forget_failures]}

    def i18n_domain(self) -> str:
        return "ckanext-gkopen"
