"""How private, and how good, is synthetic network traffic? A study, opened for questions.

    import syntrace as st

    study = st.open("demo.redb")
    study.sql("SELECT * FROM models WHERE epsilon = $e", e=4.0).to_pandas()
    study.query("headline")
"""

from . import privacy
from ._answer import Answer
from ._error import Error
from ._study import Study, open
from ._syntrace import Figure
from ._traces import Traces

__all__ = ["Answer", "Error", "Figure", "Study", "Traces", "open", "privacy"]
