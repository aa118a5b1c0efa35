"""Views of images: the views law, the settings per view, multi-crop, one channel."""

import pytest
import torch
from scipy import stats

from isotropy import rng
from isotropy.errors import UserError
from isotropy.views import ImageViews, MultiView, colour

FULL = {"blur": 0.5, "solarise": 0.4, "grey": 0.3, "crops": [{"count": 1, "size": 16, "scale": [0.05, 0.3]}]}
PLAIN = {"scale": (1, 1), "ratio": (1, 1), "flip": 0.0, "jitter_p": 0.0, "grey": 0.0}


def rows(count, channels=3, side=24):
    words = rng.bits(rng.keys(9, 0, 0, torch.arange(count)), channels * side * side)
    return (words & 255).to(torch.uint8).view(count, channels, side, side)


def views(size=20, channels=3, **settings):
    return ImageViews(size=size, mean=[0.4] * channels, std=[0.2] * channels, **settings)


@pytest.mark.parametrize("settings", [{}, {"hue": "exact", **FULL}, {"interpolation": "bicubic", **FULL}])
@pytest.mark.parametrize(("count", "side", "size"), [(300, 24, 20), (6, 256, 224)])
def test_a_view_depends_on_no_batch_order_or_thread_count(settings, count, side, size):
    x, index = rows(count, side=side), torch.arange(count) * 7
    maker = views(size, **settings)

    def made(choice):
        return maker.make(x[choice], index[choice], seed=3, pass_=2)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = made(torch.arange(count))
        for number in (1, 2):
            torch.set_num_threads(number)
            few = torch.tensor([4, 0, 5])
            alone = torch.tensor([2])
            for choice in (torch.arange(count), torch.arange(count).flip(0), few, alone):
                for view, reference in zip(made(choice), whole):
                    assert torch.equal(view, reference[choice])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_pixel_of_one_large_image_has_the_same_bits_on_two_threads(channels):
    x, maker = rows(1, channels, 256), views(224, channels, num_views=1, jitter_p=1.0)
    threads = torch.get_num_threads()
    try:
        tensors = []
        for number in (1, 2):
            torch.set_num_threads(number)
            tensors.append(maker.make(x, torch.tensor([3]), seed=0, pass_=0)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*tensors)


def test_views_change_with_seed_pass_view_and_index():
    x = rows(1).expand(4, -1, -1, -1)
    one, two = views().make(x, torch.arange(4), seed=0, pass_=0)
    other = [views().make(x, torch.arange(4), seed=s, pass_=p)[0] for s, p in ((1, 0), (0, 1))]
    for different in (two, *other, one.roll(1, 0)):
        assert (one - different).abs().amax((1, 2, 3)).min() > 0.1


def test_nothing_asked_for_is_the_normalised_image():
    x = rows(3)
    for hue in ("rotation", "exact"):
        view = views(24, num_views=1, hue=hue, **PLAIN).make(x, torch.arange(3), seed=0, pass_=0)[0]
        assert view.dtype == torch.float32
        assert (view - (x / 255 - 0.4) / 0.2).abs().max() < 1e-5


