#!/usr/bin/env python3
"""Writes tests/reference/tokenizer.json: what Hugging Face's tokenizers makes of 20,480 lines.

Made once, checked in; the tests only read it. To make it again:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.3
    /tmp/venv/bin/python tools/export_reference_tokenizer.py .deps/backbones/minilm

The lines are not stored. They come from a linear congruential generator over the ranges and strings
written into the file, so tests/trainer/reference_lines.h makes the same ones:
    state = state * 6364136223846793005 + 1442695040888963407  (mod 2**64, begins at 1)
    below(n) = (state >> 33) % n, after one step
    line:  2 + below(8) parts, a space after a part unless below(3) == 0
    part:  below(8) is 0..4: range = ranges[below(#ranges)], 1 + below(6) code points first + below(size),
                             surrogates moved 0x800 up
                       5:    strings[below(#strings)]
                       6:    a word of 80 + below(40) letters a..z
                       7:    1 + below(5) times: a letter of "aeiouAEIOU", then below(4) marks of U+0300..U+036F
A block's hashes are 64-bit FNV-1a, of its lines' UTF-8 bytes each with a line feed after, and of its
encodings: per token id, begin and end (code points), per line 0xFFFFFFFF, all little-endian u32.
A pair is an even line with the next one; its hash takes id and type id of each token.
"""

import hashlib
import json
import pathlib
import struct
import sys

import tokenizers

BLOCKS, LINES_PER_BLOCK = 40, 512
PAIR_LENGTHS = [3, 4, 5, 6, 8, 13, 16, 31, 64, 128]

