"""Pictures of the panel at work, for the README and the Extensions Index: python Testing/module/screenshots.py

Needs no display. The panel is the real one with stand-ins for Slicer's widgets, beside it stands what PlaneSSL drew:
everything in the pictures was made while the script ran, which takes some minutes.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(HOUSE), str(HOUSE / "Testing" / "module")]
PANEL, HEIGHT = 520, 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--out", type=Path, default=HOUSE / "Resources" / "Screenshots")
    parser.add_argument("--study", type=Path, help="show this study in the first picture instead of a made-up one")
    parser.add_argument("--studies", type=int, default=10, help="how many made-up hearts to train on")
    parser.add_argument("--epochs", type=int, default=6, help="of pretraining; finetuning takes twice as many")
    parser.add_argument("--thumbnails", action="store_true", help="only those of the sample data")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import standins

    standins.install()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shots = Shots(options, Path(folder))
        shots.thumbnails() if options.thumbnails else shots.take()


class Shots:
    """The panel in a window, with a picture of the scene on its right."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        import PlaneSSL
        import qt
        import slicer

        qt.QApplication.setStyle("Fusion")
        self.options, self.folder, self.slicer = options, folder, slicer
        PlaneSSL.PlaneSSLLogic().setWorkspace(folder / "workspace")
        parent = slicer.qMRMLWidget()
        parent.setLayout(qt.QVBoxLayout())
        self.panel = PlaneSSL.PlaneSSLWidget(parent)
        self.panel.setup()
        scroll = qt.QScrollArea()
        scroll.setWidget(parent)
        scroll.setWidgetResizable(True)
        scroll.setFixedSize(PANEL, HEIGHT)
        self.scroll, self.picture = scroll, qt.QLabel()
        self.window = qt.QWidget()
        layout = qt.QHBoxLayout(self.window)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(scroll)
        layout.addWidget(self.picture)
        self.window.show()

    def take(self) -> None:
        from PlaneSSLLib.phantom import write_phantoms

        studies = write_phantoms("heart", self.options.studies, 11, self.folder / "studies", phases=2)
        (unseen,) = write_phantoms("heart", 1, 12, self.folder / "unseen", phases=2)
        self.draw(self.options.study or studies[0])
        self.shot("panel-study", self.figure(), ["studySection", "planesSection"])
        self.train(studies)
        self.draw(unseen)
        ui = self.panel.ui
        ui.run.setCurrentIndex(next(i for i in range(ui.run.count) if "segmentation" in ui.run.itemText(i)))
        ui.segmentButton.click()
        self.panel.running.finish()
        self.shot("panel-segmentation", self.figure(), ["studySection", "applySection"])
        (knee,) = write_phantoms("knee", 1, 12, self.folder / "knee")
        self.draw(knee)
        self.shot("panel-knee", self.figure(), ["studySection", "planesSection"])

    def thumbnails(self) -> None:
        """What Slicer's Sample Data module shows of the made-up studies: their planes in 3D."""
        import qt
        from PlaneSSLPanel import samples

        from PlaneSSLLib import scene

        for organ in samples.ORGANS:
            study = self.panel.logic.drawStudy(samples.make(organ, samples.SEED, samples.PHASES))
            picture = scene.save_figure(scene.drawings()[-1], self.folder / "all.png", (1400, 900), overwrite=True)
            middle = qt.QPixmap(str(picture)).copy(0, 30, 640, 690)
            out = HOUSE / "Resources" / "Icons" / f"PlaneSSL-{organ}.png"
            middle.scaled(260, 280, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation).save(str(out))
            self.panel.logic.clear(study)
            print(out, flush=True)

    def draw(self, study: Path) -> None:
        self.panel.logic.clear()
        self.panel.ui.studyFolder.currentPath = str(study)
        self.panel.ui.drawButton.click()
        self.panel.running.finish()

    def train(self, studies: list[Path]) -> None:
        """Pretrain, with a picture halfway; then finetune."""
        from Testing.module.using import pick

        ui = self.panel.ui
        pick(ui.trainingAnatomy, "heart")
        ui.pretrainingFolder.currentPath = ui.labelledFolder.currentPath = str(studies[0].parent)
        ui.pretrainingEpochs.value, ui.finetuningEpochs.value = self.options.epochs, 2 * self.options.epochs
        ui.pretrainButton.click()
        while self.panel.running.busy and self.epochs_done() < self.options.epochs // 2 + 1:
            self.slicer.app.processEvents()
            time.sleep(0.02)
        self.shot("panel-training", self.curves("pretrained"), ["trainSection"])
        self.panel.running.finish()
        ui.startingRun.setCurrentIndex(1)
        ui.finetuneButton.click()
        self.panel.running.finish()

    def epochs_done(self) -> int:
        from PlaneSSLLib.workspace import history

        return len(history(self.panel.logic.workspace.run("pretrained")))

    def figure(self) -> Path:
        from PlaneSSLLib import scene

        return scene.save_figure(scene.drawings()[-1], self.folder / "figure.png", (1080, HEIGHT), overwrite=True)

    def curves(self, name: str) -> Path:
        """The chart's series as Slicer's plot view shows them."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        chart = self.panel.logic.showCurves(name)
        figure = Figure(figsize=(10.8, HEIGHT / 100), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for i in range(chart.GetNumberOfPlotSeriesNodes()):
            series = chart.GetNthPlotSeriesNode(i)
            table = series.GetTableNode().GetTable()
            x, y = ([table.GetColumn(k).GetValue(n) for n in range(table.GetNumberOfRows())] for k in (0, 1))
            axes.plot(x, y, color=series.GetColor(), label=series.GetName(), linewidth=2, marker="o", markersize=4)
        axes.set_title(chart.GetTitle())
        axes.set_xlabel(chart.GetXAxisTitle())
        axes.grid(alpha=0.3)
        axes.legend()
        out = self.folder / "curves.png"
        figure.savefig(out)
        return out

    def shot(self, name: str, picture: Path, opened: list[str]) -> None:
        """The panel with these sections open, beside a picture."""
        import qt

        ui = self.panel.ui
        for section in ("studySection", "planesSection", "trainSection", "applySection", "setUpSection"):
            getattr(ui, section).collapsed = section not in opened
        if "runsBox" in vars(ui):
            ui.runsBox.collapsed = False
            ui.finetuneBox.collapsed = "trainSection" not in opened
        ui.pairsBox.collapsed = False
        self.panel.refresh()
        self.picture.setPixmap(qt.QPixmap(str(picture)))
        for _ in range(5):
            self.slicer.app.processEvents()
            qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)  # what Slicer's event loop does
        path = self.options.out / f"{name}.png"
        self.window.grab().save(str(path))
        _in_palette(path)
        print(path, flush=True)


def _in_palette(path: Path) -> None:
    """Write a picture anew in 256 colours: a quarter of the size for version control, and the frames keep theirs."""
    from PIL import Image

    whole = Image.open(path).convert("RGB")
    whole.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2).save(path, optimize=True)


if __name__ == "__main__":
    main()
