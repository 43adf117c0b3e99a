"""Settings that contradict each other are refused, and their neighbours are not."""

import pytest
from config_errors import read_error, read_tree
from test_message_sentences import long_sentences

from qllmft.config import flat_settings, parse_config

LINEAR = "model.head=none model.encoder_qubits=4 model.pad=bias model.odd=true"
FULL_BATCH = f"{LINEAR} train.optimizer=lbfgs train.select=last baselines.names=[]"
SINES = "model.start=sines model.reuploads=1 model.main_layers=1"
SPLIT = "data.protocol=split"
FOLDS = f"{SPLIT} data.validation_folds=3 train.select=last"

# settings, and what is said of them
CONTRADICTIONS = {
    # data
    "data.text_column=label": "data: the columns of texts and labels are label, label, expected different",
    'data.text_column=["a","label"]': "data: the columns of texts and labels are a, label, label, expected",
    'data.label_column=["a","a"]': "data: the columns of texts and labels are text, a, a, expected",
    'data.label_column=["a","b"]': "data: label_column is a, b and the task is classification. Set task",
    'data.task=multilabel data.label_column=["a"]': "data: label_column is a alone in a list. Name a column",
    "data.pair_features=product": "data: pair_features is 'product', and texts are single. Give text_column",
    "data.label_separator=,": "data: label_separator is ',', and only a column of several labels has one",
    'data.task=multilabel data.label_column=["a","b"] data.label_separator=,': "data: label_separator is ','",
    "data.test_size=0.3": "data: test_size is 0.3, and protocol is 'paper'. Set protocol to 'split', or leave",
    "data.validation_folds=3": "data: validation_folds is 3, and protocol is 'paper'. Set protocol to 'split'",
    f"{SPLIT} data.group_column=a data.time_column=b": "data: group_column is 'a', and time_column is 'b'. Leave "
    "group_column or time_column out",
    f"{SPLIT} data.group_column=a data.known_texts=19": "data: known_texts is 19, and group_column is 'a'. Known texts",
    f"{SPLIT} data.folds=3 data.time_column=b": "data: folds is 3, and time_column is 'b'. Folds mix earlier and",
    f"{SPLIT} data.folds=3 data.test_size=0.3": "data: test_size is 0.3, and folds is 3. Each fold is the test once",
    "data.task=regression data.ordered=true": "data: ordered is true, and task is 'regression'. It is for one label",
    "data.split_column=part": "data: split_column is 'part', and protocol is 'paper'. Set protocol to 'split' or",
    f"{SPLIT} data.split_column=part data.folds=3": "data: folds is 3, and split_column is 'part'. The column names",
    f"{FOLDS} data.train_fraction=0.5": "data: train_fraction is 0.5, and validation_folds is 3. Every fold validates",
    "data.task=regression data.merge_labels=true": "data: merge_labels is true, and no cell holds the name of a label",
    'data.task=multilabel data.label_column=["a","b"] data.merge_labels=true': "data: merge_labels is true, and no",
    f"{SPLIT} data.folds=3 data.fold=3": "data: fold is 3 and folds 3",
    "data.fold=0": "data: fold is 0 and folds None",
    "data.folds=1": "data.folds (got 1): Input should be greater than or equal to 2",
    f"{FOLDS} data.time_column=day": "data: validation_folds is 3, and time_column is 'day'. Folds mix earlier and",
    f"{FOLDS} data.task=multilabel": "data: validation_folds is 3, and task is 'multilabel'. It is for one label",
    f"{FOLDS} train.select=accuracy": "data.validation_folds is 3, and train.select is 'accuracy'. No text is left to",
    f"{FOLDS} body.trainable=true": "data.validation_folds is 3, and body.trainable is true. The language model would",
    # model
    "model.head=mlp": "model: head is 'mlp', and encoder is 'quantum'. Such a head reads the embedding itself. Set",
    "model.encoder=none": "model: encoder is 'none', and head is 'quantum'. Another head reads the encoders' values",
    "model.head=mlp model.encoder=mlp": "model: head is 'mlp', and encoder is 'mlp'. Such a head reads",
    "model.hidden_dim=8": "model: hidden_dim is 8, and encoder is 'quantum'. Set encoder to 'mlp' or 'none', or leave",
    "model.hidden_dim=8 model.batch_norm=true": "model: hidden_dim is 8 and batch_norm is true, and encoder is",
    "model.n_qubits=1": "model: n_qubits is 1, connectivity 1. A head needs 2 qubits or more",
    "model.n_qubits=4 model.connectivity=4": "model: n_qubits is 4, connectivity 4. A head needs 2 qubits",
    "model.n_encoders=3": "model: 3 encoders cannot share 10 latent values evenly",
    "model.encoder=mlp model.n_encoders=2": "model: n_encoders is 2, and encoder is 'mlp'. Set encoder to 'quantum'",
    "model.n_encoders=auto model.encoder=mlp": "model: n_encoders is 'auto', and encoder is 'mlp'. Set encoder",
    "model.encoder_qubits=9": "model: each encoder must yield 10 values, but has only 9 qubits. Raise encoder",
    "model.n_qubits=12 model.encoder_qubits=5": "model: each encoder must yield 12 values, but has only 5",
    "model.wires=last": "model: wires is 'last', and all 10 qubits of an encoder give a value. Raise encoder_qubits",
    "model.final_linear=false model.readout=all": "model: final_linear is false, and readout is 'all'. One qubit is",
    "model.final_linear=false model.readout=2": "model: final_linear is false, and readout is 2. One qubit is read",
    "model.final_linear=false model.readout=latent": "model: final_linear is false, and readout is 'latent'. One qubit",
    "model.readout=11": "model: readout is 11. Products of Z are of a quantum head's 10 qubits at most",
    "model.readout=4 model.n_qubits=20": "model: 6,195 products of Z would be read, expected at most 4,096",
    "model.odd=true": "model: odd is true, and pad is 'zeros'. It turns the sign of the constant. Set pad to",
    "model.encoder=mlp model.components=3": "model: components is 3, and encoder is 'mlp'. Set encoder to 'quantum'",
    "model.encoder=mlp model.latent_scale=1.0": "model: latent_scale is 1.0, and encoder is 'mlp'. Set encoder to",
    "model.encoder=mlp model.encoder_ansatz=paper": "model: encoder_ansatz is 'paper', and encoder is 'mlp'. Set",
    f"{LINEAR} model.encoder_ansatz=paper": "model: encoder_ansatz is 'paper', and head is 'none'. Give it as ansatz",
    f"{LINEAR} model.latent_scale=2.0": "model: latent_scale is 2.0, and odd is true. The ridge needs values of",
    "model.encoder=none model.head=mlp model.initial_angle=0.5": "model: initial_angle is 0.5, and head is 'mlp'. Set",
    "model.encoder=none model.head=mlp model.registers=2": "model: registers is 2, and head is 'mlp'. Set head to",
    f"{LINEAR} model.reupload_layers=3": "model: reupload_layers is 3, and head is 'none'. Set head to 'quantum', or",
    "model.encoder=none model.head=mlp model.ansatz=brickwork": "model: ansatz is 'brickwork', and encoder is 'none' "
    "and head is 'mlp'. No circuit has it. Leave ansatz out, or set head to 'quantum'",
    "model.head=none": "model: head is 'none', and encoder_qubits is not given. It is a linear layer on all qubits of",
    "model.head=none model.encoder_qubits=4 model.readout=latent": "model: readout is 'latent', and head is 'none'",
    "model.ansatz=brickwork model.connectivity=2": "model: connectivity is 2, and ansatz is 'brickwork'. Set ansatz",
    "model.ansatz=brickwork model.ring=false": "model: ring is false, and ansatz is 'brickwork'. Set ansatz to 'paper'",
    "model.ansatz=separable model.encoder_ansatz=paper model.connectivity=2": "model: connectivity is 2, and ansatz is",
    f"{SINES} model.main_layers=2": "model: start is 'sines', and main_layers is 2. Set main_layers to 1, or leave",
    f"{SINES} model.reuploads=3": "model: start is 'sines', and reuploads is 3. Set reuploads to 1, or leave start out",
    f"{SINES} model.block=ry_cx": "model: start is 'sines', and block is 'ry_cx'. Set block to 'cx_ry', or leave",
    f"{SINES} model.ring=false": "model: start is 'sines', and ring is false. Set ring to true, or leave start out",
    f"{SINES} model.initial_angle=0.5": "model: start is 'sines', and initial_angle is 0.5. Leave start or",
    f"{LINEAR} model.start=sines": "model: start is 'sines', and head is 'none'. Set head to 'quantum', or leave start",
    f"{SINES} model.n_qubits=10 model.registers=3": "model: registers is 3, n_qubits 10 and connectivity 1. Registers "
    "have the same number of qubits, 2 or more and above the connectivity: make n_qubits a multiple of registers",
    f"{SINES} model.n_qubits=4 model.registers=4": "model: registers is 4, n_qubits 4 and connectivity 1. Registers",
    f"{SINES} model.registers=7": "model: registers is 7, n_qubits 10 and connectivity 1. Registers have the same",
    f"{SINES} model.n_qubits=40 model.n_encoders=40": "model: n_qubits is 40, encoder_qubits 14, expected at most 30, "
    "which the engine simulates in one register: raise registers",
    "model.n_qubits=5000 model.registers=1000 model.n_encoders=auto model.encoder_qubits=10": "model: n_qubits is 5000,"
    " n_encoders auto, expected at most 4,096",
    "model.n_qubits=8 model.registers=2 model.readout=first": "model: readout is 'first', and registers is 2. Several",
    "model.n_qubits=8 model.registers=2 model.readout=latent": "model: readout is 'latent', and registers is 2.",
    # training
    "train.patience=3 train.select=last": "train: patience is 3, and select is 'last'. Set select to 'accuracy', or",
    "model.final_linear=false train.calibration=temperature": "train.calibration 'temperature' divides the logits of a "
    "final linear layer, and there is none. Set model.final_linear to true, or leave calibration out",
    "train.ridge_c=2.0": "train: ridge_c is 2.0 and Adam has no ridge. Set ridge to true, or optimizer to",
    "train.ridge=true": "train.ridge is true, and model.odd is false. Set model.odd to true, or leave train.ridge out",
    "train.ridge=true train.optimizer=lbfgs": "train: ridge is true, and optimizer is 'lbfgs'. It always has a ridge",
    f"{LINEAR} train.ridge=true train.ridge_c=folds": "train.ridge_c is 'folds', and model.start is 'random'. It is "
    "chosen with a linear start. Give a number, or set model.start to 'sines'",
    "train.optimizer=lbfgs": "train: optimizer is 'lbfgs', and select is 'accuracy'. It ends at its last point. Set",
    "train.optimizer=lbfgs train.lr=0.1": "train: lr is 0.1, and optimizer is 'lbfgs'. It takes all texts at once",
    "train.start_angle=0.2": "train.start_angle is 0.2, and model.start is 'random'. Set model.start to 'sines'",
    "train.register_lr=0.1": "train.register_lr is 0.1, and the head has one register, or does not start at sines",
    "train.body_lr=1e-5": "train.body_lr is 1e-05, and body.trainable is false. Set body.trainable to true",
    "train.loss=huber": "train.loss is 'huber', and data.task is 'classification'. Set data.task to 'regression'",
    "train.thresholds=validation": "train.thresholds is 'validation', and data.task is 'classification'. Set",
    "data.task=multilabel train.class_weight=balanced": "train.class_weight is 'balanced', and data.task is "
    "'multilabel'. It weighs one label per text. Leave it out, or choose the preset 'sines'",
    "data.task=regression train.calibration=temperature": "train.calibration is 'temperature', and data.task is",
    "data.task=multilabel model.final_linear=false": "data.task is 'multilabel', and a sign or a skip gives no values",
    "data.task=regression model.readout=latent": "data.task is 'regression', and a sign or a skip gives no values",
    "data.task=regression body.trainable=true": "body.trainable is true, and data.task is 'regression'. A language",
    f"{FULL_BATCH} data.task=regression": "data.task is 'regression', and train.optimizer 'lbfgs' without a head",
    f"{FULL_BATCH} model.odd=false": "train.optimizer is 'lbfgs', and model.odd is false. Set model.odd to true, or",
    f'{FULL_BATCH} baselines.training=head baselines.names=["mlp"]': "baselines.training is 'head', and lbfgs trains "
    "no head such as the baseline 'mlp'. Set it to 'converged'",
    f'{FULL_BATCH} baselines.training=head baselines.names=["low_rank"]': "baselines.training is 'head', and lbfgs",
    f"{FULL_BATCH} body.trainable=true": "train.optimizer is 'lbfgs', and body.trainable is true. Set body.trainable",
    f"{FULL_BATCH} noise.shots=10": "train.optimizer is 'lbfgs', and it needs exact values of the engine on the CPU",
    f"{LINEAR} backend.name=aer_forte": "model.head is 'none', and backend.name is 'aer_forte'. Encoders are trained "
    "on the project's engine. Set backend.name to 'adjoint', and use the trained model with --backend aer_forte",
    f"{LINEAR} noise.shots=10": "without a head, noise is the shots of eq. 2 on encoders that are not odd. Give",
    # language model
    "body.trainable=true body.lora.rank=2": "body: lora.rank is 2, and trainable is not 'lora'. Set trainable to",
    "body.trainable=lora body.contrastive.iterations=1": "body: trainable is 'lora', and contrastive trains the model",
    "body.trainable=lora body.adapter=a": "body: adapter is 'a', and the language model learns. An adapter that is",
    "body.trainable=true body.dtype=bfloat16": "body: dtype is 'bfloat16', and the language model learns. It is",
    "body.trainable=true body.long_texts=mean": "body: long_texts is 'mean', and the language model learns. It then",
    "body.trainable=true body.device=auto": "body: device is 'auto', and the language model learns. Only a frozen one",
    "body.prompt=a body.prompt_name=b": "body: prompt is 'a', and prompt_name is 'b'. Leave prompt or prompt_name out",
    """body.trainable=lora body.lora.rank=3 body.lora.peft='{"peft_type":"LOKR"}'""": "body.lora: rank is 3, and peft "
    "has all settings of the adapter. Leave rank or peft out",
    "body.contrastive.loss=supervised body.contrastive.iterations=1": "body.contrastive: iterations is 1, and loss is "
    "'supervised'. It takes all pairs of a batch",
    "body.contrastive.loss=supervised body.contrastive.batch_size=1": "body.contrastive: loss 'supervised' compares",
    "body.contrastive.lr=1e-3": "body.contrastive: lr is 0.001, and iterations is 0. Set iterations (SetFit's is 20)",
    "body.contrastive.epochs=3 body.contrastive.batch_size=4": "body.contrastive: epochs is 3 and batch_size is 4, and",
}


