"""PlaneSSLTest, the self test: what a user does from the Python console, on a made-up study, in a few minutes.

It runs in Slicer (Reload and Test, or --testing), and under pytest on slicer-core.
"""
from __future__ import annotations

import importlib.util
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from PlaneSSLLib.jobs import CANCELLED, RUNNING, JobCancelled
from PlaneSSLLib.steps import finish

from . import samples

_DEADLINE_S = 600


class PlaneSSLTest(ScriptedLoadableModuleTest):
    """Each test begins with an empty scene. Training needs torch and monai: without them it is skipped, visibly."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            try:
                getattr(self, name)()
            except unittest.SkipTest as skip:
                self.delayDisplay(f"{name} SKIPPED: {skip}")
            else:
                self.delayDisplay(f"{name} passed")

    def logic(self):
        import PlaneSSL

        return PlaneSSL.PlaneSSLLogic()

    def phantom(self) -> Path:
        """The folder of a small made-up heart."""
        return samples.make("heart", seed=7, phases=2)

    def test_1_a_study_is_drawn_and_cleared(self) -> None:
        logic = self.logic()
        study = logic.drawStudy(self.phantom())
        pairs = logic.pairs(study)
        self.assertGreater(len(pairs), 10)
        for pair in pairs:
            self.assertTrue(5 <= pair["angle"] <= 90)
            self.assertGreater(pair["length"], 0)
        # A short-axis slice and a long-axis plane are prescribed square to each other.
        views = {stack["id"]: stack["view"] for stack in logic.drawnStacks(study)}
        square = [pair["angle"] for pair in pairs
                  if {views[pair["first stack"]], views[pair["second stack"]]} == {"SAX", "2CH"}]
        self.assertTrue(square)
        self.assertGreater(min(square), 60)
        self.assertEqual(logic.pairsTable(study).GetNumberOfRows(), len(pairs))
        logic.clear()
        self.assertEqual(logic.studies(), [])

    def test_2_a_moved_plane_takes_its_lines_along_and_comes_back(self) -> None:
        logic = self.logic()
        study = logic.drawStudy(self.phantom())
        before = logic.pairs(study)
        stack = next(stack["id"] for stack in logic.drawnStacks(study) if stack["view"] == "2CH")
        handle = logic.takePlane(study, stack, 0)
        centre = [0.0, 0.0, 0.0]
        handle.GetCenter(centre)
        handle.SetCenter(centre[0] + 5, centre[1], centre[2])
        self.assertNotEqual(logic.pairs(study), before)
        logic.resetPlane()
        logic.releasePlane()
        for pair, as_before in zip(logic.pairs(study), before, strict=True):
            self.assertAlmostEqual(pair["length"], as_before["length"], places=3)

    def test_3_a_study_is_read_in_a_child_process(self) -> None:
        logic = self.logic()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            kept = Path(folder, "kept")
            logic.readingJob(self.phantom(), kept).wait(timeout_s=_DEADLINE_S)
            read = logic.takeOver(kept)
            self.assertEqual({stack["view"] for stack in logic.stacks(read)},
                             {stack["view"] for stack in logic.stacks(logic.readStudy(self.phantom()))})
            self.assertTrue(logic.drawStudy(read))
            logic.clear()
            del read

    def test_4_a_job_is_cancelled(self) -> None:
        logic = self.logic()
        with tempfile.TemporaryDirectory() as folder:
            job = logic.readingJob(self.phantom(), Path(folder, "kept")).start()
            self.assertEqual(job.state, RUNNING)
            job.cancel()
            with self.assertRaises(JobCancelled):
                job.wait(timeout_s=_DEADLINE_S)
            self.assertEqual(job.state, CANCELLED)
            self.assertEqual(list(Path(folder).iterdir()), [])

    def test_5_a_network_is_trained_and_segments(self) -> None:
        for package in ("torch", "monai", "safetensors"):
            if importlib.util.find_spec(package) is None:
                self.skipTest(f"{package} is not installed: see the Set-up section")
        logic = self.logic()
        before, name = logic.workspace.folder, f"selftest-{int(time.time())}"
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            logic.setWorkspace(folder)
            try:
                run = logic.finetune(self.phantom().parent, "heart", name, subjects=1, epochs=2, batch=4, device="cpu")
                self.assertTrue(all(one.finished for one in logic.runs()))
                self.assertTrue(logic.showCurves(name))
                self._segment(logic, run, Path(folder))
            finally:
                logic.setWorkspace(before)

    def _segment(self, logic, run: Path, folder: Path) -> None:
        """What the child process found is what the scene has, phase by phase, and lies where the heart is."""
        from PlaneSSLLib import anatomy
        from PlaneSSLLib.prediction.results import Results
        from PlaneSSLLib.study import read_labels, read_study

        study = logic.drawStudy(self.phantom())
        logic.segmentationJob(run, study, folder / "found.npz", device="cpu").wait(timeout_s=_DEADLINE_S)
        measures = finish(logic.segmentationSteps(run, study, folder / "found.npz"))
        finish(logic.outliningSteps(study, folder / "kept.npz"))
        acquired = read_study(self.phantom())
        found, kept = ({one.stack.id: one for one in Results.load(
            folder / f"{name}.npz", acquired, anatomy.load("heart")).stacks} for name in ("found", "kept"))
        outlined = [(name, phase, i) for name, one in found.items() for n, phase in enumerate(one.phases)
                    for i, image in enumerate(one.labels[n]) if image.any()]
        self.assertGreater(len(outlined), 5)
        for name, phase, i in outlined:
            np.testing.assert_array_equal(
                *(of[name].image(of[name].phases.index(phase), i) for of in (kept, found)))
        self.assertEqual(measures, logic.measure(study))
        # Dice of the whole heart with the truth, in every stack and phase: a hundred steps find a heart, no more.
        overlaps = []
        for label in (label for label in acquired.labels if label.stack in found):
            one = found[label.stack]
            ours = one.filled(one.phases.index(label.phase)) > 0
            true = np.stack(read_labels(label, one.stack)) > 0
            overlaps.append(2 * (ours & true).sum() / (ours.sum() + true.sum()))
        self.assertTrue(overlaps and min(overlaps) > 0.5)
