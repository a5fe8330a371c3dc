"""Everything that can be chosen about the full model and its training: one dataclass, one YAML file.

Pages 7.2 and 7.3. A run folder holds the file it was trained with, so that nobody has to remember what was
typed. `Settings()` is the laptop's size; `data/settings/` has the others.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml

from avrec_lib.multimodal.joining import Way

TextKind = Literal["lsa", "words", "minilm", "minilm-tuned", "none"]
PictureKind = Literal["measured", "pixels", "efficientnet", "efficientnet-tuned", "none"]
SoundKind = Literal["measured", "frames", "whisper", "whisper-tuned", "none"]
UserKind = Literal["tastes", "id", "history", "both", "nobody"]
Loss = Literal["pointwise", "pairwise", "softmax"]
Precision = Literal["fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Settings:
    """What is read of a clip, how it is joined, what is known of a viewer, and how all of it is trained.

    Parameters
    ----------
    text, picture, sound : str
        How each sense is read, see `avrec_lib.multimodal.inputs`; "none" leaves it out.
    directions, tokens, vocabulary, pixels, frames, coefficients : int
        Numbers of a text by LSA; ids of a text, and ids there are; side of a small picture; frames of a sound, and MFCC
        of each.
    width : int
        Length of the vector that each sense is turned into.
    way : {"sum", "concat", "gated", "attention"}
        How the senses are joined, see `avrec_lib.multimodal.joining`.
    d : int
        Length of a clip's vector.
    hide : float
        Chance that a sense of a clip is hidden while training.
    user : {"tastes", "id", "history", "both", "nobody"}
        What tells two viewers apart: a mixture of tastes, a vector of one's own, what one clicked, the last two
        together, or nothing.
    tastes : int
        How many tastes there are, for user="tastes".
    hot : float
        Temperature that the tastes are trained at in the beginning; it falls to 1 over the first half.
    history : int
        How many of the last clicks are read, for "history" and "both".
    loss : {"pointwise", "pairwise", "softmax"}
        Tastes have a loss of their own, the marginal likelihood, and want "pointwise".
    weight_of_clicks : float
        How much more a click weighs than a refusal, for the pointwise loss.
    epochs, batch, accumulate : int
        Passes over the viewers; viewers in a step, over all processes; parts that a step is computed in.
    lr, weight_decay, warmup, clip : float
        Of AdamW; the share of the steps in which the step size rises (it falls on a cosine after); longest gradient.
    patience : int, optional
        Epochs without a better validation before training ends; without it all are run.
    precision : {"fp32", "tf32", "bf16"}
        Of the products: full; rounded inside NVIDIA's matrix units; or autocast to bfloat16.
    compile : bool
        Use `torch.compile`.
    workers : int
        Processes that gather batches; 0 gathers them in the training process.
    seed : int

    Raises
    ------
    ValueError
        If a value is of another kind, out of range, or does not fit the others.
    """

    text: TextKind = "lsa"
    picture: PictureKind = "measured"
    sound: SoundKind = "measured"
    directions: int = 32
    tokens: int = 16
    vocabulary: int = 800
    pixels: int = 32
    frames: int = 32
    coefficients: int = 13
    width: int = 32
    way: Way = "sum"
    d: int = 32
    hide: float = 0.1
    user: UserKind = "tastes"
    tastes: int = 6
    hot: float = 20.0
    history: int = 20
    loss: Loss = "pointwise"
    weight_of_clicks: float = 1.0
    epochs: int = 50
    batch: int = 250
    accumulate: int = 1
    lr: float = 0.03
    weight_decay: float = 0.3
    warmup: float = 0.05
    clip: float = 5.0
    patience: int | None = None
    precision: Precision = "fp32"
    compile: bool = False
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be built or trained."""
        hints = get_type_hints(type(self))
        for field in fields(self):
            _check_kind(field.name, getattr(self, field.name), hints[field.name])
        inputs = ("directions", "tokens", "vocabulary", "pixels", "frames", "coefficients")
        for name in (*inputs, "width", "d", "tastes", "history", "epochs", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("lr", "clip", "weight_of_clicks"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)}.")
        for name in ("hide", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}.")
        for name, least in (("weight_decay", 0), ("workers", 0), ("seed", 0), ("hot", 1)):
            if not least <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least {least}, and finite, not {getattr(self, name)}.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or left out, not {self.patience}.")
        if not self.senses:
            raise ValueError("text, picture and sound are all none; a clip needs at least one sense to be read.")
        if self.user == "tastes" and self.loss != "pointwise":
            raise ValueError(f"user=tastes has a loss of its own; set loss to pointwise, not {self.loss}.")
        if self.user == "tastes" and self.weight_of_clicks != 1:
            raise ValueError("user=tastes weighs clicks and refusals by their likelihood; leave weight_of_clicks at 1.")
        if self.user == "nobody" and self.loss == "softmax":
            raise ValueError("loss=softmax asks which clip belongs to whom, and user=nobody is the same for all.")

    @property
    def senses(self) -> tuple[str, ...]:
        """Return the senses that are read, in order."""
        return tuple(sense for sense in ("text", "picture", "sound") if getattr(self, sense) != "none")

    def but(self, **changes: Any) -> Settings:  # noqa: ANN401 (any field)
        """Return the same settings with some changed, checked again."""
        unknown = sorted(changes.keys() - {field.name for field in fields(self)})
        if unknown:
            raise ValueError(f"there is no setting {', '.join(unknown)}; there are {', '.join(vars(self))}.")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return what YAML and JSON can hold."""
        return asdict(self)

    def save(self, path: str | Path) -> None:
        """Write a YAML file, in one step."""
        target = Path(path)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        part.write_text(yaml.safe_dump(self.to_dict(), sort_keys=False), encoding="utf-8")
        part.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Settings:
        """Read a YAML file; what it does not name keeps its default.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no YAML mapping, names an unknown setting, or holds a wrong value.
        """
        try:
            told = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML file: {str(error).splitlines()[0]}.") from error
        if told is None:
            return cls()
        if not isinstance(told, dict) or not all(isinstance(name, str) for name in told):
            raise ValueError(f"{path} must hold settings, a name and a value on each line, such as lr: 0.01.")
        hints = get_type_hints(cls)
        try:
            return cls().but(**{name: _number(v) if hints.get(name) is float else v for name, v in told.items()})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _number(value: object) -> object:
    """Return the number that a string spells: to YAML 1e-3 is a word, for it lacks the point of 1.0e-3."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _check_kind(name: str, value: object, hint: Any) -> None:  # noqa: ANN401 (a type)
    options = get_args(hint)
    if options and not any(isinstance(option, type) for option in options):  # a Literal
        if not isinstance(value, str) or value not in options:
            raise ValueError(f"{name} must be one of {', '.join(options)}, not {value!r}.")
        return
    if options:  # int | None
        if value is None:
            return
        hint = int
    wanted = {bool: "true or false", int: "a whole number", float: "a number"}[hint]
    fits = isinstance(value, bool) if hint is bool else isinstance(value, hint) and not isinstance(value, bool)
    if not (fits or (hint is float and isinstance(value, int) and not isinstance(value, bool))):
        raise ValueError(f"{name} must be {wanted}, not {value!r}.")
