"""The licence of a domain's table over all bodies: nobody grants one for it, it is that of the datasets in it."""

from __future__ import annotations

from ckan import model as ckan_model

from ckanext.gkopen import model


def shared(domain: str) -> str | None:
    """Id of the licence that all public datasets of a domain have; None where they differ: each says its own."""
    found = model.every("select distinct p.license_id from gkopen.dataset d join public.package p on p.id = d.id::text"
                        " where d.domain = :domain and d.state = 'published'", domain=domain)
    return found[0]["license_id"] if len(found) == 1 else None


def described(license_id: str | None) -> tuple[str, str]:
    """Title and address of a licence, as far as they are known; else empty texts."""
    licence = ckan_model.Package.get_license_register().get(license_id) if license_id else None
    return getattr(licence, "title", None) or license_id or "", getattr(licence, "url", None) or ""
