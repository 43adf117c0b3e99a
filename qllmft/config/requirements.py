"""Settings of each section of a configuration that are supported only with some values of another setting.

Sections refuse what these tables do not support. What needs arithmetic is in their own ``_contradictions``.
"""

from __future__ import annotations

from qllmft_base.requirement import Requirement

# devices of a body that are distributions over several, of accelerate
DISTRIBUTIONS = ("auto", "balanced", "balanced_low_0", "sequential")
# settings of the protocol "split"
ALL_ROWS_SETTINGS = ("test_size", "folds", "validation_folds", "group_column", "time_column")

_NO_HEAD = "It is a linear layer on all qubits of quantum encoders"
_SINES = {
    "reuploads": (1,),
    "main_layers": (1,),
    "ansatz": ("paper",),
    "connectivity": (1,),
    "ring": (True,),
    "block": ("cx_ry",),
    "final_linear": (True,),
    "readout": (None, "all"),
    "initial_angle": (None,),
}
MODEL = (
    Requirement(
        ("head",), "encoder", ("none",), ("mlp",), reason="Such a head reads the embedding itself"
    ),
    Requirement(
        ("encoder",), "head", ("mlp",), ("none",), reason="Another head reads the encoders' values"
    ),
    Requirement(("head",), "encoder", ("quantum",), ("none",), reason=_NO_HEAD),
    Requirement(("head",), "final_linear", (True,), ("none",), reason=_NO_HEAD),
    Requirement(("head",), "encoder_qubits", None, ("none",), reason=_NO_HEAD),
    Requirement(("registers", "start", "reupload_layers"), "head", ("quantum",)),
    Requirement(("encoder_ansatz",), "head", ("quantum",), remedy="Give it as ansatz"),
    Requirement(
        ("ansatz",),
        "has_circuit",
        (True,),
        state="encoder is {encoder!r} and head is {head!r}",
        reason="No circuit has it",
        remedy="Leave ansatz out, or set head to 'quantum'",
    ),
    Requirement(("initial_angle",), "head", ("quantum", "none")),
    Requirement(("readout",), "head", ("quantum", "mlp")),
    Requirement(
        ("encoder_ansatz", "components", "odd", "latent_scale", "wires"), "encoder", ("quantum",)
    ),
    Requirement(("n_encoders",), "encoder", ("quantum", "none")),
    Requirement(("hidden_dim", "batch_norm"), "encoder", ("mlp", "none")),
    Requirement(("connectivity",), "ansatz", ("paper",)),
    Requirement(
        ("ring", "block"),
        "has_paper_ansatz",
        (True,),
        state="ansatz is {ansatz!r}",
        remedy="Set ansatz to 'paper', or leave ring and block out",
    ),
    Requirement(("odd",), "pad", ("constant", "bias"), reason="It turns the sign of the constant"),
    Requirement(("latent_scale",), "odd", (False,), reason="The ridge needs values of factor 1"),
    Requirement(("final_linear",), "readout", (None, "first"), reason="One qubit is read then"),
    Requirement(("registers",), "final_linear", (True,), reason="They are read as a whole"),
    Requirement(
        ("readout",), "registers", (1,), ("first", "latent"), reason="Several are read as a whole"
    ),
    *(Requirement(("start",), setting, values, ("sines",)) for setting, values in _SINES.items()),
)

TRAINING = (
    Requirement(("ridge",), "optimizer", ("adam",), reason="It always has a ridge"),
    Requirement(
        ("batch_size", "lr", "lr_decay", "weight_decay", "embedding_noise", "body_lr"),
        "optimizer",
        ("adam",),
        reason="It takes all texts at once and finds its steps",
    ),
    Requirement(
        ("optimizer",), "select", ("last",), ("lbfgs",), reason="It ends at its last point"
    ),
    Requirement(("patience",), "select", ("accuracy",)),
)

