"""A trained encoder in a fine-tuning loop of plain torch."""

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

from isotropy import SelfSupervisedEncoder


def main():
    """Return the accuracy on test rows before and after fine-tuning."""
    x, test_x, y, test_y = train_test_split(*load_wine(return_X_y=True), stratify=load_wine().target, random_state=0)
    made = SelfSupervisedEncoder(epochs=5, embedding="learned", random_state=0).fit(x).representation_
    rows, test_rows = made.stored(x), made.stored(test_x)  # standardised by what training knew
    labels, test_labels = torch.from_numpy(y), torch.from_numpy(test_y)
    torch.manual_seed(0)
    model = nn.Sequential(made.encoder, nn.Linear(made.encoder.width, 3))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def accuracy():
        with torch.no_grad():
            return float((model.eval()(test_rows).argmax(1) == test_labels).float().mean())

    before = accuracy()
    for _ in range(40):
        model.train()
        loss = nn.functional.cross_entropy(model(rows), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return before, accuracy()


if __name__ == "__main__":
    print(main())
