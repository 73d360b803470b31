"""A body, a catalogue entry and a publication, as the pipeline has them."""

from typing import Any

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.metadata.package import Published

SITE = "https://data.example.gov.cn"

BODY: dict[str, Any] = {
    "id": "5f0f8c1e-3d58-4a0e-9f5e-6f0e2f6f8a11", "name": "nantong-czj", "title": "南通市财政局",
    "title_en": "Nantong Finance Bureau", "uscc": "91110000600037341L", "tier": "city",
    "contact_name": "国库科", "contact_phone": "0513-85218000", "contact_email": "gk@example.gov.cn",
}

ENTRY: dict[str, Any] = {
    "res_code": "307010004/000017", "share_type": "无条件共享", "open": "是", "open_condition": "无",
    "update_cycle": "每日", "disclosure_attribute": "主动公开", "stage": "执行公开、结果公开",
    "channel": "政府网站；发布会/听证会", "related_codes": "307010004/000018、307010004/000019",
    "source_system": "政府采购管理交易系统",
}

PUBLISHED: Published = {
    "seq": 7, "rows": 218, "parts": ["2025-03", "2025-11", "2024-12"],
    "published_at": "2026-01-05T09:30:00+08:00", "first_published_at": "2025-04-01T10:00:00+08:00",
    "revision_id": "0b9c3e0e-6a68-4a4b-9d8c-1f4d5a7e6b21", "sha256": "a" * 64, "harvest_source": "nantong-procurement",
    "files": {"csv": {"size": 51234, "sha256": "b" * 64}, "xlsx": {"size": 40321, "sha256": "c" * 64}},
}


def dataset_name(domain: Domain) -> str:
    """The name of BODY's dataset."""
    return f"{BODY['name']}-{domain.name.replace('_', '-')}"
