"""The checks of the exercises of Looking inside: right answers and typical wrong ones."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

import vgglib
from vggcheck import inside as check
from vgglib.inspection import activations, class_activation

STACKS = ["features.stack1", "features.stack2", "features.stack3"]
CHOSEN = 6
STEP = 8 / 255


@pytest.fixture(autouse=True)
def fast(one_thread):
    """Of tiny networks."""


@pytest.fixture(scope="module")
def chapter():
    """A network and data as in the chapter, but tiny; sure of itself, as if it had learned."""
    data = vgglib.load_data("shapes", train_images=600, test_images=120)
    recipe = vgglib.RECIPES["quick"]
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = vgglib.vgg("I", width=1 / 16, num_classes=10, image_size=32).eval()
    with torch.no_grad():
        model.classifier.fc2.weight *= 20
    _, preprocess = vgglib.make_transforms(data, recipe)
    return SimpleNamespace(data=data, model=model, preprocess=preprocess)


def test_exercise_1(verdict, chapter):
    images = chapter.data.validation.images
    found = activations(chapter.model, chapter.preprocess(images), STACKS)
    silent = {name: (maps == 0).double().mean().item() for name, maps in found.items()}
    dead = {name: (maps == 0).all(dim=0).double().mean().item() for name, maps in found.items()}

    def ask(answer):
        return verdict(check.exercise_1, answer, chapter.model, chapter.preprocess, images)

    assert ": right.\n" in ask(silent)
    assert ": right.\n" in ask({name: round(share, 2) for name, share in silent.items()})
    assert "waiting" in ask({**silent, STACKS[1]: ...})
    assert "that are not 0" in ask({name: 1 - share for name, share in silent.items()})
    assert "parts of 1" in ask({name: 100 * share for name, share in silent.items()})
    assert "0 for all images" in ask(dead)
    assert f"The share of {STACKS[2]} is too" in ask({**silent, STACKS[2]: 0.05})
    assert "with the keys features.stack1, " in ask(list(silent.values()))
    assert "with the keys features.stack1, " in ask({"features": 0.5})


def test_exercise_2(verdict, chapter):
    model, preprocess, split = chapter.model, chapter.preprocess, chapter.data.validation
    with torch.no_grad():
        named = model(preprocess(split.images)).argmax(dim=1)
    wrong = (named != split.labels).nonzero()[:4, 0]
    correct = (named == split.labels).nonzero()[:4, 0]
    batch = preprocess(split.images[wrong])
    for_named = class_activation(model, batch, named[wrong])
    for_right = class_activation(model, batch, split.labels[wrong])
    assert (for_named - for_right).abs().max() > 0.1

    def ask(wrong=wrong, for_named=for_named, for_right=for_right):
        return verdict(check.exercise_2, wrong, for_named, for_right, model, preprocess, split)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(wrong=wrong.tolist())
    assert "waiting" in ask(for_right=...)
    assert "waiting" in ask(wrong=...)
    unprepared = class_activation(model, split.images[wrong] / 255, named[wrong])
    for answer, said in [
        ({"wrong": correct}, "gets all of these right"),
        ({"wrong": torch.cat([wrong[:3], correct[:1]])}, "gets 1 of these right"),
        ({"wrong": wrong[[0, 1, 2, 0]]}, "there twice"),
        ({"wrong": wrong[:1].repeat(4)}, "there twice"),
        ({"wrong": (named != split.labels).nonzero()[:5, 0]}, "and there are 5"),
        ({"wrong": wrong[:3]}, "more images wrong than you took"),
        ({"wrong": named != split.labels}, "which are integers"),
        ({"wrong": []}, "more images wrong than you took"),
        ({"wrong": "four"}, "there is 'four'"),
        ({"wrong": [len(split)]}, "is outside"),
        ({"for_named": for_right, "for_right": for_named}, "is the evidence for the right class"),
        ({"for_named": for_right}, "is the evidence for the right class"),
        ({"for_right": for_named}, "for the class that the network names"),
        ({"for_named": unprepared}, "named class has the right shape, but numbers"),
        ({"for_right": for_right[:2]}, "should have the shape (4, 32, 32)"),
    ]:
        assert said in ask(**answer), said


def test_exercise_2_of_a_network_with_few_mistakes(verdict, chapter):
    """If there are fewer than four, all of them are asked for."""
    model, preprocess, split = chapter.model, chapter.preprocess, chapter.data.validation
    with torch.no_grad():
        named = model(preprocess(split.images)).argmax(dim=1)
    labels = named.clone()
    labels[[3, 7]] = (named[[3, 7]] + 1) % 10
    split = vgglib.Split(split.images, labels)

    def ask(wrong):
        batch = preprocess(split.images[wrong])
        maps = [class_activation(model, batch, classes[wrong]) for classes in (named, labels)]
        return verdict(check.exercise_2, wrong, *maps, model, preprocess, split)

    assert ": right.\n" in ask([3, 7])
    assert "more images wrong than you took" in ask([7])
    assert "gets 1 of these right" in ask([3, 7, 8])


def test_exercise_3(verdict, chapter):
    model, preprocess, images = chapter.model, chapter.preprocess, chapter.data.test.images
    labels = chapter.data.test.labels
    liked = 0.5 + 0.2 * torch.randn(3, 32, 32)
    with torch.no_grad():
        logits = model(preprocess(images))
        score = model(preprocess(liked[None]))[0, CHOSEN].item()
    column = logits[:, CHOSEN]
    best = column.topk(5).indices
    above = score - column[best[0]].item()
    surest = logits.softmax(dim=1)[:, CHOSEN].topk(5).indices
    assert set(surest.tolist()) != set(best.tolist())
    of_class = (labels == CHOSEN).nonzero()[:, 0]
    of_class = of_class[column[of_class].topk(5).indices]

    def ask(best=best, above=above):
        return verdict(check.exercise_3, best, above, CHOSEN, liked, model, preprocess, images)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(best.flip(0).tolist(), round(above, 2))
    assert "waiting" in ask(above=...)
    assert "waiting" in ask(best=[...])
    for answer, said in [
        ({"best": column.topk(5, largest=False).indices}, "the lowest logits"),
        ({"best": surest}, "highest probabilities"),
        ({"best": logits[:, CHOSEN + 1].topk(5).indices}, "of another class"),
        ({"best": of_class}, "of another class count too"),
        ({"best": best[:4]}, "there are 4"),
        ({"best": column.topk(5).values}, "which are integers"),
        ({"best": [0, 1, 2, 3, 120]}, "is outside"),
        ({"above": -above}, "from that of the liked image"),
        ({"above": score - column[best[4]].item()}, "the lowest of the five"),
        ({"above": score - column[best].mean().item()}, "to their mean"),
        ({"above": score}, "the logit of the liked image"),
        ({"above": column[best[0]].item()}, "the highest of the five"),
        ({"above": 1e3}, "too large"),
    ]:
        assert said in ask(**answer), said


def test_of_fewer_than_five_images_all_are_asked_for(verdict, chapter):
    model, preprocess, images = chapter.model, chapter.preprocess, chapter.data.test.images[:4]
    liked = torch.rand(3, 32, 32)
    with torch.no_grad():
        best = model(preprocess(images))[:, CHOSEN]
        above = model(preprocess(liked[None]))[0, CHOSEN].item() - best.max().item()
    given = (above, CHOSEN, liked, model, preprocess, images)
    assert ": right.\n" in verdict(check.exercise_3, best.argsort(), *given)
    assert "All 4 different images are asked for, and there are 3" in verdict(
        check.exercise_3, [0, 1, 2], *given
    )


def gradient(model, batch, labels):
    batch = batch.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(batch), labels), batch)[0]


def right_share(model, batch, labels):
    with torch.no_grad():
        return (model(batch).argmax(dim=1) == labels).double().mean().item()


def test_exercise_4(verdict, chapter):
    model, preprocess, split = chapter.model, chapter.preprocess, chapter.data.validation
    batch = preprocess(split.images)
    with torch.no_grad():
        named = model(batch).argmax(dim=1)
    # As if it had learned them: most are right, and two of ten are not.
    labels = torch.where(torch.arange(len(named)) % 5 == 0, (named + 1) % 10, named)
    split = vgglib.Split(split.images, labels)
    slope = gradient(model, batch, labels)
    changed = batch + STEP * slope.sign()
    share, clean = right_share(model, changed, labels), right_share(model, batch, labels)
    assert 0 < share < clean / 2

    def ask(changed=changed, share=share):
        return verdict(check.exercise_4, changed, share, model, preprocess, split)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(changed=changed.double())
    assert "waiting" in ask(changed=...)
    assert "waiting" in ask(share=...)
    ends = [preprocess(torch.full_like(split.images[:1], value)) for value in (0, 255)]
    clipped = changed.clamp(*ends)
    assert ": right.\n" in ask(clipped, right_share(model, clipped, labels))
    random = batch + STEP * torch.randn_like(batch).sign()
    pixels = split.images.float()
    for wrong, said in [
        (batch, "as they were"),
        (pixels / 255, "not preprocessed"),
        (pixels / 255 + STEP * slope.sign(), "not preprocessed"),
        (pixels + 8 * slope.sign(), "not preprocessed"),
        ((pixels + 8 * slope.sign()).clamp(0, 255), "not preprocessed"),
        (batch - STEP * slope.sign(), "in which the loss falls"),
        (batch + 8 * slope.sign(), "A change by 8 is too large"),
        (batch + 2 * STEP * slope.sign(), "of the pixels is too large"),
        (batch + STEP / 2 * slope.sign(), "of the pixels is too small"),
        (batch + STEP * slope, "by the same amount"),
        (batch + STEP * slope / slope.abs().amax(), "by the same amount"),
        (random, "little to do with the gradient"),
        (batch + STEP * gradient(model, batch, named).sign(), "loss of their right class"),
        (changed[:10], "should have the shape (60, 3, 32, 32), but have (10, 3, 32, 32)"),
        (0.3, "should be a tensor, but there is 0.3"),
    ]:
        assert said in ask(changed=wrong), said
    for wrong, said in [
        (1 - share, "that it gets wrong"),
        (share * len(split), "how many there are"),
        (100 * share, "part of 1"),
        (clean, "before the change"),
        (clean - share, "by how much the share falls"),
        (share / clean, "not of all"),
        (-1.0, "too small"),
    ]:
        assert said in ask(share=wrong), said


def test_exercise_4_where_the_loss_is_a_matter_of_rounding(verdict, chapter):
    """A network that is always right, and far too sure for a direction."""
    split, preprocess = chapter.data.validation, chapter.preprocess

    class Sure(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(100.0))

        def forward(self, images):
            of_first = torch.zeros(10, device=images.device)
            of_first[0] = 1
            return self.scale * of_first + 0 * images.mean(dim=(1, 2, 3))[:, None]

    split = vgglib.Split(split.images, torch.zeros_like(split.labels))
    batch = preprocess(split.images)
    assert ": right.\n" in verdict(check.exercise_4, batch, 1.0, Sure(), preprocess, split)


def test_of_many_images_some_do(verdict, chapter, monkeypatch):
    """Those that are looked at lie between others."""
    monkeypatch.setattr(check, "MOST", 40)
    model, preprocess, split = chapter.model, chapter.preprocess, chapter.data.validation
    batch = preprocess(split.images)
    changed = batch + STEP * gradient(model, batch, split.labels).sign()
    share = right_share(model, changed, split.labels)
    assert ": right.\n" in verdict(check.exercise_4, changed, share, model, preprocess, split)
    assert "too large" in verdict(check.exercise_4, changed, 0.9, model, preprocess, split)


def test_nothing_else_changes(verdict, chapter):
    """Neither the random state nor the mode of the network, nor its gradients."""
    model, preprocess, split = chapter.model, chapter.preprocess, chapter.data.validation
    batch = preprocess(split.images)
    with torch.no_grad():
        named = model(batch).argmax(dim=1)
    wrong = (named != split.labels).nonzero()[:4, 0]
    maps = [class_activation(model, batch[wrong], of[wrong]) for of in (named, split.labels)]
    before = torch.get_rng_state()
    for training in (True, False):
        model.train(training)
        verdict(check.exercise_1, dict.fromkeys(STACKS, 0.5), model, preprocess, split.images)
        assert ": right.\n" in verdict(check.exercise_2, wrong, *maps, model, preprocess, split)
        verdict(check.exercise_3, range(5), 0.0, CHOSEN, batch[0], model, preprocess, split.images)
        verdict(check.exercise_4, batch, 0.5, model, preprocess, split)
        assert model.training == training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())
