"""`make search`: a CKAN with nothing of gkopen but its Chinese search, to judge it by any corpus through CKAN's API.

The portal itself takes no package from the API (logic/guard.py), so a relevance test that loads a corpus of its own
needs a site without the guard. It has a home of its own and holds nothing else.
"""

import sys
import threading

from .keeping import free_port, secret
from .places import StartError, gkopen_home, make_folder, require_libmagic
from .servers import Servers
from .site import make_site, run_ckan

USER = "searcher"
SAID = """
  CKAN with gkopen's search      {url}
  token of a sysadmin            {token}
  load and judge a corpus        evaluate.py --url {url} --token-file {token}
  Ctrl-C 停止 / stops it
"""


def search_trial() -> None:
    """Start it and stay until Ctrl-C. Raises StartError with what to do."""
    require_libmagic()
    home = make_folder(gkopen_home() / "search")
    with Servers(home) as servers:
        url = f"http://127.0.0.1:{free_port(None)}"
        ini = make_site(servers, home, profile="demo", site_url=url, extra={
            "ckan.plugins": "gkopen_search", "ckan.auth.route_after_login": "dashboard.datasets"})
        token = home / "token"
        if not token.exists():
            run_ckan(ini, "user", "add", USER, f"email={USER}@example.com", f"password={secret(home, 'searcher')}")
            run_ckan(ini, "sysadmin", "add", USER)
            lines = run_ckan(ini, "user", "token", "add", USER, "judge").split()
            if not lines:
                raise StartError("CKAN gave no token: run `make clean` and start again.")
            token.write_text(lines[-1] + "\n", "utf-8")
            token.chmod(0o600)
        _serve(str(ini), int(url.rsplit(":", 1)[1]), SAID.format(url=url, token=token))


def _serve(ini: str, port: int, said: str) -> None:
    from ckan.cli import load_config
    from ckan.config.middleware import make_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", port, make_app(load_config(ini)), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    print(said, flush=True)
    try:
        threading.Event().wait()
    finally:
        server.shutdown()
        sys.stdout.flush()
