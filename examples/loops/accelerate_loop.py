"""A method of isotropy in a loop by accelerate. Needs: pip install accelerate."""

import torch
from accelerate import Accelerator
from sklearn.datasets import load_wine

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.methods import VICReg
from isotropy.views import TableViews


def main():
    """Train three epochs; return the encoder's vectors of all rows."""
    rows = load_wine().data
    table = TablePreprocess.learn(rows)
    stored = table.transform(rows)
    dataset = ArrayDataset(stored, table)
    views = TableViews(values=stored, numeric=table.schema.numeric)
    torch.manual_seed(0)
    method = VICReg(TableMLP(numeric=rows.shape[1], width=32), projector=(64, 64))
    accelerator = Accelerator(cpu=True)
    loader = torch.utils.data.DataLoader(torch.arange(len(rows)), batch_size=64, shuffle=True, drop_last=True)
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    method, optimiser, loader = accelerator.prepare(method, optimiser, loader)
    for epoch in range(3):
        for index in loader:
            outputs = method(views(dataset, index.cpu(), seed=0, pass_=epoch))
            # The loss is of the whole batch: with several processes gather the outputs first, as isotropy's loop does.
            loss = sum(accelerator.unwrap_model(method).loss(**outputs).values())
            accelerator.backward(loss)
            optimiser.step()
            optimiser.zero_grad()
    with torch.no_grad():
        return accelerator.unwrap_model(method).encoder.eval()(stored).numpy()


if __name__ == "__main__":
    print(main().shape)
