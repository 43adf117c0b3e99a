"""Files that Weights & Biases writes offline."""

import struct


def wandb_records(file):
    """The records of a run's file: protocol buffers, each in pieces that end with the blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = file.read_bytes()
    at = 7
    content = b""
    while at + 7 <= len(data):
        if (n_left := 32768 - at % 32768) < 7:
            at += n_left
            continue
        length, piece = struct.unpack("<HB", data[at + 4 : at + 7])
        content += data[at + 7 : at + 7 + length]
        at += 7 + length
        if piece in (1, 4):  # whole, or the last piece
            yield Record.FromString(content)
            content = b""
