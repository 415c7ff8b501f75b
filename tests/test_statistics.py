"""Streaming statistics against numpy on all pixels at once, and principal components."""

import weakref

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from vgglib.statistics import (
    PCA,
    ChannelStatistics,
    StreamingStatistics,
    channel_statistics,
    whitening_filters,
)


@pytest.fixture
def images():
    """uint8 images whose channels go together, as those of photographs do."""
    gray = torch.randn(12, 1, 9, 7)
    mixed = 128 + 40 * gray + torch.tensor([25.0, 5, 15])[:, None, None] * torch.randn(12, 3, 9, 7)
    return mixed.clamp(0, 255).to(torch.uint8)


def all_in_memory(images):
    """Mean and covariance by numpy, from a table of all the pixels."""
    pixels = images.numpy().transpose(0, 2, 3, 1).reshape(-1, 3).astype(np.float64)
    return pixels.mean(axis=0), np.cov(pixels, rowvar=False, bias=True)


def close(statistics, mean, covariance, **tolerance):
    np.testing.assert_allclose(statistics.mean, mean, **tolerance)
    np.testing.assert_allclose(statistics.covariance, covariance, **tolerance)


def test_statistics_equal_numpy_on_all_pixels(images):
    statistics = channel_statistics(images)
    mean, covariance = all_in_memory(images)
    assert statistics.pixels == 12 * 9 * 7
    close(statistics, mean / 255, covariance / 255**2, rtol=1e-12)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 7], [11, 1], [2, 3, 4, 3]])
def test_any_split_into_batches_gives_the_same(images, sizes):
    whole = channel_statistics(images)
    parts = channel_statistics(list(images.split(sizes)))
    assert parts.pixels == whole.pixels
    close(parts, whole.mean, whole.covariance, rtol=1e-12)


def test_images_of_different_sizes_count_by_their_pixels(images):
    statistics = channel_statistics([images[0], images[1, :, :2, :3]])
    pixels = torch.cat([images[0].flatten(1), images[1, :, :2, :3].flatten(1)], dim=1) / 255.0
    assert statistics.pixels == 9 * 7 + 6
    np.testing.assert_allclose(statistics.mean, pixels.double().mean(dim=1), rtol=1e-6)


def test_an_image_of_more_pixels_than_are_handled_at_once(monkeypatch, images):
    whole = channel_statistics(images)
    monkeypatch.setattr("vgglib.statistics._PIXELS_AT_ONCE", 10)
    close(channel_statistics(images), whole.mean, whole.covariance, rtol=1e-12)


def test_a_batch_is_taken_in_parts_and_a_stream_is_not_kept(monkeypatch, images):
    """Memory does not grow with the number of images."""
    monkeypatch.setattr("vgglib.statistics._PIXELS_AT_ONCE", 2 * 9 * 7)
    merge, sizes, alive = StreamingStatistics._merge, [], []
    monkeypatch.setattr(
        StreamingStatistics,
        "_merge",
        lambda self, pixels: (sizes.append(pixels.shape[1]), merge(self, pixels))[1],
    )
    channel_statistics(images)
    assert max(sizes) == 2 * 9 * 7

    living = weakref.WeakSet()

    def stream():
        for image in images:
            image = image.clone()
            living.add(image)
            yield image
            alive.append(len(living))

    channel_statistics(stream())
    assert max(alive) <= 2


def test_uint8_and_float_images_give_the_same(images):
    whole = channel_statistics(images)
    close(channel_statistics(images.double() / 255), whole.mean, whole.covariance, rtol=1e-12)
    close(channel_statistics(images.float() / 255), whole.mean, whole.covariance, rtol=1e-5)


def test_a_large_offset_does_not_ruin_the_covariance():
    small = torch.rand(20, 3, 8, 8, dtype=torch.float64)
    offset = 1e8
    shifted = channel_statistics(list((small + offset).split(3)))
    exact = all_in_memory(small)[1]
    np.testing.assert_allclose(shifted.covariance, exact, atol=1e-8)
    # The textbook formula, for comparison, loses every digit.
    pixels = (small + offset).movedim(1, 0).reshape(3, -1)
    naive = pixels @ pixels.T / pixels.shape[1] - pixels.mean(1).outer(pixels.mean(1))
    assert np.abs(naive.numpy() - exact).max() > 0.1


def test_std_is_that_of_each_channel(images):
    expected = images.numpy().transpose(1, 0, 2, 3).reshape(3, -1).std(axis=1) / 255
    np.testing.assert_allclose(channel_statistics(images).std, expected, rtol=1e-12)


def test_a_dataset_a_loader_and_a_generator_are_sources(images):
    whole = channel_statistics(images)
    dataset = TensorDataset(images, torch.arange(12))
    for source in (dataset, DataLoader(dataset, batch_size=5), (image for image in images)):
        close(channel_statistics(source), whole.mean, whole.covariance, rtol=1e-12)


def test_a_stream_that_knows_its_length_is_a_source(images):
    class Stream(IterableDataset):
        def __len__(self):
            return 12

        def __iter__(self):
            return iter(images)

    assert channel_statistics(Stream()).pixels == 12 * 9 * 7


def test_a_map_style_dataset_needs_only_length_and_index(images):
    class Endless:
        def __len__(self):
            return 12

        def __getitem__(self, index):
            return images[index % 12], 0

    assert channel_statistics(Endless()).pixels == 12 * 9 * 7


