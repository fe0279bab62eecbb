"""What can be said of images, charts, rules and dashboards without an engine or a cluster.

    make validate-deployment

gets the tools at their versions into build/tools, from PyPI and the Go module proxy, and asks
them all. It needs Go (Debian: golang, from go.dev if that is too old) and takes ten minutes once.
"""
