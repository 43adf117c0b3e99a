"""`qllmft predict` in a process of `forked_scripts`: it streams and can be piped."""

import json

from piped_command import PipedCommand

# the four batches, of one text each with the body of the tests, that are answered together
PART = [("a good and lovely film", "positive"), ("an awful plot", "negative")] * 2


def test_predict_streams_and_a_broken_line_ends_it_without_a_traceback(run):
    with PipedCommand("predict", run.path, "--file", "-", "--json") as command:
        for _ in range(2):
            command.input.writelines(f"{text}\n".encode() for text, _ in PART)
            command.input.flush()
            # before more is written, or the input is closed
            answers = [json.loads(command.output.readline()) for _ in PART]
            assert [(answer["text"], answer["label"]) for answer in answers] == PART
        code, output, messages = command.end(b"caf\xe9\nfine\n")
    assert code == 2
    assert output == b""
    assert (
        messages.decode() == "error: -, line 9: byte 0xe9 is not UTF-8. Convert the file first.\n"
    )
