"""Kinds of the columns of real tables by `Schema` and, if it is installed, by skrub; a linear probe on both encodings.

    python benchmarks/columns.py FOLDER [table ...]

Kinds, widths and CPU seconds (fit and transform, median of 3) are of all rows of FOLDER/NAME.parquet; scores (accuracy,
R2 of numbers) of 5 folds, 3 times, on 4,000 rows. "+ forms": columns rewritten as people write them; "na=?": said so.
"""

import sys
import warnings
from statistics import median
from time import process_time

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isotropy.data import TablePreprocess

LABELS = {"phoneme": "nasal", "german_credit": "bad", "churn_modelling": "Exited", "dry_bean": "Class", "sst2": "label"}
LABELS |= {"adult": "income", "gesture_phase": "phase"}
NUMBERS = {"abalone": "rings", "california_housing": "median_house_value", "wine_quality": "quality"}
BORN = [pd.Timestamp("2020-06-01") - pd.Timedelta(days=365 * age) for age in range(100)]
FORMS = [  # A table, the new column, the column whose place it takes, and how one of its values is written.
    ("german_credit", "day/month/year", "a13", lambda age: BORN[age].strftime("%d/%m/%Y")),
    ("german_credit", "currency", "a5", "${:,.2f}".format),
    ("german_credit", "unit", "a2", "{} months".format),
    ("german_credit", "many ?", "a8", lambda rate: "?" if rate == 1 else str(rate)),
    ("german_credit", "few ?", "a16", lambda credits: "?" if credits == 4 else str(credits)),
    ("california_housing", "ISO date", "housing_median_age", lambda age: str(BORN[int(age)].date())),
    ("california_housing", "currency", "median_income", lambda income: f"${10_000 * income:,.0f}"),
    ("california_housing", "thousands", "total_rooms", "{:,.0f}".format),
    ("california_housing", "decimal comma", "latitude", lambda degrees: f"{degrees:.2f}".replace(".", ",")),
    ("california_housing", "parentheses", "longitude", lambda degrees: f"({-degrees:.2f})"),
    ("adult", "date with month names", "age", lambda age: BORN[age].strftime("%B %d, %Y")),
    ("adult", "percent", "hours-per-week", lambda hours: f"{hours / 0.4:.1f}%"),
    ("adult", "time of day", "education-num", lambda level: f"{6 + level // 2:02}:{level % 2 * 30:02}"),
    ("adult", "identifier", "fnlwgt", "C{:07}".format),
]


class BySchema(TransformerMixin, BaseEstimator):
    """Our preprocessing as a transformer of scikit-learn."""

    def fit(self, frame, y=None):  # noqa: D102
        self.table_ = TablePreprocess.learn(frame)
        self.column_to_kind_ = {column.name: column.kind for column in self.table_.schema.columns}
        return self

    def transform(self, frame):  # noqa: D102
        return self.table_.features(self.table_.transform(frame))


def show(name, side, frame, label):
    seconds, kinds = [], {}
    try:
        for _ in range(3):
            start, encoder = process_time(), side()
            width = encoder.fit(frame).transform(frame).shape[1]
            seconds.append(process_time() - start)
        kinds = {column: encoder.column_to_kind_.get(column, "dropped") for column in frame}
        regression, sample = label.name in NUMBERS.values(), frame.sample(min(4000, len(frame)), random_state=0)
        probe = Ridge() if regression else LogisticRegression(max_iter=300)
        folds = (RepeatedKFold if regression else RepeatedStratifiedKFold)(n_splits=5, n_repeats=3, random_state=0)
        pipeline = make_pipeline(side(), SimpleImputer(), StandardScaler(), probe)
        score = cross_val_score(pipeline, sample, label[sample.index], cv=folds).mean()
        result = f"{width} wide, {median(seconds):.3f} s, score {score:.4f}, {kinds}"
    except ValueError as error:
        result = f"refused {kinds}: {str(error).splitlines()[-1]}"
    print(f"{name}, {side.__name__}: {result}", flush=True)


warnings.simplefilter("ignore")
sides = [BySchema]
try:
    from skrub import TableVectorizer

    sides.append(TableVectorizer)
except ImportError:
    print("skrub is not installed")
for name in sys.argv[2:] or LABELS | NUMBERS:
    table = pd.read_parquet(f"{sys.argv[1]}/{name}.parquet").drop(columns=["split", "video"], errors="ignore")
    label = table.pop((LABELS | NUMBERS)[name])
    tables, forms = {name: table}, [form for form in FORMS if form[0] == name]
    if forms:
        tables[f"{name} + forms"] = table.drop(columns=[old for _, _, old, _ in forms]).assign(
            **{new: table[old].map(write) for _, new, old, write in forms}
        )
        tables[f"{name} + forms, na=?"] = tables[f"{name} + forms"].replace("?", None)
    for title, frame in tables.items():
        for side in sides:
            show(title, side, frame, label)
