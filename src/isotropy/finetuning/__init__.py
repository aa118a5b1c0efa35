"""Fine-tuning: a trained encoder with a head, on the labels that there are."""

from isotropy.finetuning.finetune import finetune
from isotropy.finetuning.finetuned import FineTuned, load
from isotropy.finetuning.settings import FineTuning

__all__ = ["FineTuned", "FineTuning", "finetune", "load"]
