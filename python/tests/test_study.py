"""Questions to a study of the fixtures of `tests/`: python3 -m unittest discover python/tests.

SYNTRACE_PROGRAM names the program that makes the study. What needs numpy or pyarrow is left out without.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import gc
import importlib.util
import inspect
import io
import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import types
import unittest

import syntrace as st
from syntrace import _answer, _error, _model, _study, _syntrace, _traces

FIXTURES = pathlib.Path(__file__).parents[2] / "tests/fixtures/import"
FOLDER = tempfile.TemporaryDirectory(prefix="syntrace-python-")
STUDY = pathlib.Path(FOLDER.name) / "study.redb"
#: Minutes of work, unless it is cancelled.
LONG = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b WHERE a.value * b.value % 7 = 3"


def program(*arguments: object) -> None:
    command = [os.environ.get("SYNTRACE_PROGRAM", "syntrace"), *map(str, arguments)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def setUpModule() -> None:
    program("ingest", STUDY, "--dataset", "os", "--class", "mac", FIXTURES / "real/mac.pcap")
    program("import", STUDY, FIXTURES, "--attack", "threshold")


def tearDownModule() -> None:
    FOLDER.cleanup()


def needs(*modules: str):
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return unittest.skipIf(missing, f"no {', '.join(missing)} here")


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.study = st.open(STUDY)

    def refused(self, *expected: str) -> _Refused:
        return _Refused(self, expected)


class _Refused:
    """An error with these words in its message, and with a hint."""

    def __init__(self, case: unittest.TestCase, expected: tuple[str, ...]) -> None:
        self.case, self.expected = case, expected

    def __enter__(self) -> None:
        self.raised = self.case.assertRaises(st.Error)
        self.raised.__enter__()

    def __exit__(self, *raised: object) -> bool:
        caught = self.raised.__exit__(*raised)
        error = self.raised.exception
        for words in self.expected:
            self.case.assertIn(words, str(error))
        self.case.assertEqual(error.code, "user")
        self.case.assertTrue(error.hint and "--" not in error.hint, error.hint)
        return caught


class Questions(Case):
    def test_parameters_have_the_types_of_their_values(self) -> None:
        given = {"none": None, "flag": True, "whole": 7, "real": 0.5, "text": "a'b", "bytes": b"\0\xff"}
        (row,) = self.study.sql("SELECT $none, $flag, $whole, $real, $text, $bytes", **given).rows()
        self.assertEqual(row, tuple(given.values()))
        self.assertEqual([type(value) for value in row], [type(value) for value in given.values()])
        self.assertEqual(self.study.sql("SELECT $class", class_="mac").rows(), [("mac",)])
        with self.refused("parameter `x`", "64 bits"):
            self.study.sql("SELECT $x", x=2**63)
        with self.refused("parameter `x`", "found a `list`"):
            self.study.sql("SELECT $x", x=[1])

    def test_named_queries_tables_and_schemas_are_there(self) -> None:
        self.assertIn("mygan", [row[0] for row in self.study.query("headline").rows()])
        self.assertEqual(self.study.query("one_trace", trace_id=1).rows(), [])
        self.assertIn("models", self.study.tables)
        self.assertIn("headline", self.study.queries)
        self.assertIn("epsilon_spent", self.study.schema("models"))
        self.assertIn("CREATE VIEW", self.study.schema("leakage"))
        with self.refused("`headlin`", "did you mean `headline`?"):
            self.study.query("headlin")
        with self.refused("no parameter `generato`"):
            self.study.query("headline", generato="x")
        with self.refused("`modells`", "did you mean `models`?"):
            self.study.schema("modells")

    def test_errors_say_what_was_found_and_what_to_do(self) -> None:
        with self.refused("there is no table or view `modells`", "did you mean `models`?"):
            self.study.sql("SELECT * FROM modells")
        with self.refused("SQL here only reads, found `DROP TABLE`"):
            self.study.sql("DROP TABLE models")
        for sql, hint in (
            ("DROP TABLE models", "`sql(...).to_arrow()`"),
            ("PIVOT models ON role USING count(*)", "pandas' `pivot`"),
            ("SELECT 1 FROM entirely_unknown_relation", "`tables` of the study"),
            ("SELECT $missing", "`sql(statement, missing=value)`"),
        ):
            with self.assertRaises(st.Error) as caught:
                self.study.sql(sql)
            self.assertIn(hint, caught.exception.hint)
        # No text reads a file: that is for the command line alone.
        with self.refused("SQL here only reads"):
            self.study.sql("ATTACH '/etc/hostname' AS host")
        with self.refused("/nowhere/s.redb", "check the path"):
            st.open("/nowhere/s.redb")
        error = pickle.loads(pickle.dumps(st.Error("a", "b", "internal")))
        self.assertEqual((error.message, error.hint, error.code), ("a", "b", "internal"))
        # One that only running finds.
        with self.assertRaises(st.Error):
            self.study.sql("SELECT 1 / (value - 5000) FROM generate_series(1, 9000)").rows()

    def test_lists_structs_dictionaries_and_nothing_are_values(self) -> None:
        sql = "SELECT [1, NULL], {a: 1, b: 'x'}, arrow_cast('y', 'Dictionary(Int32, Utf8)'), TIMESTAMP '2024-01-02 03:04:05'"
        (row,) = self.study.sql(sql).rows()
        self.assertEqual(row[:3], ([1, None], {"a": 1, "b": "x"}, "y"))
        self.assertEqual(row[3].isoformat(), "2024-01-02T03:04:05")
        with self.refused("column `i`", "CAST(... AS TEXT)"):
            self.study.sql("SELECT [INTERVAL '1 day'] AS i").rows()
        empty = self.study.sql("SELECT * FROM models WHERE false")
        self.assertEqual((empty.columns[0], empty.rows()), ("model_id", []))

    def test_an_answer_is_read_once_and_shown_before(self) -> None:
        answer = self.study.sql("SELECT value AS n, '<b>' AS t FROM generate_series(1, 30) ORDER BY 1")
        self.assertIn("the first 20 rows", repr(answer))
        self.assertIn('<td style="text-align:left">&lt;b&gt;</td>', answer._repr_html_())
        self.assertEqual([row[0] for row in answer.rows()], list(range(1, 31)))
        self.assertIn("read already", repr(answer))
        self.assertIn("read already", answer._repr_html_())
        with self.refused("it streams once"):
            answer.rows()

    def test_figures_are_svg(self) -> None:
        figure = self.study.figure("strongest_attacks")
        self.assertIn("<svg", figure._repr_svg_())
        figure.save(STUDY.with_suffix(".svg"))
        self.assertEqual(STUDY.with_suffix(".svg").read_text(), figure.svg)
        with self.refused("there is no figure `figure99`"):
            self.study.figure("figure99")


class Streams(Case):
    @needs("pyarrow")
    def test_arrow_streams_outlive_their_study_and_carry_errors(self) -> None:
        import pyarrow

        reader = pyarrow.RecordBatchReader.from_stream(self.study.sql("SELECT value FROM generate_series(1, 100000)"))
        del self.study
        gc.collect()
        self.assertEqual(sum(batch.num_rows for batch in reader), 100000)
        study = st.open(STUDY)
        self.assertEqual(study.sql("SELECT 1 AS a").to_arrow().to_pylist(), [{"a": 1}])
        self.assertEqual(pyarrow.schema(study.sql("SELECT 1 AS a")).names, ["a"])
        self.assertEqual(study.sql("SELECT * FROM models WHERE false").to_arrow().num_rows, 0)
        with self.assertRaises(st.Error):
            study.sql("SELECT 1 / (value - 5000) FROM generate_series(1, 9000)").to_arrow()

    @needs("pyarrow", "pandas")
    def test_pandas_has_the_same_rows(self) -> None:
        frame = self.study.sql("SELECT role, shadow FROM models ORDER BY shadow NULLS FIRST").to_pandas()
        self.assertEqual(frame["role"].tolist(), ["target", "shadow", "shadow"])
        self.assertEqual(frame["shadow"].tolist()[1:], [0, 1])

    @needs("polars")
    def test_polars_has_the_same_rows(self) -> None:
        frame = self.study.sql("SELECT role, shadow FROM models ORDER BY shadow NULLS FIRST").to_polars()
        self.assertEqual(frame["shadow"].to_list(), [None, 0, 1])

    def test_answers_are_read_side_by_side(self) -> None:
        other, sums = st.open(STUDY), []

        def ask(study: st.Study) -> None:
            sums.append(sum(value for (value,) in study.sql("SELECT value FROM generate_series(1, 20000)").rows()))

        threads = [threading.Thread(target=ask, args=(study,)) for study in [self.study, other] * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sums, [200010000] * 6)


class Interruptions(Case):
    def setUp(self) -> None:
        super().setUp()
        # A job in the background of a shell ignores the signal, and so does Python then.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)

    def test_ctrl_c_cancels_a_query(self) -> None:
        for read in (lambda: self.study.sql(LONG).rows(), lambda: repr(self.study.sql(LONG))):
            timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            start = time.monotonic()
            with self.assertRaises(KeyboardInterrupt):
                read()
            self.assertLess(time.monotonic() - start, 20)
            timer.join()
        self.assertEqual(self.study.sql("SELECT 1").rows(), [(1,)])

    @needs("pyarrow")
    def test_ctrl_c_cancels_an_arrow_stream(self) -> None:
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.study.sql(LONG).to_arrow()
        timer.join()

    def test_a_fork_refuses_the_parents_study_and_opens_its_own(self) -> None:
        answer = self.study.sql("SELECT value FROM generate_series(1, 1000000)")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(60)
                for ask in (lambda: self.study.sql("SELECT 1"), lambda: answer.rows()):
                    try:
                        ask()
                        os._exit(2)
                    except st.Error as error:
                        if "open it again" not in str(error):
                            os._exit(3)
                del answer, self.study
                gc.collect()
                st.privacy.epsilon(sample_rate=0.01, noise_multiplier=1.1, steps=1000, delta=1e-5)
                code = 0 if st.open(STUDY).sql("SELECT 1").rows() == [(1,)] else 4
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(len(answer.rows()), 1000000)


@needs("numpy")
class Arrays(Case):
    def test_traces_are_arrays(self) -> None:
        import numpy as np

        traces = self.study.traces("os", "mac")
        self.assertEqual((len(traces), traces.packets.tolist()), (60, [2] * 60))
        frames, cells = traces.bytes(), traces.nprint()
        self.assertEqual((frames.shape, cells.shape), ((60, 2, 42), (60, 2, 1088)))
        # The IPv4 header without options, and UDP behind the room of IPv4 and TCP.
        self.assertTrue((np.packbits(cells[:, :, :160], axis=2) == frames[:, :, 14:34]).all())
        self.assertTrue((np.packbits(cells[:, :, 960:1024], axis=2) == frames[:, :, 34:42]).all())
        self.assertTrue((cells[:, :, 480:960] == -1).all())
        self.assertEqual(traces.bytes(34).shape, (60, 2, 34))
        self.assertEqual(set(traces.fields["protocol"].flat), {17})
        self.assertEqual(set(traces.fields["tcp_flags"].flat), {-1})
        with self.refused("found all of a class"):
            traces.members
        with self.refused("`os/mcc`", "os/mac"):
            self.study.traces("os", "mcc")

    def test_splits_say_which_traces_are_members(self) -> None:
        for split in ("target", "shadow0", "shadow1"):
            traces = self.study.traces("os", "mac", split=split)
            self.assertEqual((len(traces.members), len(traces.held_out), len(traces)), (10, 10, 20))
            sql = "SELECT count(*) FROM splits WHERE trace_id = $id AND part = 'member' AND role || coalesce(shadow::text, '') = $split"
            for id in traces.members.tolist():
                self.assertEqual(self.study.sql(sql, id=id, split=split).rows(), [(1,)])
        with self.refused("no split `shadow9`", "shadow0"):
            self.study.traces("os", "mac", split="shadow9")


@needs("numpy")
class Training(Case):
    def test_a_model_is_one_job_and_an_exception_none(self) -> None:
        import numpy as np

        jobs = lambda: self.study.sql("SELECT count(*) FROM jobs").rows()[0][0]  # noqa: E731
        before = jobs()
        named = {"generator": "loopgan", "dataset": "os", "class_": "mac"}
        with self.assertRaises(ZeroDivisionError), self.study.model(**named) as model:
            model.log(step=1, train_loss=1.0)
            1 / 0
        self.assertEqual(jobs(), before)
        for role in ("target", "shadow0", "shadow1"):
            with self.study.model(**named, role=role) as model:
                member = model.traces.member
                for step in (10, 20):
                    model.log(step=step, train_loss=1 / step, held_out_loss=0.4)
                with self.refused("expected a row for each of the 20 traces"):
                    model.attributes("critic", np.zeros((3, 4)))
                with self.refused("/nowhere.pcap"):
                    model.synthetic("/nowhere.pcap")
                model.attributes("critic", np.stack([member, ~member], axis=1), loss=1.0 - member)
                model.synthetic(FIXTURES / "target/synthetic.pcap")
            with self.refused("inside its block"):
                model.attributes("critic", np.zeros(20))
        self.assertEqual(jobs(), before + 3)
        sql = "SELECT epoch, step, held_out_loss FROM epochs WHERE generator = 'loopgan' AND role = 'target' ORDER BY 1"
        self.assertEqual(self.study.sql(sql).rows(), [(0, 10, 0.4), (1, 20, 0.4)])
        findings = self.study.evaluate("loopgan", attacks=["threshold"])
        self.assertIn("finding", findings.columns)
        self.assertEqual(len(findings.rows()), 1)
        sql = "SELECT max(auc) FROM attacks WHERE generator = 'loopgan' AND attribute = 'critic' AND evaluated_on = 'target'"
        self.assertEqual(self.study.sql(sql).rows(), [(1.0,)])
        with self.refused("no imported generator `loopgam`", "did you mean `loopgan`?"):
            self.study.evaluate("loopgam")
        with self.refused("role"):
            self.study.model(**named, role="shade")


class Docstrings(Case):
    def test_examples_in_docstrings_give_what_they_show(self) -> None:
        parser, names, tried = doctest.DocTestParser(), {"st": st, "study": self.study, "Error": st.Error}, 0
        for module in (_answer, _error, _model, _study, _syntrace, _traces):
            for name, thing in vars(module).items():
                if isinstance(thing, types.ModuleType):
                    continue
                members = vars(thing).items() if isinstance(thing, type) else ()
                for place, documented in [(name, thing), *((f"{name}.{member}", inner) for member, inner in members)]:
                    text = getattr(documented, "__doc__", None)
                    if isinstance(text, str) and ">>>" in text:
                        example = parser.get_doctest(text, dict(names), f"{module.__name__}.{place}", None, 0)
                        said: list[str] = []
                        failed = doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed
                        self.assertEqual(failed, 0, "".join(said))
                        tried += 1
        self.assertGreater(tried, 5)


class Stubs(unittest.TestCase):
    maxDiff = None

    def test_the_stub_has_what_the_library_has(self) -> None:
        """Names, parameters and their defaults, in both directions."""
        stub = ast.parse((pathlib.Path(st.__file__).parent / "_syntrace.pyi").read_text())

        def of_stub(body: list[ast.stmt], place: str = "") -> dict[str, str | None]:
            found: dict[str, str | None] = {}
            for item in body:
                if isinstance(item, ast.ClassDef):
                    found |= {item.name: None, **of_stub(item.body, f"{item.name}.")}
                elif isinstance(item, ast.FunctionDef) and item.name != "__new__":
                    for argument in ast.walk(item.args):
                        if isinstance(argument, ast.arg):
                            argument.annotation = None
                    is_property = any(ast.unparse(one) == "property" for one in item.decorator_list)
                    found[place + item.name] = None if is_property else ast.unparse(item.args)
            return found

        def of_library(thing: object, place: str = "") -> dict[str, str | None]:
            found: dict[str, str | None] = {}
            for name, item in vars(thing).items():
                if name.startswith("__") and not name.startswith("__arrow"):
                    continue
                if isinstance(item, type):
                    found |= {name: None, **of_library(item, f"{name}.")}
                elif inspect.isroutine(item):
                    signature = str(inspect.signature(item))[1:-1].replace("self, /", "self")
                    found[place + name] = ast.unparse(ast.parse(f"lambda {signature}: 0", mode="eval").body.args)  # type: ignore[attr-defined]
                elif inspect.isdatadescriptor(item):
                    found[place + name] = None
            return found

        self.assertEqual(of_stub(stub.body), of_library(_syntrace))


class Notebook(unittest.TestCase):
    @needs("numpy", "pandas")
    def test_the_notebook_runs_from_a_study_to_a_generator_of_its_own(self) -> None:
        notebook = json.loads((pathlib.Path(__file__).parents[2] / "docs/notebooks/own_generator.ipynb").read_text())
        cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        here, folder, names, shown = os.getcwd(), tempfile.TemporaryDirectory(prefix="syntrace-notebook-"), {}, []
        with folder as place:
            shutil.copy(STUDY, pathlib.Path(place) / "demo.redb")
            os.chdir(place)
            try:
                for cell in cells:
                    tree = ast.parse(cell)
                    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
                    exec(compile(tree, "cell", "exec"), names)
                    if isinstance(last, ast.Expr):
                        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
                        ways = ("_repr_svg_", "_repr_html_", "__repr__")
                        shown.append(next(getattr(value, way)() for way in ways if hasattr(value, way)))
            finally:
                os.chdir(here)
        self.assertIn("<svg", shown[2])
        self.assertNotIn("copier", shown[2])
        self.assertIn("copier", shown[3])
        self.assertIn("copier", shown[-1])


class Book(unittest.TestCase):
    @needs("numpy", "pandas", "pyarrow")
    def test_the_page_of_the_book_runs(self) -> None:
        page = (pathlib.Path(__file__).parents[2] / "docs/src/python.md").read_text()
        code = [block.split("```")[0] for block in page.split("```python\n")[1:]]
        here, folder = os.getcwd(), pathlib.Path(FOLDER.name)
        shutil.copy(STUDY, folder / "demo.redb")
        shutil.copy(FIXTURES / "target/synthetic.pcap", folder / "out.pcap")
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec("\n".join(code), {})
        finally:
            os.chdir(here)


class Privacy(unittest.TestCase):
    def test_libtorch_is_not_loaded(self) -> None:
        self.assertNotIn("libtorch", pathlib.Path("/proc/self/maps").read_text())

    def test_numbers_come_with_what_they_are_of(self) -> None:
        spent = st.privacy.epsilon(sample_rate=0.01, noise_multiplier=1.1, steps=1000, delta=1e-5)
        self.assertEqual((spent.delta, spent.unit, spent.neighbours), (1e-5, "trace", "add or remove one trace"))
        rdp = st.privacy.epsilon(sample_rate=0.01, noise_multiplier=1.1, steps=1000, delta=1e-5, accountant="rdp")
        self.assertGreater(rdp.epsilon, spent.epsilon)
        self.assertIn("neighbours='add or remove one trace'", repr(spent))
        with self.assertRaises(st.Error):
            st.privacy.epsilon(sample_rate=2.0, noise_multiplier=1.1, steps=1000, delta=1e-5)
        with self.assertRaises(st.Error):
            st.privacy.noise_multiplier(epsilon=1.0, delta=1e-5, sample_rate=0.01, steps=10, accountant="gdp")


if __name__ == "__main__":
    unittest.main()
