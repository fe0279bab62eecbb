"""Images: what serves and what trains, made from the one hashed lock.

    docker build -f deployment/images/serve.Dockerfile -t gaterank-serve .
    docker build -f deployment/images/train.Dockerfile -t gaterank-train .
    docker build -f deployment/images/train.Dockerfile --target train-gpu -t gaterank-train-gpu .

`serve.packages` names what serving imports; `choose_lock.py` takes their lines of the lock.
"""
