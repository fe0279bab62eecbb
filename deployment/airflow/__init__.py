"""Airflow: a DAG a ranker, generated from the same `create_pipeline`; docs/scheduling.md."""
