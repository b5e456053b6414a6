"""What a model, a measurement, a finding, a person and an entry are, and the judge.

Nothing here knows Prefect or Jinja. The rooms, in the order a night walks through them:

========================  ==================================================================
``errors``                the sentences a user reads when something is wrong
``documents``             YAML files read with line numbers, validated, free of secrets
``workspace``             a folder with models, policies and people
``passport``              what is declared of one model version
``registry``              which versions are candidates, live or retired
``window``                which days and files a check looks at
``measurement``           a number with its uncertainty and where it came from
``catalogue``             every metric once, with title, unit and range
``policy``                rules: metric, limit, test and what a breach means
``judge``                 measurements and policy in, findings and one verdict out
``evidence``              the immutable bundle of a run
``ledger``                the append-only record
``switch``                the state that decides whether a model may serve
``alerts``                who is told
========================  ==================================================================
"""

__version__ = "0.1.0"
