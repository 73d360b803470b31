"""gunicorn in the web container. CKAN_WEB_WORKERS: processes; two for each core is a fair start."""

import os

bind = "0.0.0.0:5000"
workers = int(os.environ["CKAN_WEB_WORKERS"])
threads = 2
timeout = 120
# A slow leak in any library ends with its process; the spread keeps them from ending together.
max_requests = 2000
max_requests_jitter = 200
# nginx is the only neighbour that reaches this port.
forwarded_allow_ips = "*"
accesslog = "-"
# Without queries and referrers: the keys of feeds and of forgotten passwords stand in addresses.
access_log_format = '%({x-forwarded-for}i)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(L)s'
worker_tmp_dir = "/dev/shm"
