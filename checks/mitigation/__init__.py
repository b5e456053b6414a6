"""Mitigation: what each way of treating groups more alike would gain, and what it would cost.

Runs at the gate where a fairness rule warns or fails. The options are fairlearn's and one older than it; each decides the same
held-out rows that the model decided, and is measured there by the same functions as the fairness family. Nothing here says
whether an option is good enough: `roadworthy.mitigation` does.

================================  =====================  =========  ==========
option                            at decision time       retrained  randomised
================================  =====================  =========  ==========
``as_is``                         what was recorded      no         no
``threshold_demographic_parity``  needs the attribute    no         yes
``threshold_equalized_odds``      needs the attribute    no         yes
``retrained``                     nothing new            yes        no
``reweighing``                    nothing new            yes        no
``grid_search``                   nothing new            yes        no
``exponentiated_gradient``        nothing new            yes        yes
================================  =====================  =========  ==========

The thresholds are set on recorded scores, so they work for a vendor's model too. What is retrained is a clone of the artifact's
estimator, fitted on the data that the passport names; ``retrained`` is the same without any mitigation, which tells what
training again does from what the mitigation does. An option that was not run is listed with the reason.
"""

from checks.mitigation.measure import FAMILY, SECONDS, measure

__all__ = ["FAMILY", "SECONDS", "measure"]
