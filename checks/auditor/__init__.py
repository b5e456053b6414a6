"""An auditor of model files: says what a file would do to whoever loads it, without loading it.

It believes no name, imports nothing that a file names, and calls clean only what it has followed from the first byte to the
last. What it does not understand it refuses; so it will refuse honest files of unusual make, and a person must look at those.
The rooms: `pickles` follows a pickle and `allowed` lists what one may name, `dtypes` knows how long an array is, `compressed`
unpacks, `archives` looks into skops, `plain` into what holds no program, and `opinion` puts them together.

Examples
--------
>>> import pickle
>>> from checks.auditor import opinion_of
>>> opinion_of(pickle.dumps({"slope": 0.5}), "pickle").clean, opinion_of(pickle.dumps(print), "pickle").clean
(True, False)
"""

from checks.auditor.ground import Bounds, Danger
from checks.auditor.opinion import SAFE_FORMATS, Opinion, audited_pickle, opinion_of

__all__ = ["SAFE_FORMATS", "Bounds", "Danger", "Opinion", "audited_pickle", "opinion_of"]
