"""What is served, watched: is it what the model was trained on, and are its predictions right?

A day of the request log is joined with feedback by ingestion itself, so that labels mean what
they mean in training; the predictions that were logged come along as columns.

    options      the `monitor` section of the YAML
    days         which files a day is made of, and whether its labels can be complete
    served       the request log as ingestion reads it: features as served, predictions, version
    training     what the run that pushed a version knew: statistics and evaluation
    histograms   numbers of two sides in the same bins
    statistics   TFDV's statistics and comparisons
    distances    skew and drift of each feature, against thresholds
    columns      labels and logged predictions, which labels still wait
    quality      live metrics of each task and version, against the evaluation
    worsening    what is worse beyond chance
    figures      all of it as one document, `monitor.json`
    store        one folder a day; what the next day is compared with
    exposition   Prometheus
    page         `monitor.html`, and its `plots`
    watch        a day, from end to end
"""
