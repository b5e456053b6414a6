"""The job inside: a spaCy pipeline says of each text whether it holds a person's name. Only here is spaCy imported.

A name is a stretch that the pipeline takes for a person, of at least two words that begin with a capital (in a text without
capitals: of two words), and without digits. With one word alone places and products would count (docs/privacy.md has the
figures), and a first name leads to nobody.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa

PERSONS = frozenset({"PERSON", "PER", "PRS", "PERS", "persName", "Person", "NAME_PERSON"})
"""Labels of persons in the pipelines of spaCy's own languages."""
FINDERS = ("ner", "entity_ruler")
UNNEEDED = ("tagger", "morphologizer", "parser", "attribute_ruler", "lemmatizer", "trainable_lemmatizer", "textcat")
"""Components whose answers no component that finds names reads; leaving them out halves the time."""


class PipelineError(RoadworthyError):
    """The pipeline cannot tell names of people: a sentence why."""


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return of each row of ``tables["cells"]`` (a column ``text``) whether it holds a name, and what the pipeline is.

    Parameters
    ----------
    order : dict
        ``named``: the name in the pipeline's folder of each file.
    tables, files
        As `checks.isolation.ask` hands them over.

    Raises
    ------
    PipelineError
        If it has no component that finds names, or that one knows no persons.
    """
    import pyarrow as pa

    here = next(iter(files.values())).parent / "pipeline"
    for key, name in order["named"].items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[key], here / name)
    import spacy

    pipeline = spacy.load(here, exclude=list(UNNEEDED))
    known = {label for finder in FINDERS for label in pipeline.pipe_labels.get(finder, ())}
    if not any(finder in pipeline.pipe_names for finder in FINDERS):
        raise PipelineError("The language model has no component 'ner', so it tells no names.")
    if not known & PERSONS:
        raise PipelineError("The language model's component 'ner' has no label for a person, so it tells no names.")
    texts = (as_written(text) for text in tables["cells"].column("text").to_pylist())
    told = [
        any(one.label_ in PERSONS and is_name(one.text.split(), found.text.islower()) for one in found.ents)
        for found in pipeline.pipe(texts)
    ]
    values = {
        "name": str(pipeline.meta.get("name")), "lang": str(pipeline.lang), "version": str(pipeline.meta.get("version")),
        "spacy": str(spacy.__version__),
    }
    return values, {"told": pa.table({"name": pa.array(told, pa.bool_())})}


def as_written(text: str) -> str:
    """Return a text for the pipeline: one all in capitals with capitals only where words begin, for it has learned those.

    Examples
    --------
    >>> as_written("SPOKE TO ANNA MÜLLER"), as_written("Spoke to ANNA Müller")
    ('Spoke To Anna Müller', 'Spoke to ANNA Müller')
    """
    return text.title() if text.isupper() else text


def is_name(words: Iterable[str], small: bool = False) -> bool:
    """Say whether words that a pipeline takes for a person are counted as a person's name; `small` of a text without capitals.

    Examples
    --------
    >>> is_name(["Anna", "Müller"]), is_name(["Vincent", "van", "Gogh"]), is_name(["Kraków"]), is_name(["Order", "40106"])
    (True, True, False, False)
    >>> is_name(["anna", "müller"]), is_name(["anna", "müller"], small=True)
    (False, True)
    """
    words = list(words)
    begun = sum(word[:1].isalpha() and (small or not word[:1].islower()) for word in words)  # scripts without capitals count too
    return begun >= 2 and not any(c.isdigit() for word in words for c in word)
