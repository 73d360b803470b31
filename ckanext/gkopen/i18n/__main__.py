"""python -m ckanext.gkopen.i18n [check]

Bring the catalogues up to date: new texts of templates, Python and JavaScript go into the .pot and, still empty, into
zh_Hans_CN; zh_Hant_TW is made from zh_Hans_CN by OpenCC; both are compiled. With `check`, nothing is written and the
exit code says whether something would change or a text has no Chinese.
"""

from __future__ import annotations

import sys

from ckanext.gkopen.i18n.catalogues import Catalogues

if __name__ == "__main__":
    catalogues = Catalogues.read()
    told = catalogues.problems()
    if sys.argv[1:] != ["check"]:
        catalogues.update()
        catalogues.write()
        told = [f"no Chinese yet: {msgid!r}" for msgid in catalogues.untranslated()]
    print("\n".join(told) or "every text has its Chinese, every catalogue is up to date")
    sys.exit(1 if told else 0)
