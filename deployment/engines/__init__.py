"""Engines beyond one process, on loopback: what the project proves itself on (Linux).

    python -m deployment.engines build spark    what the engine is made of, once
    python -m deployment.engines start spark    a cluster, and the `beam` section for it
    python -m deployment.engines stop spark
    python -m deployment.engines trial spark    the same ingestion on it, whatever is killed

`flink` goes the same way. An engine is a folder: the jars it has from PyPI, its settings, and
how its master and workers are started; the rest of this folder is the same for all.

`build` needs Java 17, Maven and Go (Debian: openjdk-17-jre-headless, maven, golang) and the
package registries; everything lands under build/engines.
"""