_DRAWN = "Known texts are drawn by chance, and such rows belong together"
_EACH_VALIDATES = "Each row validates once, and these rows would not"
_TOGETHER = "It would part rows that belong together"
DATA = (
    Requirement(
        ("pair_features",),
        "pair_column",
        None,
        ("difference", "product"),
        state="texts are single",
        remedy="Give text_column both columns",
    ),
    Requirement(
        ("label_separator",),
        "has_lists",
        (True,),
        state="only a column of several labels has one",
        remedy="Set task to 'multilabel' and label_column to one name",
    ),
    Requirement(ALL_ROWS_SETTINGS, "protocol", ("split",)),
    Requirement(("group_column",), "time_column", (None,)),
    Requirement(("known_texts",), "group_column", (None,), reason=_DRAWN),
    Requirement(("known_texts",), "time_column", (None,), reason=_DRAWN),
    Requirement(
        ("folds", "validation_folds"),
        "time_column",
        (None,),
        reason="Folds mix earlier and later rows",
    ),
    Requirement(
        ("validation_folds",), "task", ("classification",), reason="It is for one label per text"
    ),
    Requirement(("test_size",), "folds", (None,), reason="Each fold is the test once"),
    Requirement(("split_column",), "protocol", ("split", "given")),
    Requirement(
        ("test_size", "folds", "group_column", "time_column"),
        "split_column",
        (None,),
        reason="The column names the test",
    ),
    Requirement(
        ("train_fraction",),
        "validation_folds",
        (None,),
        reason="Every fold validates, and all texts train",
    ),
    Requirement(("ordered",), "task", ("classification",), reason="It is for one label per text"),
    Requirement(
        ("rare_labels",),
        "task",
        ("classification", "multilabel"),
        reason="Real targets have no labels",
        remedy="Leave rare_labels out",
    ),
    Requirement(("rare_labels",), "validation_folds", (None,), ("train",), reason=_EACH_VALIDATES),
    Requirement(("rare_labels",), "group_column", (None,), ("train",), reason=_TOGETHER),
    Requirement(("rare_labels",), "time_column", (None,), ("train",), reason=_TOGETHER),
    Requirement(
        ("merge_labels",),
        "has_label_names",
        (True,),
        state="no cell holds the name of a label",
        remedy="Leave merge_labels out",
    ),
)

ADAPTER = (
    Requirement(
        ("rank", "alpha", "dropout", "targets"),
        "peft",
        (None,),
        state="peft has all settings of the adapter",
    ),
)

CONTRASTIVE = (
    Requirement(("iterations",), "loss", ("cosine",), reason="It takes all pairs of a batch"),
    Requirement(
        ("epochs", "batch_size", "lr", "weights"),
        "switched_on",
        (True,),
        state="iterations is 0",
        remedy="Set iterations (SetFit's is 20)",
    ),
)

_LEARNS = "the language model learns"
BODY = (
    Requirement(("prompt",), "prompt_name", (None,)),
    Requirement(
        ("device",),
        "learns",
        (False,),
        DISTRIBUTIONS,
        state=_LEARNS,
        reason="Only a frozen one is distributed over all devices",
        remedy="Leave device out, or set trainable to false and leave contrastive out",
    ),
    Requirement(
        ("dtype",),
        "learns",
        (False,),
        ("bfloat16", "float16"),
        state=_LEARNS,
        reason="It is trained in float32",
        remedy="Leave dtype out",
    ),
    Requirement(
        ("long_texts",),
        "learns",
        (False,),
        state=_LEARNS,
        reason="It then reads one window of a text",
        remedy="Set long_texts to 'cut'",
    ),
    Requirement(
        ("adapter",),
        "learns",
        (False,),
        state=_LEARNS,
        reason="An adapter that is named has been trained",
        remedy="Leave adapter or the training out",
    ),
    Requirement(
        ("lora.rank", "lora.alpha", "lora.dropout", "lora.targets", "lora.peft"),
        "may_adapt",
        (True,),
        state="trainable is not 'lora'",
        remedy="Set trainable to 'lora'",
    ),
    Requirement(
        ("trainable",),
        "contrastive.switched_on",
        (False,),
        ("lora",),
        state="contrastive trains the model before",
        remedy="Leave one out (contrastive.weights 'lora' trains an adapter in the contrastive step)",
    ),
)

