"""The pipeline on Kubeflow Pipelines and Vertex AI.

`options` is the YAML's section and `rules` what it must keep to; `spec` compiles the pipeline, with
`edits` for what TFX's compiler leaves out, and `check` holds the outcome against KFP's schema.
`entrypoint` is what runs in a container; `paths` says where its artifacts are on that machine.
"""