def test_flips_have_their_probability_and_mirror():
    x, index = rows(1).expand(2000, -1, -1, -1), torch.arange(2000)
    view = views(24, num_views=1, **{**PLAIN, "flip": 0.3}).make(x, index, seed=0, pass_=0)[0]
    plain = (x[:1] / 255 - 0.4) / 0.2
    flipped = (view - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert (~flipped == ((view - plain).abs().amax((1, 2, 3)) < 1e-4)).all()
    assert stats.binomtest(int(flipped.sum()), 2000, 0.3).pvalue > 0.01


def test_settings_per_view_grey_and_solarise():
    x, index = rows(400).repeat(10, 1, 1, 1), torch.arange(4000)
    settings = {**PLAIN, "grey": [0, 0.2], "solarise": [0, 0.3]}
    maker = ImageViews(size=24, mean=[0.0] * 3, std=[1.0] * 3, **settings)
    plain, changed = maker.make(x, index, seed=0, pass_=0)
    exact = x / 255
    assert (plain - exact).abs().max() < 1e-5
    is_grey = (changed - changed[:, :1]).abs().amax((1, 2, 3)) < 1e-5
    assert stats.binomtest(int(is_grey.sum()), 4000, 0.2).pvalue > 0.01
    inverted = torch.where(x >= 128, 255 - x, x) / 255
    solarised = (changed - inverted).abs().amax((1, 2, 3)) < 1e-5
    assert stats.binomtest(int(solarised.sum()), 4000, 0.3 * 0.8).pvalue > 0.01


def test_blur_touches_its_share():
    x, index = rows(400), torch.arange(400)
    view = views(24, num_views=1, **{**PLAIN, "blur": 0.25, "sigma": (1.0, 2.0)}).make(x, index, seed=0, pass_=0)[0]
    blurred = (view - (x / 255 - 0.4) / 0.2).abs().amax((1, 2, 3)) > 1e-3
    assert stats.binomtest(int(blurred.sum()), 400, 0.25).pvalue > 0.01
    assert view[blurred].std() < 0.5 * view[~blurred].std()


def test_values_are_clamped_to_what_0_and_1_become():
    view = views(24, num_views=1, interpolation="bicubic", jitter=(0.9, 0.9, 0.9, 0.5), jitter_p=1.0).make(
        rows(64), torch.arange(64), seed=0, pass_=0
    )[0]
    assert view.min() == pytest.approx(-2.0, abs=1e-5) and view.max() == pytest.approx(3.0, abs=1e-5)


def test_exact_hue_works_on_clamped_values(monkeypatch):
    seen = []
    turn = colour.shift_hue_
    monkeypatch.setattr(colour, "shift_hue_", lambda x, turns: turn((seen.append(x.clone()), x)[1], turns))
    views(24, num_views=1, hue="exact", jitter_p=1.0).make(rows(64), torch.arange(64), seed=0, pass_=0)
    assert seen[0].min() == 0 and seen[0].max() == 1


def test_multi_crop_sizes_scales_and_order():
    maker = views(24, crops=[{"count": 3, "size": [12, 16], "scale": [0.05, 0.2]}, {"size": 8}])
    assert maker.count == 6
    tensors = maker.make(rows(5), torch.arange(5), seed=0, pass_=0)
    assert [tuple(view.shape[2:]) for view in tensors] == [(24, 24)] * 2 + [(12, 16)] * 3 + [(8, 8)]
    assert [view.scale for view in maker.settings] == [(0.2, 1.0)] * 2 + [(0.05, 0.2)] * 3 + [(0.2, 1.0)]


@pytest.mark.parametrize("channels", [1, 2])
def test_other_than_three_channels_get_brightness_and_contrast(channels):
    x = rows(50, channels)
    settings = {**PLAIN, "jitter_p": 1.0, "jitter": (0.0, 0.4, 0.4, 0.5), "grey": 1.0}
    view = ImageViews(size=24, mean=[0.0] * channels, std=[1.0] * channels, num_views=1, hue="exact", **settings).make(
        x, torch.arange(50), seed=0, pass_=0
    )[0]
    inside = (view > 0.01) & (view < 0.99)
    mean = (x / 255).mean((1, 2, 3), keepdim=True)
    share = (view - mean) / (x / 255 - mean)
    for row in range(50):
        kept = share[row][inside[row] & ((x[row] / 255 - mean[row]).abs() > 0.1)]
        assert kept.std() < 1e-3 and 0.59 < kept.mean() < 1.41


def test_views_are_made_when_asked_for():
    class Fake:
        modality = "image"
        asked = 0

        def __len__(self):
            return 9

        def batch(self, index):
            self.asked += 1
            return rows(9)[index]

        def to_input(self, rows):
            return rows.float()

    dataset, index = Fake(), torch.tensor([8, 1])
    made = views()(dataset, index, seed=0, pass_=1)
    assert isinstance(made, MultiView) and dataset.asked == 0
    assert torch.equal(made.tensors[1], views().make(rows(9)[index], index, seed=0, pass_=1)[1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"blur": [0.5]}, "blur: 1 values for 2 views"),
        ({"grey": 1.5}, "grey: 1.5 is not between 0 and 1"),
        ({"hue": "exakt"}, "did you mean 'exact'"),
        ({"interpolation": "cubic"}, "did you mean 'bicubic'"),
        ({"scale": (0.0, 1.0)}, "scale: "),
        ({"jitter": (0.4, 0.4, 0.4, 0.6)}, "jitter: "),
        ({"crops": [{"sizes": 8}]}, "did you mean 'size'"),
        ({"solarise": [0, 0.2], "crops": [{"size": 8}]}, "solarise differs between the views"),
        ({"size": 6, "blur": 0.5}, "blur: sigma 2"),
        ({"size": 0}, "size must be"),
        ({"num_views": 0}, "num_views must be"),
    ],
)
def test_wrong_settings_get_one_line(settings, said):
    with pytest.raises(UserError, match=said) as caught:
        views(**settings)
    assert "\n" not in str(caught.value)


def test_wrong_rows_get_one_line():
    for wrong in (rows(2).float(), rows(2)[0], rows(2, channels=1)):
        with pytest.raises(UserError, match="image views"):
            views().make(wrong, torch.arange(2), seed=0, pass_=0)