RANGES = [  # first, last
    (0x61, 0x7A), (0x21, 0x7E), (0x30, 0x39), (0x01, 0x20), (0x7F, 0xA0), (0xA0, 0x24F), (0x250, 0x36F),
    (0x370, 0x52F), (0x530, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x13FF),
    (0x1680, 0x18AF), (0x1A00, 0x1CFF), (0x1D00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
    (0x2C00, 0x2E5D), (0x3000, 0x30FF), (0x3100, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
    (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFF), (0x10000, 0x12FFF),
    (0x16A00, 0x16FFF), (0x1D000, 0x1D7FF), (0x1E000, 0x1EEFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F),
    (0x0, 0x10F7FF),
]

STRINGS = [
    "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[mask]", "[ SEP ]", "[SEP", "SEP]", "[[MASK]]", "##ing", "[unused7]",
    "unaffable", "Tokenization", "electroencephalographically", "don't", "e-mail@example.org", "https://x.y/z?q=1",
    "3.14159", "1,000,000", "U.S.A.", "Ünïcödé", "naïve café", "İstanbul", "ıI", "ΣΊΣΥΦΟΣ", "ὈΔΥΣΣΕΎΣ", "ﬁnd ﬂow ﬃ", "ǅ ǈ ǋ",
    "ẞtraße", "Å Å", "é é", "क्षत्रिय", "ภาษาไทย", "漢字かな交じり文", "한국어 조선말", "각", "עִבְרִית", "العَرَبِيَّة",
    "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "½ ² ⅷ", "１２３ＡＢＣ", "“quoted” — ‘text’…", "a\u00adb", "zero\u200bwidth", "\ufeffbom",
    "\u202eright\u202c", "\ufffd", "\x00", "a\x00\u0301b", "\x85", "\u2028", "\u3000", "\t\r\n", "\x1f", "\ue000", "a\u0315\u0300\u05ae\u0062",
]

CASES = [
    "", " ", "hello world", "Hello, World!", "unaffable", "[CLS] not the frame [SEP]", "a [MASK] b[MASK]c", "[mask] [ MASK ]",
    "İstanbul ıI", "ΣΊΣΥΦΟΣ", "naïve café naïve", "ﬁnd", "漢字 kanji漢字", "한국어", "👩‍👩‍👧‍👦 👍🏽", "zero\u200bwidth a\u00adb",
    "a\tb\nc\rd\u3000e\u00a0f", "\x00\x01\ufffdx", "don't U.S.A. 3.14", "x" * 100, "x" * 101, "é" * 100, "a\u0301" * 101,
    "Å", "עִבְרִית", "क्षत्रिय", "ภาษาไทย", "½ ² １２３", "\ue000private", "᠆᮵ᢅ", "…—“”", "$+<=>^`|~", "ẞ", "\U00011938", "Ɤ",
]


class Lines:
    def __init__(self):
        self.state = 1

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def part(self):
        kind = self.below(8)
        if kind <= 4:
            first, last = RANGES[self.below(len(RANGES))]
            points = [first + self.below(last - first + 1) for _ in range(1 + self.below(6))]
            return "".join(chr(c + 0x800 if c >= 0xD800 and last == 0x10F7FF else c) for c in points)
        if kind == 5:
            return STRINGS[self.below(len(STRINGS))]
        if kind == 6:
            return "".join(chr(0x61 + self.below(26)) for _ in range(80 + self.below(40)))
        text = ""
        for _ in range(1 + self.below(5)):
            text += "aeiouAEIOU"[self.below(10)]
            for _ in range(self.below(4)):
                text += chr(0x300 + self.below(0x70))
        return text

    def line(self):
        text = ""
        for _ in range(2 + self.below(8)):
            text += self.part()
            if self.below(3) != 0:
                text += " "
        return text


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def words(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def main():
    backbone = pathlib.Path(sys.argv[1])
    target = pathlib.Path(__file__).parent.parent / "tests/reference/tokenizer.json"
    tokenizer = tokenizers.Tokenizer.from_file(str(backbone / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    source = Lines()
    lines = [source.line() for _ in range(BLOCKS * LINES_PER_BLOCK)]
    blocks = []
    for first in range(0, len(lines), LINES_PER_BLOCK):
        block = lines[first:first + LINES_PER_BLOCK]
        encodings = b""
        for line in block:
            encoding = tokenizer.encode(line)
            for token, (begin, end) in zip(encoding.ids, encoding.offsets):
                encodings += words(token, begin, end)
            encodings += words(0xFFFFFFFF)
        text = "".join(line + "\n" for line in block).encode()
        blocks.append({"lines": fnv1a(text), "encodings": fnv1a(encodings)})

    pairs = []
    for index, length in enumerate(PAIR_LENGTHS):
        tokenizer.enable_truncation(length)
        block = lines[index * LINES_PER_BLOCK:(index + 1) * LINES_PER_BLOCK]
        encodings = b""
        for text, pair in zip(block[0::2], block[1::2]):
            encoding = tokenizer.encode(text, pair)
            for token, type_id in zip(encoding.ids, encoding.type_ids):
                encodings += words(token, type_id)
            encodings += words(0xFFFFFFFF)
        pairs.append({"max_length": length, "block": index, "encodings": fnv1a(encodings)})
    tokenizer.no_truncation()

    cases = []
    for text in CASES:
        encoding = tokenizer.encode(text)
        offsets = [number for offset in encoding.offsets for number in offset]
        cases.append({"text": text, "tokens": " ".join(encoding.tokens), "ids": encoding.ids, "offsets": offsets})

    vocabulary = hashlib.sha256((backbone / "vocab.txt").read_bytes()).hexdigest()
    head = {"made_by": f"tools/export_reference_tokenizer.py, tokenizers {tokenizers.__version__}",
            "vocabulary_sha256": vocabulary, "lines_per_block": LINES_PER_BLOCK}
    lists = {"ranges": RANGES, "strings": STRINGS, "blocks": blocks, "pairs": pairs, "cases": cases}
    with open(target, "w", encoding="ascii") as out:
        out.write(json.dumps(head)[:-1])
        for name, items in lists.items():
            out.write(f',\n"{name}": [\n' + ",\n".join(json.dumps(item) for item in items) + "]")
        out.write("}\n")
    print(f"{target}: {len(lines)} lines, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
