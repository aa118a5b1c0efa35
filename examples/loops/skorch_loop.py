"""A trained encoder with a head, fine-tuned by skorch as a scikit-learn classifier. Needs: pip install skorch."""

import copy

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from skorch import NeuralNetClassifier
from torch import nn

from isotropy import SelfSupervisedEncoder


class Classifier(nn.Module):
    """A copy of the encoder, and a linear layer."""

    def __init__(self, encoder, classes):
        """Take the encoder; it is copied, so that every fold begins with the same weights."""
        super().__init__()
        self.encoder = copy.deepcopy(encoder).train()
        self.head = nn.Linear(encoder.width, classes)

    def forward(self, rows):
        """Return logits (B, classes) of stored rows."""
        return self.head(self.encoder(rows))


def main():
    """Return the accuracy of three folds."""
    x, y = load_wine(return_X_y=True)
    pretrained = SelfSupervisedEncoder(epochs=5, embedding="learned", random_state=0).fit(x).representation_
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        Classifier, module__encoder=pretrained.encoder, module__classes=3, criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW, lr=1e-3, max_epochs=15, batch_size=32, train_split=None, verbose=0,
    )  # fmt: skip
    return cross_val_score(net, pretrained.stored(x).numpy(), y.astype(np.int64), cv=3)


if __name__ == "__main__":
    print(main())
