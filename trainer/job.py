"""One training as a document: what every process of it has to know. Imports no TensorFlow."""

from trainer.config import TrainerConfig
from transforms.section import Section


class TrainJob(Section):
    """What is trained, from what, and where it goes.

    Attributes:
        config: features, tasks, gate, model and training.
        transform_dir: the analysed transform graph.
        train_files: patterns of transformed examples.
        eval_files: the same, for early stopping.
        record_dir: gets the record of the training and TensorBoard's log.
        serving_dir: gets the pruned model.
        full_dir: gets the model with all experts; null for none.
        log_dir: gets the log of each process, if the training starts several.
        checkpoint_dir: keeps checkpoints of trainings that were interrupted; null for none. All
            processes must see it.
        base: the file that training begins from; null for none.
        base_dir: gets the file that a later training can begin from; null for none.
        code_version: of the code that trains; no other goes on from its checkpoints.
    """

    config: TrainerConfig
    transform_dir: str
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    record_dir: str
    serving_dir: str
    full_dir: str | None = None
    log_dir: str
    checkpoint_dir: str | None = None
    base: str | None = None
    base_dir: str | None = None
    code_version: str = ""
