"""A method of isotropy in a LightningModule. Needs: pip install lightning."""

import lightning
import numpy as np
import torch
from sklearn.datasets import load_wine

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.methods import SimCLR
from isotropy.views import TableViews

rows = load_wine().data
table = TablePreprocess.learn(rows)
stored = table.transform(rows)
dataset = ArrayDataset(stored, table)
views = TableViews(values=stored, numeric=table.schema.numeric)


class Pretraining(lightning.LightningModule):
    """The batches are numbers of rows; views of them are made on whole batches, on the device."""

    def __init__(self):
        """Make the method; Lightning has the optimiser, the ranks and the logs."""
        super().__init__()
        self.method = SimCLR(TableMLP(numeric=rows.shape[1], width=32), projector=(64, 16), temperature=0.5)

    def training_step(self, index, step):
        """Return the loss: the sum of the method's terms."""
        made = views(dataset, index, seed=0, pass_=self.current_epoch)
        terms = self.method.loss(**self.method(made))
        self.log_dict(terms)
        return sum(terms.values())

    def configure_optimizers(self):
        """Return AdamW on all parameters."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main():
    """Train three epochs; return the encoder's vectors of all rows."""
    lightning.seed_everything(0, verbose=False)
    loader = torch.utils.data.DataLoader(torch.arange(len(rows)), batch_size=64, shuffle=True, drop_last=True)
    module = Pretraining()
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, loader)
    with torch.no_grad():
        return module.method.encoder.eval()(stored).numpy()


if __name__ == "__main__":
    print(np.shape(main()))
