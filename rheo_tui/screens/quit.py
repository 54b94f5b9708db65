"""The question before quitting while something runs."""

from typing import ClassVar

from rheo_tui.formatting import count_text

from .question import QuestionScreen


class QuitScreen(QuestionScreen):
    """Gives whether to quit."""

    BINDINGS: ClassVar = [("enter,q", "answer(True)", "Quit")]

    def __init__(self, running: int, keeps_list: bool) -> None:
        verb = "is" if running == 1 else "are"
        after = (
            "their bytes are kept, and they go on at the next start."
            if keeps_list
            else "nothing of this list is kept."
        )
        text = f"{count_text(running)} {verb} running. Quitting stops them; {after}"
        super().__init__("Quit?", text, yes="quit", no="stay")
