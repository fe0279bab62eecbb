"""The `schedule` section: when an orchestrator runs the pipeline, and when it gives up."""

from datetime import date, timedelta

from pydantic import Field

from transforms.section import Duration, Section

_CRON = r"^\S+( \S+){4}$"
_NAME = r"^[A-Za-z0-9_.-]{1,100}$"


class Schedule(Section):
    """Runs day after day; all times are UTC. No result depends on it.

    Attributes:
        start: the first day to train on, the last one of the first window.
        cron: when, after the end of a day; five fields.
        catchup: whether days since `start` that were missed are run, one after the other.
        wait: how long a run waits for its day's logs.
        poll: how often it looks for them.
        retries: of a component that failed for a reason that may pass.
        retry_delay: before a retry, twice as long before each further one.
        step_timeout: after which a component is ended by SIGTERM, and tried again.
        deadline: after the time by `cron`, when a day that is not done is reported as late.
        pool: that trainers and tuners take a slot of, so that those of several rankers do not
            share a GPU.
        alerts: name of the orchestrator's connection to a webhook; failures and late days are
            posted there if it has one of that name.
    """

    start: date
    cron: str = Field("0 6 * * *", pattern=_CRON, max_length=100)
    catchup: bool = True
    wait: Duration = timedelta(hours=12)
    poll: Duration = Field(timedelta(minutes=5), gt=timedelta(0))
    retries: int = Field(2, ge=0, le=100)
    retry_delay: Duration = timedelta(minutes=5)
    step_timeout: Duration = timedelta(hours=12)
    deadline: Duration = Field(timedelta(hours=18), gt=timedelta(0))
    pool: str = Field("gaterank_trainers", pattern=_NAME)
    alerts: str = Field("gaterank_alerts", pattern=_NAME)
