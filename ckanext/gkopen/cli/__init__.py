"""`ckan gkopen …`: the commands of interface.md. Each works on a pipe; errors are one sentence with what to do."""

from ckanext.gkopen.cli import domains, files, operate, oversight, push, review, runs, sources
from ckanext.gkopen.cli.common import gkopen
from ckanext.gkopen.simulator.cli import simulate

__all__ = ["domains", "files", "gkopen", "operate", "oversight", "push", "review", "runs", "sources"]

gkopen.add_command(simulate)
