"""How each model of the demo fleet was trained. One module a model; run one with ``python -m recipes.credit OUT [RECORD]``."""