TASK_REMEDY = "Leave it out, or choose the preset 'sines'"
RUN = (
    Requirement(
        ("train.body_lr",),
        "body.trainable",
        (True, "lora"),
        remedy="Set body.trainable to true, or leave it out (the contrastive step has body.contrastive.lr)",
    ),
    Requirement(
        ("model.head",),
        "backend.entry.adjoint",
        (True,),
        ("none",),
        state="backend.name is {backend.name!r}",
        reason="Encoders are trained on the project's engine",
        remedy="Set backend.name to 'adjoint', and use the trained model with --backend {backend.name}",
    ),
    Requirement(
        ("train.ridge_c",),
        "model.start",
        ("sines", "linear"),
        ("folds", "validation"),
        reason="It is chosen with a linear start",
        remedy="Give a number, or set model.start to 'sines'",
    ),
    Requirement(("train.ridge",), "model.odd", (True,)),
    Requirement(("train.ridge",), "model.final_linear", (True,)),
    Requirement(("train.optimizer",), "model.odd", (True,), ("lbfgs",)),
    Requirement(("train.optimizer",), "model.final_linear", (True,), ("lbfgs",)),
    Requirement(
        ("train.optimizer",),
        "model.skip",
        (False,),
        ("lbfgs",),
        state="model.readout is 'latent'",
        remedy="Leave model.readout out, or set train.optimizer to 'adam'",
    ),
    Requirement(
        ("train.optimizer",),
        "has_exact_gradients",
        (True,),
        ("lbfgs",),
        state="it needs exact values of the engine on the CPU",
        remedy="Leave noise, backend and device out, or choose the optimizer adam",
    ),
    Requirement(("train.optimizer",), "body.trainable", (False,), ("lbfgs",)),
    Requirement(
        ("data.weight_column",),
        "body.learns",
        (False,),
        state="the language model learns",
        reason="Its training takes no weights of rows",
        remedy="Leave body.trainable and body.contrastive out, or data.weight_column",
    ),
    Requirement(
        ("data.validation_folds",),
        "body.trainable",
        (False,),
        reason="The language model would be trained with the head once",
        remedy="Set body.trainable to false (body.contrastive tunes the language model before the head), or leave "
        "data.validation_folds out",
    ),
    Requirement(
        ("data.validation_folds",),
        "train.select",
        ("last",),
        reason="No text is left to select the epoch",
    ),
    Requirement(("train.start_angle",), "model.start", ("sines",)),
    Requirement(
        ("train.register_lr",),
        "model.may_start_in_registers",
        (True,),
        state="the head has one register, or does not start at sines",
        remedy="Leave it out, and set train.lr",
    ),
    Requirement(("train.loss",), "data.task", ("regression",)),
    Requirement(("train.thresholds",), "data.task", ("multilabel",), ("validation",)),
    Requirement(
        ("train.class_weight",),
        "data.task",
        ("classification",),
        ("balanced",),
        reason="It weighs one label per text",
        remedy=TASK_REMEDY,
    ),
    Requirement(
        ("train.calibration",),
        "data.task",
        ("classification",),
        ("temperature",),
        reason="It is about probabilities of one label per text",
        remedy=TASK_REMEDY,
    ),
    Requirement(
        ("body.trainable", "body.contrastive.iterations", "body.contrastive.loss"),
        "data.task",
        ("classification",),
        reason="A language model learns from one label per text",
        remedy=TASK_REMEDY,
    ),
)
