"""Engines beyond one process, on loopback: what the project proves itself on (Linux).

    python -m deployment.engines build    what an engine is made of, once
    python -m deployment.engines start    a Spark cluster; says the `beam` section to use it by
    python -m deployment.engines stop
    python -m deployment.engines trial    the same ingestion on it, whatever is killed

`build` needs Java 17, Maven and Go (Debian: openjdk-17-jre-headless, maven, golang) and the
package registries; everything lands under build/engines.
"""
