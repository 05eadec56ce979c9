"""The words of captions that say a label, so that a sure label can raise them until one has been said."""

from __future__ import annotations

from collections.abc import Sequence

from training.captioner.caption_labels import CaptionLabels
from training.common.labels.class_names import read_classes_above

# People are named in more ways than a list has; raising some of them would decide between a man, a woman and a child.
NEVER = frozenset({"person", "people", "man", "woman", "child"})
# What people say for labels whose own words they seldom use.
SYNONYMS = {
    "tv": "television screen", "cell phone": "phone cellphone phones", "couch": "sofa couches", "airplane": "plane jet",
    "bicycle": "bike bikes", "motorcycle": "motorbike motorcycles", "dining table": "table", "potted plant": "plant",
    "refrigerator": "fridge", "donut": "doughnut doughnuts", "teddy bear": "teddy bears", "hot dog": "hotdog hotdogs",
    "sports ball": "ball", "wine glass": "wine glass glasses", "remote": "remote controller wii", "oven": "stove",
    "keyboard": "keyboards", "fire hydrant": "hydrant", "traffic light": "light lights signal", "sheep": "sheep lamb",
    "cow": "cows cattle bull", "boat": "boats ship", "sea": "ocean sea water waves", "snow": "snowy snow",
    "living room": "room", "dining room": "room", "sandwich": "sandwiches", "knife": "knives", "mouse": "mouse",
    "skis": "skiing ski skier", "snowboard": "snowboarding snowboarder", "surfboard": "surfing surfer surf",
    "skateboard": "skateboarding skateboarder", "kite": "kites", "tie": "tie", "backpack": "backpack bag",
    "handbag": "purse bag", "suitcase": "luggage suitcases", "clock": "clocks", "bench": "benches",
}  # fmt: skip


def label_sayings(labels: CaptionLabels, words: Sequence[str]) -> list[list[str]]:
    """For each label of `labels.every` the words of the vocabulary that say it; none for what is never raised.

    A thing is said by the last of its words, that word's plural, or a synonym; a class also by what it is a kind of.
    What captions say has no words here: the decoder has learnt when to say it.
    """
    known = set(words)
    things = [_known([label.split()[-1], *SYNONYMS.get(label, "").split()], known) for label in labels.things]
    above = dict(read_classes_above())
    classes = [_known([name.lower().split()[-1], *above[name]], known) for name in labels.classes]
    said = [[] if label in NEVER else found for label, found in zip(labels.things, things, strict=True)]
    return [*said, *([] for _ in labels.words), *([] if NEVER & set(found) else found for found in classes)]


def _known(said: Sequence[str], known: set[str]) -> list[str]:
    forms = [form for word in said if " " not in word for form in (word, f"{word}s", f"{word}es")]
    return [form for form in dict.fromkeys(forms) if form in known]