def test_a_folder_is_a_source(tmp_path, save_image):
    pixels = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    save_image(tmp_path / "a" / "one.png", pixels=pixels)
    save_image(tmp_path / "b" / "c" / "two.PNG", pixels=pixels[:2])
    table = np.concatenate([pixels.reshape(-1, 3), pixels[:2].reshape(-1, 3)]) / 255
    close(channel_statistics(tmp_path), table.mean(axis=0), np.cov(table.T, bias=True), rtol=1e-12)


def test_hidden_folders_below_a_folder_are_passed_over(tmp_path, save_image):
    save_image(tmp_path / "one.png", size=(4, 4))
    save_image(tmp_path / ".ipynb_checkpoints" / "one-checkpoint.png", size=(4, 4))
    assert channel_statistics(tmp_path).pixels == 16


def test_pca_equals_numpy_on_the_same_pixels(images):
    pca = channel_statistics(images).pca()
    values, vectors = np.linalg.eigh(all_in_memory(images)[1] / 255**2)
    np.testing.assert_allclose(pca.eigenvalues, values[::-1], rtol=1e-9)
    for ours, theirs in zip(pca.eigenvectors.T.numpy(), vectors.T[::-1], strict=True):
        np.testing.assert_allclose(ours * np.sign(ours @ theirs), theirs, atol=1e-9)


def test_eigenvalues_are_the_variances_along_the_eigenvectors(images):
    pca = channel_statistics(images).pca()
    pixels = (images.double() / 255).movedim(1, 0).reshape(3, -1)
    projected = pca.eigenvectors.T @ pixels
    np.testing.assert_allclose(projected.var(dim=1, correction=0), pca.eigenvalues, rtol=1e-9)


def test_eigenvalues_descend_and_eigenvectors_are_orthonormal(images):
    pca = channel_statistics(images).pca()
    assert (pca.eigenvalues.diff() <= 0).all()
    torch.testing.assert_close(
        pca.eigenvectors.T @ pca.eigenvectors, torch.eye(3, dtype=torch.float64)
    )


@pytest.mark.parametrize("flip", [1, -1])
def test_the_first_entry_of_each_eigenvector_is_positive(monkeypatch, images, flip):
    eigh = torch.linalg.eigh
    statistics = channel_statistics(images)
    monkeypatch.setattr(torch.linalg, "eigh", lambda m: (eigh(m)[0], flip * eigh(m)[1]))
    assert (statistics.pca().eigenvectors[0] > 0).all()


def test_the_sign_is_fixed_where_the_first_entry_is_zero():
    covariance = torch.tensor([[1.0, 0, 0], [0, 2, -1], [0, -1, 2]], dtype=torch.float64)
    vectors = ChannelStatistics(9, torch.zeros(3).double(), covariance).pca().eigenvectors
    root = 0.5**0.5
    np.testing.assert_allclose(vectors.T[0], [0, root, -root], atol=1e-12)


def test_images_of_one_color_have_no_variance():
    pca = channel_statistics(torch.full((2, 3, 4, 4), 77, dtype=torch.uint8)).pca()
    assert not pca.eigenvalues.any() and pca.eigenvectors.isfinite().all()


def test_an_eigenvalue_grows_with_the_square_of_the_scale():
    pca = PCA(torch.tensor([0.2, 0.1, 0.0]), torch.eye(3))
    on_255 = pca.for_white(255)
    torch.testing.assert_close(on_255.eigenvalues, pca.eigenvalues * 65025)
    torch.testing.assert_close(on_255.for_white(1).eigenvalues, pca.eigenvalues)
    assert on_255.white == 255 and on_255.eigenvectors is pca.eigenvectors


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((3, 4, 4)), TypeError, "expected a tensor of images, got ndarray"),
        (torch.zeros(1, 2, 4, 4), ValueError, r"RGB images .* got \(1, 2, 4, 4\)"),
        (torch.zeros(4, 4, 3), ValueError, r"RGB images .* got \(4, 4, 3\)"),
        (torch.zeros(0, 3, 4, 4), ValueError, "expected one or more RGB images"),
        (
            torch.zeros(3, 4, 4, dtype=torch.int64),
            TypeError,
            "uint8 or float images, got torch.int64",
        ),
        (torch.full((3, 4, 4), torch.nan), ValueError, "values that are not finite"),
        (torch.full((3, 4, 4), torch.inf), ValueError, "values that are not finite"),
    ],
)
def test_what_are_no_images_is_refused(images, error, message):
    with pytest.raises(error, match=message):
        StreamingStatistics().update(images)


def test_of_a_batch_that_is_refused_nothing_is_counted():
    images = torch.rand(300, 3, 32, 32)  # more than is counted at once
    images[-1, 0, 0, 0] = torch.nan
    statistics = StreamingStatistics()
    with pytest.raises(ValueError, match="values that are not finite"):
        statistics.update(images)
    assert statistics.pixels == 0


def test_a_source_without_images_is_refused():
    with pytest.raises(ValueError, match="no image was counted"):
        channel_statistics([])


def test_what_yields_no_images_is_refused():
    with pytest.raises(TypeError, match="expected images, a folder or a data set, got int"):
        channel_statistics(3)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'"):
        channel_statistics(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no images below"):
        channel_statistics(str(tmp_path))


@pytest.mark.parametrize("filters", [3, 0, 56])
def test_filters_that_cannot_whiten_are_refused(filters):
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"an even number from 2 to 54, got {filters}"):
        whitening_filters(images, torch.zeros(3), filters)


def test_images_of_one_kind_alone_are_gathered():
    gray = StreamingStatistics().update(torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="images of 3 channels after some of 1"):
        gray.update(torch.zeros(3, 2, 2))