@pytest.mark.parametrize("settings", CONTRADICTIONS)
def test_a_contradiction_is_refused_with_its_section(settings):
    message = read_error(read_tree(settings))
    assert message.startswith(f"my.toml: {CONTRADICTIONS[settings]}")
    assert "Value error" not in message
    assert long_sentences(message) == []


@pytest.mark.parametrize("settings", [LINEAR, FULL_BATCH, SINES, FOLDS])
def test_the_settings_that_contradictions_begin_with_are_accepted(settings):
    parse_config(read_tree(settings), "my.toml")


@pytest.mark.parametrize(
    "settings",
    [
        "data.text_column=label data.label_column=text",
        "data.task=multilabel data.merge_labels=true",
        "model.head=mlp model.encoder=none",
        "model.head=mlp model.encoder=none model.n_qubits=1",
        "model.encoder=mlp model.hidden_dim=8",
        "model.n_qubits=2",
        "model.n_qubits=4 model.connectivity=3",
        "model.n_qubits=28 model.n_encoders=2",
        "model.encoder_qubits=10",
        "model.final_linear=false model.readout=first",
        "model.readout=latent",
        "model.readout=10",
        "train.lr_decay=cosine",
    ],
)
def test_what_lies_just_beside_a_contradiction_is_accepted(settings):
    tree = read_tree(settings)
    ((section, values),) = tree.items()
    settings_in_use = flat_settings(parse_config(tree, "my.toml"))
    assert {name: settings_in_use[f"{section}.{name}"] for name in values} == values
