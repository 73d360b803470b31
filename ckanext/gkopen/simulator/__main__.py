from ckanext.gkopen.simulator.cli import simulate

simulate(prog_name="python -m ckanext.gkopen.simulator")
